//! `sigma demo`: the whole pipeline on one machine.
//!
//! Generated transactions go into a stream in memory; the Kinesis mapping hands them to the real detector, which keeps its
//! state in an embedded DynamoDB through the real SDK; its messages go through the SQS mapping to the real alerter. Only
//! streams, queues, SNS and CloudWatch are in memory. What is expected comes from a plain fold of the same transactions, with
//! no batches, no store and no faults; what arrives is compared with it, alert by alert.

mod hostile;
mod local;
mod report;
mod truth;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use alerter::publication::Publication;
use anomaly_core::{Rule, RuleKind, RuleSettings};
use clap::Args;
use hostile::Hostility;
use local::Local;
use report::Summary;
use truth::Truth;

use crate::generator::{Generator, Scenario, Settings};
use crate::output::Output;
use crate::progress::Progress;

/// Event time of the first transaction, in ms since the epoch.
const START_MS: i64 = 1_760_000_100_000;
/// Records put between two polls of the mappings, as a batching window of 10 s would gather at 10 records a second.
const RECORDS_PER_POLL: usize = 100;
/// Polls after the last record within which everything has to be through.
const DRAIN_POLLS_MAX: usize = 1_000;

/// What can be chosen.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  sigma demo\n  sigma demo --records 1000000 --users 1000 --rate 500\n  \
    sigma demo --rule plain --sigmas 3.5 --summary summary.json")]
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
    /// The 2.5 of "2.5 σ".
    #[arg(long, default_value_t = 2.5)]
    pub sigmas: f64,
    /// Which rule judges.
    #[arg(long, default_value = "adaptive", value_parser = rule_kind)]
    pub rule: RuleKind,
    /// Write the figures to this file as JSON.
    #[arg(long, value_name = "FILE.json")]
    pub summary: Option<PathBuf>,
    /// How it speaks.
    #[command(flatten)]
    pub output: Output,
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0);
    number.ok_or_else(|| "a number above 0".to_owned())
}

fn rule_kind(name: &str) -> Result<RuleKind, String> {
    RuleKind::from_name(name).ok_or_else(|| "adaptive or plain".to_owned())
}

impl Options {
    fn rule(&self) -> anyhow::Result<Rule> {
        Ok(Rule::new(RuleSettings { kind: self.rule, sigmas: self.sigmas, ..RuleSettings::default() })?)
    }

    fn settings(&self) -> Settings {
        Settings {
            scenario: Scenario::Recipe,
            seed: self.seed,
            users: self.users,
            rate_per_second: self.rate,
            start_ms: START_MS,
            // The recipe's numbers do not depend on it.
            horizon_seconds: 0.0,
        }
    }
}

/// Runs the demo, prints its report and writes its summary.
///
/// # Errors
/// If the pipeline cannot be set up, does not drain, or loses, doubles or invents an alert.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut local = Local::start(options.rule()?).await?;
    let mut truth = Truth::new(options.rule()?);
    feed(options, &mut local, &mut truth).await?;
    drain(&mut local).await?;
    let published = local.publications();
    let summary = Summary::new(options, &local, &truth, &published, started.elapsed());
    let text = || format!("{}\n{}", report::table(&summary), report::inbox(&published));
    if let Some(text) = options.output.render(&summary, text)? {
        println!("{text}");
    }
    if let Some(path) = &options.summary {
        report::write(&summary, path)?;
    }
    summary.verdict()
}

/// Generates, mixes in what is hostile, puts and polls.
async fn feed(options: &Options, local: &mut Local, truth: &mut Truth) -> anyhow::Result<()> {
    let mut hostility = Hostility::default();
    let mut progress = Progress::new("transactions", options.records, options.output.quiet);
    let records = usize::try_from(options.records)?;
    let mut generator = Generator::new(&options.settings())?.take(records).peekable();
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
    anyhow::bail!("records or messages are still under way after {DRAIN_POLLS_MAX} polls")
}

/// How often each alert was published.
fn alert_counts(published: &[Publication]) -> BTreeMap<&str, u64> {
    let mut counts = BTreeMap::new();
    for id in published.iter().flat_map(|publication| &publication.alert_ids) {
        *counts.entry(id.as_str()).or_default() += 1;
    }
    counts
}
