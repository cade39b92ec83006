//! `sigma generate`: labelled transactions of a scenario, as files that `sigma replay` and `sigma send` read.

mod parse;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use parse::{exact, seconds, time_ms, whole};
use serde::Serialize;

pub(crate) use parse::rate;

use crate::generator::{Generated, Generator, Kind, Scenario, Settings};
use crate::output::Output;
use crate::progress::Progress;

/// Records between two steps of the progress bar.
const PROGRESS_RECORDS: u64 = 1_000;
/// Records, if neither they nor a duration are asked for.
const RECORDS_DEFAULT: u64 = 100_000;

/// Which transactions: shared by the commands that make their own.
#[derive(Debug, Clone, Args)]
pub struct Selection {
    /// Distinct users.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub users: u32,
    /// Transactions to generate [default: 100000, unless there is a duration].
    #[arg(long)]
    pub records: Option<u64>,
    /// Event time to generate, such as 90d, 12h or 30min.
    #[arg(long, value_parser = seconds)]
    pub duration: Option<f64>,
    /// The same seed gives the same transactions.
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
}

/// What can be chosen.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    sigma generate fraud --users 500 --duration 90d --rate 2000/d --out transactions.jsonl\n  \
    sigma generate retail --format csv --records 10000 > transactions.csv\n  \
    sigma generate recipe --users 5 | sigma replay --input - --report report.html\n\n\
    Each record has a label, 1 for what is anomalous, and its kind; the detector ignores both. docs/scenarios.md says how\n\
    the scenarios are made.")]
pub struct Options {
    /// What the transactions are like.
    #[arg(value_enum)]
    pub scenario: Scenario,
    /// Where to write [default: standard output].
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// How to write.
    #[arg(long, value_enum, default_value = "jsonl")]
    pub format: Format,
    /// Transactions of all users together, such as 10/s, 200/h or 1/d.
    #[arg(long, default_value = "10/s", value_parser = rate)]
    pub rate: f64,
    /// Event time of the beginning: ms since the epoch, or such as 2026-01-31T00:00:00Z.
    #[arg(long, default_value = "2025-10-09T08:55:00Z", value_parser = time_ms)]
    pub start: i64,
    /// Which transactions.
    #[command(flatten)]
    pub selection: Selection,
    /// How it speaks. The summary goes to standard error if the transactions go to standard output.
    #[command(flatten)]
    pub output: Output,
}

/// How transactions are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON record a line, as in the stream.
    Jsonl,
    /// Comma-separated with a header.
    Csv,
}

/// What was generated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Transactions.
    pub records: u64,
    /// Those with label 1.
    pub labelled: u64,
    /// The same by what is wrong with them.
    pub kinds: BTreeMap<Kind, u64>,
    /// Event time of the first transaction, in ms since the epoch.
    pub first_event_time_ms: Option<i64>,
    /// Event time of the last one.
    pub last_event_time_ms: Option<i64>,
}

/// A record as it is written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    user_id: &'a str,
    amount: f64,
    timestamp: i64,
    transaction_id: &'a str,
    merchant_id: &'a str,
    label: u8,
    kind: &'a str,
}

impl<'a> Row<'a> {
    fn new(generated: &'a Generated) -> Self {
        Self {
            user_id: &generated.user_id,
            amount: generated.amount,
            timestamp: generated.timestamp,
            transaction_id: &generated.transaction_id,
            merchant_id: &generated.merchant_id,
            label: u8::from(generated.kind.is_some()),
            kind: generated.kind.map_or("usual", Kind::as_str),
        }
    }
}

impl Generated {
    /// The stream's record with its label and kind, as one line of JSON without its end.
    ///
    /// # Errors
    /// Never for what the generator makes.
    pub fn labelled_json(&self) -> anyhow::Result<Vec<u8>> {
        Ok(serde_json::to_vec(&Row::new(self))?)
    }
}

impl Selection {
    /// How many records that will be, about, at so many a second of event time.
    #[must_use]
    pub fn records_expected(&self, rate: f64) -> u64 {
        let records = self.records.or_else(|| self.duration.is_none().then_some(RECORDS_DEFAULT));
        let in_duration = self.duration.map(|seconds| whole(seconds * rate));
        records.unwrap_or(u64::MAX).min(in_duration.unwrap_or(u64::MAX))
    }

    /// The transactions, `rate` a second of event time from `start_ms` on, until there are enough or time is over.
    ///
    /// # Errors
    /// If a distribution refuses its parameters.
    pub fn generate(
        &self,
        scenario: Scenario,
        rate: f64,
        start_ms: i64,
    ) -> anyhow::Result<impl Iterator<Item = Generated> + use<>> {
        let records_max = self.records.or_else(|| self.duration.is_none().then_some(RECORDS_DEFAULT));
        let records_seconds = records_max.map_or(f64::INFINITY, |records| exact(records) / rate);
        let horizon_seconds = self.duration.unwrap_or(f64::INFINITY).min(records_seconds);
        let settings =
            Settings { scenario, seed: self.seed, users: self.users, rate_per_second: rate, start_ms, horizon_seconds };
        let records_max = records_max.map_or(Ok(usize::MAX), usize::try_from)?;
        let end_ms = self.end_ms(start_ms);
        let is_within = move |generated: &Generated| generated.timestamp < end_ms;
        Ok(Generator::new(&settings)?.take(records_max).take_while(is_within))
    }

    /// Before this event time everything is, unless the number of records ends it earlier.
    fn end_ms(&self, start_ms: i64) -> i64 {
        let duration = self.duration.map(std::time::Duration::try_from_secs_f64);
        let length_ms = duration.and_then(Result::ok).and_then(|length| i64::try_from(length.as_millis()).ok());
        start_ms.saturating_add(length_ms.unwrap_or(i64::MAX))
    }
}

/// Writes a scenario and says what is in it.
///
/// # Errors
/// If it cannot be written.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let (sink, to): (Box<dyn Write>, String) = match &options.out {
        Some(path) => (Box::new(create(path)?), path.display().to_string()),
        None => (Box::new(std::io::stdout().lock()), "standard output".to_owned()),
    };
    // A reader that has seen enough (`| head`) ends the work; that is no failure.
    let Some(summary) = closed_is_enough(write(options, sink)).with_context(|| format!("cannot write to {to}"))? else {
        return Ok(());
    };
    match (options.output.render(&summary, || summary.text(options))?, &options.out) {
        (Some(text), Some(_)) => println!("{text}"),
        (Some(text), None) => eprintln!("{text}"),
        (None, _) => {}
    }
    Ok(())
}

fn create(path: &Path) -> anyhow::Result<File> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.map_or(Ok(()), std::fs::create_dir_all).with_context(|| format!("no folder for {}", path.display()))?;
    File::create(path).with_context(|| format!("cannot create {}", path.display()))
}

/// `None` if whoever reads has closed the pipe.
fn closed_is_enough(written: anyhow::Result<Summary>) -> anyhow::Result<Option<Summary>> {
    let is_closed = |error: &anyhow::Error| {
        error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
    };
    match written {
        Err(error) if is_closed(&error) => Ok(None),
        written => written.map(Some),
    }
}

fn write(options: &Options, sink: impl Write) -> anyhow::Result<Summary> {
    let mut summary = Summary::default();
    let is_quiet = options.output.quiet || options.out.is_none();
    let mut progress = Progress::new("transactions", options.selection.records_expected(options.rate), is_quiet);
    let mut rows = Rows::new(options.format, sink);
    for generated in options.selection.generate(options.scenario, options.rate, options.start)? {
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

enum Rows<W: Write> {
    Jsonl(BufWriter<W>),
    Csv(Box<csv::Writer<W>>),
}

impl<W: Write> Rows<W> {
    fn new(format: Format, sink: W) -> Self {
        match format {
            Format::Jsonl => Self::Jsonl(BufWriter::new(sink)),
            Format::Csv => Self::Csv(Box::new(csv::Writer::from_writer(sink))),
        }
    }

    fn write(&mut self, generated: &Generated) -> anyhow::Result<()> {
        match self {
            Self::Jsonl(sink) => {
                sink.write_all(&generated.labelled_json()?)?;
                sink.write_all(b"\n")?;
            }
            Self::Csv(sink) => sink.serialize(Row::new(generated)).map_err(std::io::Error::from)?,
        }
        Ok(())
    }

    fn finish(self) -> std::io::Result<()> {
        match self {
            Self::Jsonl(mut sink) => sink.flush(),
            Self::Csv(mut sink) => sink.flush(),
        }
    }
}

impl Summary {
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

    fn generate(arguments: &[&str]) -> (String, Summary) {
        let arguments = ["generate"].iter().chain(arguments);
        let mut written = Vec::new();
        let summary = write(&Cli::parse_from(arguments).options, &mut written).unwrap();
        (String::from_utf8(written).unwrap(), summary)
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let of = |seed| generate(&["fraud", "--records", "3000", "--seed", seed]).0;
        assert_eq!(of("1"), of("1"));
        assert_ne!(of("1"), of("2"));
    }

    #[test]
    fn a_line_is_the_record_of_the_stream_with_a_label_and_the_detector_reads_it() {
        let (lines, summary) = generate(&["recipe", "--records", "1000", "--users", "5"]);
        let mut labelled = 0;
        for line in lines.lines() {
            let raw: anomaly_core::RawTransaction<'_> = serde_json::from_str(line).unwrap();
            let amount = raw.amount;
            assert!(anomaly_core::Transaction::validate(raw, i64::MAX, 0).is_ok());
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!((&value["label"] == 1, &value["kind"] == "injected"), (amount >= 5_000.0, amount >= 5_000.0));
            labelled += value["label"].as_u64().unwrap();
        }
        assert_eq!((summary.records, summary.labelled), (1_000, labelled));
        assert_eq!(summary.kinds, BTreeMap::from([(Kind::Injected, labelled)]));
    }

    #[test]
    fn a_csv_has_a_header_and_the_same_rows() {
        let arguments = ["retail", "--records", "100"];
        let (csv, _) = generate(&[arguments.as_slice(), &["--format", "csv"]].concat());
        let (jsonl, _) = generate(&arguments);
        assert!(csv.starts_with("userId,amount,timestamp,transactionId,merchantId,label,kind\n"), "{csv}");
        assert_eq!(csv.lines().count(), 101);
        for (row, line) in csv.lines().skip(1).zip(jsonl.lines()) {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(row.split(',').next().unwrap(), line["userId"].as_str().unwrap());
            assert_eq!(row.split(',').nth(1).unwrap().parse::<f64>().unwrap(), line["amount"].as_f64().unwrap());
        }
    }

    #[test]
    fn a_duration_ends_it_and_a_start_begins_it() {
        let arguments = ["retail", "--duration", "14d", "--rate", "500/d", "--start", "2026-01-05T00:00:00Z"];
        let (_, summary) = generate(&arguments);
        let start_ms = 1_767_571_200_000;
        let (first, last) = (summary.first_event_time_ms.unwrap(), summary.last_event_time_ms.unwrap());
        assert!(first >= start_ms && last < start_ms + 14 * 86_400_000 && last > start_ms + 13 * 86_400_000);
        // 7,000 expected; the tolerance is that of `the_rate_holds_over_the_horizon`, wider since 100 users are fewer.
        assert!((5_500..8_500).contains(&summary.records), "{}", summary.records);
    }
}
