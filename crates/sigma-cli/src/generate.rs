//! `sigma generate`: labelled transactions of a scenario, as files that `sigma replay` and `sigma send` read.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use clap::builder::TypedValueParser;
use jiff::Timestamp;
use scenarios::{Generated, Kind, RowFormat, RowWriter, Scenario};
use serde::Serialize;

use crate::choice::one_of;
use crate::files;
use crate::output::{Output, say};
use crate::parse::{rate, time_ms};
use crate::progress::Progress;
use crate::selection::{SelectionOptions, scenario};

/// Records between two steps of the progress bar.
const PROGRESS_RECORDS: u64 = 1_000;

/// Flags of `sigma generate`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    sigma generate fraud --users 500 --duration 90d --rate 2000/d --out transactions.jsonl\n  \
    sigma generate retail --format csv --records 10000 > transactions.csv\n  \
    sigma generate uniform --users 5 | sigma replay --input - --report report.html\n\n\
    Each record has a label, 1 if it is anomalous, and the kind of anomaly; the detector ignores both. docs/scenarios.md\n\
    describes the scenarios.")]
pub struct Options {
    /// The kind of transactions.
    #[arg(value_parser = scenario())]
    pub scenario: Scenario,
    /// File to write [default: standard output].
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Format of the output.
    #[arg(long, value_parser = row_format(), default_value = "jsonl")]
    pub format: RowFormat,
    /// Transactions of all users together, such as 10/s, 200/h or 1/d.
    #[arg(long, default_value = "10/s", value_parser = rate)]
    pub rate: f64,
    /// Event time of the first transaction: ms since the epoch, or a time such as 2026-01-31T00:00:00Z.
    #[arg(long, default_value = "2025-10-09T08:55:00Z", value_parser = time_ms)]
    pub start: i64,
    /// Which transactions.
    #[command(flatten)]
    pub selection: SelectionOptions,
    /// The summary goes to standard error if the transactions go to standard output.
    #[command(flatten)]
    pub output: Output,
}

fn row_format() -> impl TypedValueParser<Value = RowFormat> {
    one_of([
        (RowFormat::Jsonl, "jsonl", "One JSON record a line, as in the stream"),
        (RowFormat::Csv, "csv", "Comma-separated with a header"),
    ])
}

/// What was generated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
struct GeneratedSummary {
    /// Transactions.
    records: u64,
    /// Those with label 1.
    labelled: u64,
    /// The same by kind.
    kinds: BTreeMap<Kind, u64>,
    /// Event time of the first transaction, in ms since the epoch.
    first_event_time_ms: Option<i64>,
    /// Event time of the last transaction.
    last_event_time_ms: Option<i64>,
}

/// Writes a scenario and prints a summary.
///
/// # Errors
/// If it cannot be written.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let (sink, to): (Box<dyn Write>, String) = match &options.out {
        Some(path) => (Box::new(files::create(path)?), path.display().to_string()),
        None => (Box::new(std::io::stdout().lock()), "standard output".to_owned()),
    };
    // A reader that has seen enough (`| head`) ends the work; that is not a failure.
    let written = write(options, sink).with_context(|| format!("cannot write to {to}"));
    let Some(summary) = unless_pipe_is_closed(written)? else { return Ok(()) };
    match (options.output.render(&summary, || summary.text(options))?, &options.out) {
        (Some(text), Some(_)) => say(text),
        (Some(text), None) => eprintln!("{text}"),
        (None, _) => {}
    }
    Ok(())
}

/// `None` if the reader has closed the pipe.
fn unless_pipe_is_closed(written: anyhow::Result<GeneratedSummary>) -> anyhow::Result<Option<GeneratedSummary>> {
    let is_closed = |error: &anyhow::Error| {
        error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
    };
    match written {
        Err(error) if is_closed(&error) => Ok(None),
        written => written.map(Some),
    }
}

fn write(options: &Options, sink: impl Write) -> anyhow::Result<GeneratedSummary> {
    let mut summary = GeneratedSummary::default();
    let selection = options.selection.selection();
    let is_quiet = options.output.quiet || options.out.is_none();
    let mut progress = Progress::new("transactions", selection.records_expected(options.rate), is_quiet);
    let mut rows = RowWriter::new(options.format, sink);
    for generated in selection.generate(options.scenario, options.rate, options.start)? {
        rows.write(&generated)?;
        summary.add(&generated);
        if summary.records.is_multiple_of(PROGRESS_RECORDS) {
            progress.advance(PROGRESS_RECORDS);
        }
    }
    rows.finish()?;
    progress.finish();
    Ok(summary)
}

impl GeneratedSummary {
    fn add(&mut self, generated: &Generated) {
        self.records += 1;
        self.first_event_time_ms.get_or_insert(generated.timestamp);
        self.last_event_time_ms = Some(generated.timestamp);
        if let Some(kind) = generated.kind {
            self.labelled += 1;
            *self.kinds.entry(kind).or_default() += 1;
        }
    }

    fn text(&self, options: &Options) -> String {
        let time = |ms: Option<i64>| ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let time = |ms| time(ms).map_or_else(|| "never".to_owned(), |time| time.to_string());
        let kinds: Vec<_> = self.kinds.iter().map(|(kind, count)| format!("{count} {}", kind.as_str())).collect();
        let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
        format!(
            "{} transactions of {} users, {} labelled{kinds}, from {} to {}",
            self.records,
            options.selection.users,
            self.labelled,
            time(self.first_event_time_ms),
            time(self.last_event_time_ms)
        )
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn a_summary_counts_what_was_written() {
        let arguments = ["generate", "uniform", "--records", "1000", "--users", "5", "--start", "2026-01-05T00:00:00Z"];
        let options = Cli::parse_from(arguments).options;
        let mut written = Vec::new();
        let summary = write(&options, &mut written).unwrap();
        let lines = String::from_utf8(written).unwrap();
        let labelled = lines.lines().filter(|line| line.contains("\"label\":1")).count();
        assert_eq!((summary.records, usize::try_from(summary.labelled).unwrap()), (1_000, labelled));
        assert_eq!(summary.kinds, BTreeMap::from([(Kind::Injected, summary.labelled)]));
        assert_eq!(summary.first_event_time_ms, Some(1_767_571_200_000));
        assert!(summary.text(&options).starts_with("1000 transactions of 5 users, "), "{}", summary.text(&options));
    }
}
