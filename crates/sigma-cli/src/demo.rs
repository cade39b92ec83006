//! `sigma demo`: the whole pipeline on one machine.
//!
//! Generated transactions and hostile records go through the pipeline of `testbed`: the real handlers on an embedded DynamoDB. The
//! expected alerts come from a plain fold of the same transactions, without batches, store or faults. The published alerts are
//! compared with them one by one.

mod hostile;
mod live;
mod local;
mod report;
mod truth;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use alerter::publication::Publication;
use anomaly_core::{KnobError, Rule, RuleKind, RuleSettings, knobs};
use clap::Args;
use hostile::Hostility;
use local::Local;
use report::DemoSummary;
use scenarios::{Generator, START_MS, Scenario, ScenarioSettings};
use truth::Truth;

use crate::choice::within;
use crate::output::{Output, say};
use crate::progress::Progress;
use crate::rule_options::rule_kind;

/// Records put between two polls of the mappings, as a batching window of 10 s would gather at 10 records a second.
const RECORDS_PER_POLL: usize = 100;
/// Polls after the last record within which everything has to be done.
const DRAIN_POLLS_MAX: usize = 1_000;

/// Flags of `sigma demo`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  sigma demo\n  sigma demo --records 1000000 --users 1000 --rate 500\n  \
    sigma demo --rule plain --sigmas 3.5 --summary summary.json\n  sigma demo --serve")]
pub struct Options {
    /// Transactions to generate.
    #[arg(long, default_value_t = 100_000)]
    pub records: u64,
    /// Distinct users.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub users: u32,
    /// The same seed gives the same transactions.
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// Transactions per second of event time.
    #[arg(long, default_value_t = 10.0, value_parser = positive)]
    pub rate: f64,
    /// Sigmas.
    #[arg(
        long,
        value_parser = within(knobs::SIGMAS),
        default_value_t = knobs::SIGMAS.default,
        help = knobs::SIGMAS.help()
    )]
    pub sigmas: f64,
    /// The rule that judges.
    #[arg(long, value_parser = rule_kind(), default_value = "adaptive")]
    pub rule: RuleKind,
    /// The live page.
    #[command(flatten)]
    live: live::LiveOptions,
    /// Write the figures to this file as JSON.
    #[arg(long, value_name = "FILE.json")]
    pub summary: Option<PathBuf>,
    /// Output.
    #[command(flatten)]
    pub output: Output,
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0);
    number.ok_or_else(|| "it must be a number above 0".to_owned())
}

impl Options {
    fn rule(&self) -> Result<Rule, KnobError> {
        Rule::new(RuleSettings { kind: self.rule, sigmas: self.sigmas, ..RuleSettings::default() })
    }

    fn scenario(&self) -> ScenarioSettings {
        ScenarioSettings {
            scenario: Scenario::Uniform,
            seed: self.seed,
            users: self.users,
            rate_per_second: self.rate,
            start_ms: START_MS,
            horizon_seconds: 0.0,
        }
    }
}

/// Runs the demo, prints its report and writes its summary.
///
/// # Errors
/// If the pipeline cannot start, does not drain, or loses, doubles or invents an alert.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    if options.live.serve {
        return live::run(options.live, options.seed, options.output.quiet).await;
    }
    let started = Instant::now();
    let mut local = Local::start(options.rule()?).await?;
    let mut truth = Truth::new(options.rule()?);
    feed(options, &mut local, &mut truth).await?;
    drain(&mut local).await?;
    let published = local.pipeline.alerter.take_publications();
    let summary = DemoSummary::new(options, &local, &truth, &published, started.elapsed());
    let text = || format!("{}\n{}\n{}", report::table(&summary), report::inbox(&published), report::next());
    if let Some(text) = options.output.render(&summary, text)? {
        say(text);
    }
    if let Some(path) = &options.summary {
        report::write(&summary, path)?;
    }
    summary.verdict()
}

/// Generates transactions, adds hostile records, puts them and polls.
async fn feed(options: &Options, local: &mut Local, truth: &mut Truth) -> anyhow::Result<()> {
    let mut hostility = Hostility::default();
    let mut progress = Progress::new("transactions", options.records, options.output.quiet);
    let records = usize::try_from(options.records)?;
    let mut generator = Generator::new(&options.scenario())?.take(records).peekable();
    while generator.peek().is_some() {
        let mut put = 0;
        for generated in generator.by_ref().take(RECORDS_PER_POLL) {
            let payload = serde_json::to_vec(&generated)?;
            let placed = local.put(&generated.user_id, payload.clone(), generated.timestamp);
            truth.add(&generated, &placed)?;
            if let Some((key, bad)) = hostility.after(&generated, &payload) {
                local.put(&key, bad, generated.timestamp);
            }
            put += 1;
        }
        local.poll().await?;
        progress.advance(put);
    }
    progress.finish();
    Ok(())
}

async fn drain(local: &mut Local) -> anyhow::Result<()> {
    for _ in 0..DRAIN_POLLS_MAX {
        if local.poll().await? {
            return Ok(());
        }
    }
    anyhow::bail!("records or messages are still pending after {DRAIN_POLLS_MAX} polls")
}

/// How often each alert was published.
fn alert_counts(published: &[Publication]) -> BTreeMap<&str, u64> {
    let mut counts = BTreeMap::new();
    for id in published.iter().flat_map(|publication| &publication.alert_ids) {
        *counts.entry(id.as_str()).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests;
