//! `sigma replay`: backtests rules on recorded transactions.
//!
//! The work is done by `backtest`. With `--through-handlers` the same records also go through the real detector, and the verdicts are
//! compared.

mod alerting;
mod handlers;
mod outputs;
mod people;
mod table;

use std::path::PathBuf;

use alerting::AlertingOptions;
use backtest::{Backtest, BacktestSummary, Flag, InputRecord, Plan};
use clap::Args;
use clap::error::ErrorKind;
use handlers::Handlers;
use outputs::{JsonLines, Reject};

use crate::files;
use crate::output::{Output, say};
use crate::progress::Progress;
use crate::reader_options::ReaderOptions;
use crate::rule_options::RuleOptions;

/// Records between two updates of the progress.
const RECORDS_PER_UPDATE: u64 = 16_384;

/// Flags of `sigma replay`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    sigma replay --input transactions.csv --report report.html\n  \
    sigma replay --input card.csv --user-column cc_num --time-format '%d/%m/%Y %H:%M' --label-column is_fraud\n  \
    sigma replay --input archive/2026/ --rule adaptive --rule tumbling --sigmas 2.5 --sigmas 3.5\n  \
    sigma replay --input archive/2026/ --policy policy.json --report report.html\n  \
    zcat day.jsonl.gz | sigma replay --input - --flags-out flags.jsonl --rejects rejects.jsonl\n\n\
    docs/replay.md describes the input, the output and the figures.")]
pub struct Options {
    /// File of transactions, a folder of them (a Firehose archive), or - for standard input: JSON records or CSV, gzip or not.
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,
    /// How to read it.
    #[command(flatten)]
    pub reader: ReaderOptions,
    /// The rules.
    #[command(flatten)]
    pub rules: RuleOptions,
    /// How alerts are told.
    #[command(flatten)]
    pub alerting: AlertingOptions,
    /// Also run every record through the detector as it is deployed, on an embedded DynamoDB, once for each rule, and fail if a verdict
    /// differs. Takes rules of the detector; slower.
    #[arg(long)]
    pub through_handlers: bool,
    /// Skip the threshold sweep; saves nine states per user and rule.
    #[arg(long)]
    pub no_sweep: bool,
    /// Write each flagged transaction as a line of JSON.
    #[arg(long, value_name = "FILE.jsonl", help_heading = "Output")]
    pub flags_out: Option<PathBuf>,
    /// Write each rejected record as a line of JSON, with its reason.
    #[arg(long, value_name = "FILE.jsonl", help_heading = "Output")]
    pub rejects: Option<PathBuf>,
    /// Write all figures as JSON.
    #[arg(long, value_name = "FILE.json", help_heading = "Output")]
    pub summary: Option<PathBuf>,
    /// Write the report: one HTML page that opens offline.
    #[arg(long, value_name = "FILE.html", help_heading = "Output")]
    pub report: Option<PathBuf>,
    /// Output.
    #[command(flatten)]
    pub output: Output,
}

/// Runs the backtest, prints the figures and writes the files.
///
/// # Errors
/// If the input cannot be read, has no transaction, or a file cannot be written; a [`clap::Error`] if the flags do not fit together.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let summary = replay(options).await?;
    if let Some(path) = &options.summary {
        files::write(path, &(serde_json::to_string(&summary)? + "\n"))?;
    }
    if let Some(path) = &options.report {
        files::write(path, &backtest_report::render(&summary))?;
    }
    if let Some(text) = options.output.render(&summary, || table::text(&summary))? {
        say(text);
    }
    Ok(())
}

impl Options {
    /// The sweep runs only if an output shows it.
    fn is_swept(&self) -> bool {
        !self.no_sweep && (self.summary.is_some() || self.report.is_some() || self.output.json)
    }

    /// One detector for each rule, in the order of the plan; none if they are not asked for.
    async fn handlers(&self, plan: &Plan) -> anyhow::Result<Vec<Handlers>> {
        let mut handlers = Vec::new();
        if !self.through_handlers {
            return Ok(handlers);
        }
        let rules = plan.detector_rules();
        let rules = rules.ok_or_else(|| usage("--through-handlers takes rules of the detector: tumbling is not"))?;
        for (rule, retention_seconds) in rules {
            handlers.push(Handlers::start(rule, retention_seconds).await?);
        }
        Ok(handlers)
    }
}

fn usage(message: impl std::fmt::Display) -> anyhow::Error {
    clap::Error::raw(ErrorKind::ValueValidation, format!("{message}\n")).into()
}

/// Runs the backtest and writes flags and rejects.
async fn replay(options: &Options) -> anyhow::Result<BacktestSummary> {
    let plan = options.rules.choices()?.plan(options.is_swept()).map_err(usage)?;
    let plan = plan.with_alerting(options.alerting.settings()?).map_err(usage)?;
    let handlers = options.handlers(&plan).await?;
    let files = Files::create(options)?;
    let keeps_flags = files.flags.is_some() || !handlers.is_empty();
    let backtest = Backtest::open(&options.input, options.reader.settings(), &plan, keeps_flags)?;
    let mut pass = Pass { backtest, handlers, files, flags: Vec::new() };
    pass.read(options.output.quiet).await?;
    let Pass { backtest, handlers, files, flags } = pass;
    for (place, handlers) in handlers.into_iter().enumerate() {
        handlers.compare(&backtest, place, &flags)?;
    }
    files.finish()?;
    backtest.summary()
}

/// The backtest with everything that happens along the way.
struct Pass {
    backtest: Backtest,
    handlers: Vec<Handlers>,
    files: Files,
    /// All flags, if they are compared with the handlers'.
    flags: Vec<Flag>,
}

impl Pass {
    async fn read(&mut self, is_quiet: bool) -> anyhow::Result<()> {
        let mut progress = self.backtest.bytes_total().map(|total| Progress::new("bytes", total, is_quiet));
        let (mut records, mut bytes_shown) = (0_u64, 0);
        while self.read_one()? {
            records += 1;
            for handlers in &mut self.handlers {
                handlers.poll(false).await?;
            }
            if records.is_multiple_of(RECORDS_PER_UPDATE) {
                self.take_flags()?;
                if let Some(progress) = &mut progress {
                    progress.advance(self.backtest.bytes_read() - bytes_shown);
                    bytes_shown = self.backtest.bytes_read();
                }
            }
        }
        if let Some(mut progress) = progress {
            progress.advance(self.backtest.bytes_read() - bytes_shown);
            progress.finish();
        }
        for handlers in &mut self.handlers {
            handlers.poll(true).await?;
        }
        self.backtest.finish()?;
        self.take_flags()
    }

    fn read_one(&mut self) -> anyhow::Result<bool> {
        let Self { backtest, handlers, files, .. } = self;
        backtest.advance(|index, record| {
            for handlers in handlers.iter_mut() {
                handlers.put(index, record);
            }
            files.reject(index, record)
        })
    }

    fn take_flags(&mut self) -> anyhow::Result<()> {
        for flag in self.backtest.take_flags() {
            self.files.flag(&flag)?;
            if !self.handlers.is_empty() {
                self.flags.push(flag);
            }
        }
        Ok(())
    }
}

/// The files that are written while reading.
struct Files {
    flags: Option<JsonLines>,
    rejects: Option<JsonLines>,
}

impl Files {
    fn create(options: &Options) -> anyhow::Result<Self> {
        let create = |path: &Option<PathBuf>| path.as_deref().map(JsonLines::create).transpose();
        Ok(Self { flags: create(&options.flags_out)?, rejects: create(&options.rejects)? })
    }

    fn flag(&mut self, flag: &Flag) -> anyhow::Result<()> {
        self.flags.as_mut().map_or(Ok(()), |flags| flags.write(flag))
    }

    /// Writes the record, if it is a reject.
    fn reject(&mut self, index: u64, record: &InputRecord<'_>) -> anyhow::Result<()> {
        let Some(rejects) = &mut self.rejects else { return Ok(()) };
        record.outcome.as_ref().err().map_or(Ok(()), |reason| rejects.write(&Reject::new(index, *reason, record)))
    }

    fn finish(self) -> anyhow::Result<()> {
        [self.flags, self.rejects].into_iter().flatten().try_for_each(JsonLines::finish)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }

    fn file(name: &str) -> String {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data").join(name).to_str().unwrap().to_owned()
    }

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("sigma-{}-{name}", std::process::id()))
    }

    fn options(input: &str, arguments: &[&str]) -> Options {
        let data = file(input);
        let given = ["replay", "--quiet", "--input", &data];
        Cli::parse_from(given.iter().chain(arguments)).options
    }

    #[tokio::test]
    async fn flags_that_do_not_fit_together_are_a_wrong_call() {
        for arguments in [&["--rule", "tumbling"][..], &["--rule", "adaptive", "--rule", "tumbling"]] {
            run(&options("replay/mixed.jsonl", arguments)).await.unwrap();
            let error = run(&options("replay/mixed.jsonl", &[arguments, &["--through-handlers"]].concat())).await;
            assert_eq!(error.unwrap_err().downcast::<clap::Error>().unwrap().exit_code(), 2, "{arguments:?}");
        }
    }

    #[tokio::test]
    async fn the_handlers_on_the_embedded_store_agree_with_the_core() {
        let parity = "parity/profile";
        let (population, model) = (file(&format!("{parity}/population.json")), file(&format!("{parity}/model.json")));
        for rules in [
            &[][..],
            &["--rule", "plain"],
            &["--rule", "profile", "--sigmas", "2.5", "--sigmas", "3"],
            &["--rule", "profile", "--population", &population, "--model", &model],
        ] {
            let arguments = [rules, &["--through-handlers"]].concat();
            run(&options("replay/mixed.jsonl", &arguments)).await.unwrap();
            run(&options("replay/archive", &arguments)).await.unwrap();
        }
        let columns = ["--time-format", "%d/%m/%Y %H:%M:%S", "--user-column", "Card number", "--time-column"];
        let arguments = [&columns[..], &["Date of purchase", "--through-handlers"]].concat();
        run(&options("replay/cards.csv", &arguments)).await.unwrap();
    }

    #[tokio::test]
    async fn a_policy_decides_what_people_would_get() {
        let policy = scratch("policy.json");
        let rule = r#"{"id":"all","match":{"rule":["adaptive"],"text":[{"prefix":"ANOMALY"}]},"then":"silent","until":"2099-01-01","why":"test"}"#;
        std::fs::write(&policy, format!(r#"{{"version":3,"rules":[{rule}]}}"#)).unwrap();
        let summary = replay(&options("parity/input.jsonl", &["--policy", policy.to_str().unwrap()])).await.unwrap();
        std::fs::remove_file(&policy).unwrap();
        let [adaptive, profile] = [0, 1].map(|place| summary.rules[place].people.clone().unwrap());
        assert!(summary.rules[0].alerts > 0 && summary.rules[1].alerts > 0);
        assert_eq!((adaptive.silent.alerts, adaptive.messages.max), (summary.rules[0].alerts, 0));
        assert_eq!(adaptive.policy_rules[0].count.alerts, summary.rules[0].alerts);
        assert_eq!((profile.silent.alerts, profile.policy_rules[0].count.alerts), (0, 0));
        let text = table::text(&summary);
        assert!(text.contains("at most 20 alerts a day at once, and a summary every 24 h; policy version 3"), "{text}");
        assert!(text.contains("Policy: all (silent)"), "{text}");
    }

    #[tokio::test]
    async fn a_policy_that_cannot_be_read_is_an_error_that_says_why() {
        let policy = scratch("not-a-policy.json");
        std::fs::write(&policy, r#"{"page":{"severity":"low"}}"#).unwrap();
        let error = run(&options("replay/mixed.jsonl", &["--policy", policy.to_str().unwrap()])).await.unwrap_err();
        std::fs::remove_file(&policy).unwrap();
        assert!(format!("{error:#}").contains("unknown variant `low`"), "{error:#}");
        let error = run(&options("replay/mixed.jsonl", &["--policy", policy.to_str().unwrap()])).await.unwrap_err();
        assert!(format!("{error:#}").starts_with("cannot read"), "{error:#}");
    }

    #[tokio::test]
    async fn without_summaries_there_is_no_budget() {
        let error = run(&options("replay/mixed.jsonl", &["--digest-hours", "0"])).await.unwrap_err();
        assert_eq!(error.downcast::<clap::Error>().unwrap().exit_code(), 2);
        let off = ["--digest-hours", "0", "--pages-per-day-max", "0"];
        let summary = replay(&options("parity/input.jsonl", &off)).await.unwrap();
        for rule in &summary.rules {
            let people = rule.people.as_ref().unwrap();
            assert_eq!((people.pages.alerts, people.messages), (rule.alerts, people.messages_without));
        }
    }

    #[tokio::test]
    async fn rejects_are_written_with_their_lines_and_reasons() {
        let path = std::env::temp_dir().join(format!("sigma-rejects-{}.jsonl", std::process::id()));
        run(&options("replay/mixed.jsonl", &["--rejects", path.to_str().unwrap()])).await.unwrap();
        let written = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let lines: Vec<serde_json::Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let found: Vec<(u64, &str)> =
            lines.iter().map(|line| (line["line"].as_u64().unwrap(), line["reason"].as_str().unwrap())).collect();
        let expected = [
            (14, "not-json"),
            (15, "missing-field"),
            (19, "not-json"),
            (20, "wrong-type"),
            (21, "user-id-invalid"),
            (22, "amount-not-finite"),
            (23, "amount-out-of-range"),
            (24, "timestamp-out-of-range"),
            (25, "not-utf8"),
        ];
        assert_eq!(found, expected);
        assert_eq!(lines[2]["raw"], "not json");
    }

    #[tokio::test]
    async fn a_summary_that_is_written_can_be_read_again() {
        let path = std::env::temp_dir().join(format!("sigma-summary-{}.json", std::process::id()));
        run(&options("replay/mixed.jsonl", &["--summary", path.to_str().unwrap()])).await.unwrap();
        let summary: BacktestSummary = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!((summary.input.transactions, summary.rules.len()), (16, 2));
        assert_eq!(summary.rules[0].sweep.len(), 9, "a summary shows the sweep");
    }
}
