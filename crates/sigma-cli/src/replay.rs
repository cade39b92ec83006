//! `sigma replay`: what a rule would have alerted in transactions that are already there.
//!
//! One pass: each record is decoded as the detector decodes a payload, and every rule takes the detector's `step` with a state of
//! its own for each user. Memory depends on users and rules, not on lines. `--through-handlers` puts the same records through
//! the real handlers too and holds the verdicts against each other.

mod assemble;
mod config;
mod detail;
mod engine;
mod flagged;
mod handlers;
pub mod input;
mod lane;
mod outputs;
mod recipe;
mod series;
pub mod summary;
mod table;
mod timeline;
mod users;

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use clap::error::ErrorKind;
use config::Plan;
use engine::Engine;
use handlers::Handlers;
use input::{ColumnNames, Format, Reader, Record, TimeFormat};
use outputs::{JsonLines, Reject};
use summary::{Flag, Input, RuleName, SUMMARY_VERSION, Summary};

pub use config::{DirectionName, RuleOptions};

use crate::output::Output;
use crate::progress::Progress;
use crate::report;

/// Records between two looks at the progress.
const RECORDS_PER_LOOK: u64 = 16_384;

/// What can be chosen.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    sigma replay --input transactions.csv --report report.html\n  \
    sigma replay --input card.csv --user-column cc_num --time-format '%d/%m/%Y %H:%M' --label-column is_fraud\n  \
    sigma replay --input archive/2026/ --rule adaptive --rule recipe --sigmas 2.5 --sigmas 3.5\n  \
    zcat day.jsonl.gz | sigma replay --input - --flags-out flags.jsonl --rejects rejects.jsonl\n\n\
    docs/replay.md says what is read and written, and what the figures mean.")]
pub struct Options {
    /// File of transactions, a folder of them (a Firehose archive), or - for standard input: JSON records or CSV, gzip or not.
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,
    /// How the input is written.
    #[arg(long, value_enum, default_value = "auto")]
    pub format: Format,
    /// How the times of a CSV are written: auto, iso, s, ms, or a pattern such as '%d/%m/%Y %H:%M'.
    #[arg(long, default_value = "auto", help_heading = "Columns of a CSV")]
    pub time_format: TimeFormat,
    /// Columns of a CSV.
    #[command(flatten)]
    pub columns: ColumnNames,
    /// The rules.
    #[command(flatten)]
    pub rules: RuleOptions,
    /// Also put every record through the detector as it is deployed, on an embedded DynamoDB, and fail if a verdict differs: for one
    /// rule of the detector, and slower.
    #[arg(long)]
    pub through_handlers: bool,
    /// Leave out what other sigmas would give: nine states less for each user and rule.
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
    /// Print or not.
    #[command(flatten)]
    pub output: Output,
}

/// Replays the input, prints the figures and writes the files.
///
/// # Errors
/// If the input cannot be read, has no transaction, or a file cannot be written; a [`clap::Error`] if a knob is out of range.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let summary = replay(options).await?;
    if let Some(path) = &options.summary {
        outputs::write(path, &(serde_json::to_string(&summary)? + "\n"))?;
    }
    if let Some(path) = &options.report {
        outputs::write(path, &report::render(&summary))?;
    }
    if let Some(text) = options.output.render(&summary, || table::text(&summary))? {
        println!("{text}");
    }
    Ok(())
}

impl Options {
    /// Other sigmas are run only for who gets to see them.
    fn is_swept(&self) -> bool {
        !self.no_sweep && (self.summary.is_some() || self.report.is_some() || self.output.json)
    }

    async fn handlers(&self, plan: &Plan) -> anyhow::Result<Option<Handlers>> {
        if !self.through_handlers {
            return Ok(None);
        }
        match plan.specs.get(..plan.shown) {
            Some([spec]) if spec.rule != RuleName::Recipe => {
                let settings = self.rules.settings(spec.rule, spec.knobs.sigmas).map_err(usage)?;
                Ok(Some(Handlers::start(settings).await?))
            }
            _ => Err(usage("--through-handlers takes one rule of the detector: adaptive or plain, and one --sigmas")),
        }
    }

    fn reader(&self) -> anyhow::Result<Reader> {
        let settings = input::Settings {
            format: self.format,
            columns: self.columns.clone(),
            time_format: self.time_format.clone(),
        };
        Reader::open(&self.input, settings)
    }
}

fn usage(message: impl std::fmt::Display) -> anyhow::Error {
    clap::Error::raw(ErrorKind::ValueValidation, format!("{message}\n")).into()
}

/// Reads the whole input.
///
/// # Errors
/// See [`run`].
pub async fn replay(options: &Options) -> anyhow::Result<Summary> {
    let plan = options.rules.plan(options.is_swept()).map_err(usage)?;
    let mut reader = options.reader()?;
    let mut files = Files::create(options)?;
    let mut pass = Pass {
        engine: Engine::new(&plan, files.flags.is_some() || options.through_handlers)?,
        handlers: options.handlers(&plan).await?,
        flags: Vec::new(),
    };
    let started = Instant::now();
    pass.read(&mut reader, &mut files, options.output.quiet).await?;
    let elapsed_seconds = started.elapsed().as_secs_f64();
    pass.compare()?;
    files.finish()?;
    let mut input = described(options, &reader);
    pass.engine.count_input(&mut input);
    require_transactions(&input)?;
    Ok(Summary {
        version: SUMMARY_VERSION,
        tool: format!("sigma {}", env!("CARGO_PKG_VERSION")),
        timeline: pass.engine.timeline(&input),
        rules: pass.engine.rules(&input, options.is_swept()),
        elapsed_seconds,
        lines_per_second: rate(input.lines, elapsed_seconds),
        input,
    })
}

/// Every record through every rule.
struct Pass {
    engine: Engine,
    handlers: Option<Handlers>,
    /// What was flagged, to be held against the handlers' flags.
    flags: Vec<Flag>,
}

impl Pass {
    async fn read(&mut self, reader: &mut Reader, files: &mut Files, is_quiet: bool) -> anyhow::Result<()> {
        let mut progress = reader.bytes_total().map(|total| Progress::new("bytes", total, is_quiet));
        let mut bytes_shown = 0;
        while let Some(index) = self.read_one(reader, files)? {
            if let Some(handlers) = &mut self.handlers {
                handlers.poll(false).await?;
            }
            if index % RECORDS_PER_LOOK == 0 {
                self.take_flags(files)?;
                if let Some(progress) = &mut progress {
                    progress.advance(reader.bytes_read() - bytes_shown);
                    bytes_shown = reader.bytes_read();
                }
            }
        }
        if let Some(mut progress) = progress {
            progress.advance(reader.bytes_read() - bytes_shown);
            progress.finish();
        }
        if let Some(handlers) = &mut self.handlers {
            handlers.poll(true).await?;
        }
        self.engine.finish();
        self.take_flags(files)
    }

    /// Answers with the index of the record; `None` at the end.
    fn read_one(&mut self, reader: &mut Reader, files: &mut Files) -> anyhow::Result<Option<u64>> {
        let Some(record) = reader.next_record()? else { return Ok(None) };
        let index = self.engine.add(&record)?;
        if let Some(handlers) = &mut self.handlers {
            handlers.put(index, &record);
        }
        if record.outcome.is_err() {
            files.reject(index, &record)?;
        }
        Ok(Some(index))
    }

    fn take_flags(&mut self, files: &mut Files) -> anyhow::Result<()> {
        for flag in self.engine.take_flags() {
            files.flag(&flag)?;
            if self.handlers.is_some() {
                self.flags.push(flag);
            }
        }
        Ok(())
    }

    fn compare(&mut self) -> anyhow::Result<()> {
        let Some(handlers) = &mut self.handlers else { return Ok(()) };
        let verdicts = self.engine.lanes.first().map(|lane| lane.counts.verdicts).unwrap_or_default();
        handlers.compare(verdicts, &self.engine.totals, &self.flags)
    }
}

fn described(options: &Options, reader: &Reader) -> Input {
    Input {
        source: options.input.display().to_string(),
        format: reader.format().unwrap_or("none").to_owned(),
        columns: reader.columns().cloned(),
        files: reader.files(),
        bytes: reader.bytes_read(),
        labelled: reader.has_label().then_some(0),
        ..Input::default()
    }
}

/// An input without any transaction is a mistake, and which one its rejects say.
fn require_transactions(input: &Input) -> anyhow::Result<()> {
    anyhow::ensure!(input.lines > 0, "{} is empty", input.source);
    let reasons = input.rejected_by_reason.iter().map(|(reason, count)| format!("{count} {reason}"));
    let reasons = reasons.collect::<Vec<_>>().join(", ");
    let hint = match &input.columns {
        Some(columns) => format!(
            "taken were user = {}, amount = {}, time = {}; name others with --user-column, --amount-column, --time-column, \
             or say with --time-format how times are written",
            columns.user, columns.amount, columns.time
        ),
        None => "a record is {\"userId\":\"u\",\"amount\":1.5,\"timestamp\":1760000100000}; is it a CSV? then use --format csv"
            .to_owned(),
    };
    anyhow::ensure!(
        input.transactions > 0,
        "none of the {} records of {} is a transaction ({reasons}): {hint}; --rejects FILE shows them",
        input.lines,
        input.source
    );
    Ok(())
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a rate needs no more than 53 bits")]
fn rate(lines: u64, seconds: f64) -> f64 {
    lines as f64 / seconds.max(1e-9)
}

/// What is written while reading.
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

    fn reject(&mut self, index: u64, record: &Record<'_>) -> anyhow::Result<()> {
        let Some(rejects) = &mut self.rejects else { return Ok(()) };
        record.outcome.as_ref().err().map_or(Ok(()), |reason| rejects.write(&Reject::new(index, *reason, record)))
    }

    fn finish(self) -> anyhow::Result<()> {
        [self.flags, self.rejects].into_iter().flatten().try_for_each(JsonLines::finish)
    }
}
