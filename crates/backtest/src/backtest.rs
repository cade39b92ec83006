//! One pass over the input.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anomaly_core::{RejectReason, VerdictCounts};

use super::engine::Engine;
use super::input::{InputRecord, Reader, ReaderSettings};
use super::people::AlertingSettings;
use super::plan::Plan;
use super::summary::{BacktestSummary, Flag, InputSummary, SUMMARY_VERSION};

/// A backtest in progress. Call [`Self::advance`] until it returns false, then [`Self::finish`], then [`Self::summary`].
#[derive(Debug)]
pub struct Backtest {
    source: String,
    reader: Reader,
    engine: Engine,
    is_swept: bool,
    alerting: AlertingSettings,
    started: Instant,
    elapsed_seconds: f64,
}

impl Backtest {
    /// Opens the input: a file, a folder, or `-` for standard input. `keeps_flags` says whether flags are kept for
    /// [`Self::take_flags`].
    ///
    /// # Errors
    /// If there is no such input.
    pub fn open(input: &Path, settings: ReaderSettings, plan: &Plan, keeps_flags: bool) -> anyhow::Result<Self> {
        Ok(Self {
            source: input.display().to_string(),
            reader: Reader::open(input, settings)?,
            engine: Engine::new(plan, keeps_flags)?,
            is_swept: plan.is_swept,
            alerting: plan.alerting.clone(),
            started: Instant::now(),
            elapsed_seconds: 0.0,
        })
    }

    /// Runs the next record through every rule, then calls `inspect` with its index. Returns false at the end of the input.
    ///
    /// # Errors
    /// If the input cannot be read, or `inspect` fails.
    pub fn advance(
        &mut self,
        inspect: impl FnOnce(u64, &InputRecord<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<bool> {
        let Some(record) = self.reader.next_record()? else { return Ok(false) };
        let index = self.engine.add(&record)?;
        inspect(index, &record)?;
        Ok(true)
    }

    /// Takes the flags since the last call, in the order in which they became known.
    pub fn take_flags(&mut self) -> std::vec::Drain<'_, Flag> {
        self.engine.take_flags()
    }

    /// Ends the input. The current windows of `tumbling` end too, and may be flagged.
    ///
    /// # Errors
    /// If a flag cannot be made into the message that the detector would send.
    pub fn finish(&mut self) -> anyhow::Result<()> {
        self.engine.finish()?;
        self.elapsed_seconds = self.started.elapsed().as_secs_f64();
        Ok(())
    }

    /// Runs the whole input through every rule. Returns the summary, and all flags if they are kept.
    ///
    /// # Errors
    /// If the input cannot be read or has no valid transaction.
    pub fn run(mut self) -> anyhow::Result<(BacktestSummary, Vec<Flag>)> {
        while self.advance(|_, _| Ok(()))? {}
        self.finish()?;
        let flags = self.take_flags().collect();
        Ok((self.summary()?, flags))
    }

    /// Size of the input in bytes, as stored; `None` for standard input.
    #[must_use]
    pub const fn bytes_total(&self) -> Option<u64> {
        self.reader.bytes_total()
    }

    /// Bytes read so far, as stored.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.reader.bytes_read()
    }

    /// Label and verdicts so far of a shown rule.
    #[must_use]
    pub fn verdicts(&self, place: usize) -> (&str, VerdictCounts) {
        let track = self.engine.tracks.get(place);
        track.map(|track| (track.spec.label.as_str(), track.counts.verdicts)).unwrap_or_default()
    }

    /// Rejected records so far, by reason.
    #[must_use]
    pub const fn rejected(&self) -> &BTreeMap<RejectReason, u64> {
        &self.engine.totals.rejected
    }

    /// The findings.
    ///
    /// # Errors
    /// If the input has no valid transaction. The message then gives the reasons and how to proceed.
    pub fn summary(self) -> anyhow::Result<BacktestSummary> {
        let mut input = self.described();
        self.engine.count_input(&mut input);
        require_transactions(&input)?;
        Ok(BacktestSummary {
            version: SUMMARY_VERSION,
            tool: format!("sigma {}", env!("CARGO_PKG_VERSION")),
            timeline: self.engine.timeline(&input),
            alerting: Some(self.alerting.summary()),
            rules: self.engine.rules(&input, self.is_swept),
            elapsed_seconds: self.elapsed_seconds,
            lines_per_second: rate(input.lines, self.elapsed_seconds),
            input,
        })
    }

    fn described(&self) -> InputSummary {
        let reader = &self.reader;
        InputSummary {
            source: self.source.clone(),
            format: reader.format().unwrap_or("none").to_owned(),
            columns: reader.columns().cloned(),
            files: reader.files(),
            bytes: reader.bytes_read(),
            labelled: reader.has_label().then_some(0),
            labels: reader.labels(),
            ..InputSummary::default()
        }
    }
}

fn require_transactions(input: &InputSummary) -> anyhow::Result<()> {
    anyhow::ensure!(input.lines > 0, "{} is empty", input.source);
    if input.transactions > 0 {
        return Ok(());
    }
    let reasons = input.rejected_by_reason.iter().map(|(reason, count)| format!("{count} {reason}"));
    let hint = match &input.columns {
        Some(columns) => format!(
            "Columns used: user={}, amount={}, time={}; override with --user-column, --amount-column, --time-column, or name the \
             form of the times with --time-format.",
            columns.user, columns.amount, columns.time
        ),
        None => "A record looks like {\"userId\":\"u\",\"amount\":1.5,\"timestamp\":1760000100000}. If the file is a CSV, use \
                 --format csv."
            .to_owned(),
    };
    anyhow::bail!(
        "no valid transactions in {}: all {} records were rejected ({}). {hint} To see the rejects, add --rejects FILE.",
        input.source,
        input.lines,
        reasons.collect::<Vec<_>>().join(", ")
    )
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a rate needs no more than 53 bits")]
fn rate(lines: u64, seconds: f64) -> f64 {
    lines as f64 / seconds.max(1e-9)
}
