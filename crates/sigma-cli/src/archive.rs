//! An archive of transactions, read for `sigma train` and `sigma calibrate`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anomaly_core::profile::Population;
use anomaly_core::{Rule, RuleKind, RuleSettings, knobs};
use backtest::Reader;
use clap::Args;
use training::{Archive, Budget};

use crate::choice::within;
use crate::progress::Progress;
use crate::reader_options::ReaderOptions;
use crate::rule_options::SharedKnobs;

/// Records between two updates of the progress.
const RECORDS_PER_UPDATE: u64 = 16_384;
const MS_PER_DAY: i64 = 86_400_000;
/// Most alerts per 1,000 transactions: all of them.
const BUDGET_MAX: f64 = 1_000.0;

/// The archive, and the settings of the rule that matter to what the rule says of it.
#[derive(Debug, Clone, Args)]
pub struct ArchiveOptions {
    /// File of transactions in their order of arrival, a folder of them (a Firehose archive), or - for standard input: JSON records or
    /// CSV, gzip or not.
    #[arg(value_name = "ARCHIVE")]
    pub archive: PathBuf,
    /// How to read it.
    #[command(flatten)]
    pub reader: ReaderOptions,
    /// The rule.
    #[command(flatten)]
    pub knobs: KnobOptions,
}

/// The knobs that change the scores of `profile`. They have to be those of the detector.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Rule, as the detector has it")]
pub struct KnobOptions {
    /// Window length.
    #[arg(
        long,
        value_parser = within(knobs::WINDOW_SECONDS),
        default_value_t = knobs::WINDOW_SECONDS.default,
        help = "how late a transaction may be, in seconds: a minute to 90 days"
    )]
    pub window_seconds: u32,
    /// Minimum of observations.
    #[arg(
        long,
        value_parser = within(knobs::MIN_OBSERVATIONS),
        default_value_t = RuleKind::Profile.observations_min(),
        help = knobs::MIN_OBSERVATIONS.help()
    )]
    pub min_observations: u32,
    /// Knobs of every rule.
    #[command(flatten)]
    pub shared: SharedKnobs,
}

impl ArchiveOptions {
    /// Reads the archive through the rule. Rejects are left out, as in the detector.
    ///
    /// # Errors
    /// If it cannot be read, or holds no valid transaction.
    pub(crate) fn read(&self, population: Option<Population>, is_quiet: bool) -> anyhow::Result<Archive> {
        let rule = self.knobs.rule(population)?;
        let mut archive = Archive::new(&rule, i64::from(self.knobs.shared.state_retention_days) * MS_PER_DAY);
        let mut reader = Reader::open(&self.archive, self.reader.settings())?;
        let mut progress = reader.bytes_total().map(|total| Progress::new("bytes", total, is_quiet));
        let mut rejected = BTreeMap::new();
        let (mut records, mut bytes_shown) = (0_u64, 0);
        while let Some(record) = reader.next_record()? {
            match &record.outcome {
                Ok(transaction) => archive.add(transaction, record.label),
                Err(reason) => *rejected.entry(*reason).or_insert(0_u64) += 1,
            }
            records += 1;
            if let Some(progress) = progress.as_mut().filter(|_| records.is_multiple_of(RECORDS_PER_UPDATE)) {
                progress.advance(reader.bytes_read() - bytes_shown);
                bytes_shown = reader.bytes_read();
            }
        }
        progress.into_iter().for_each(Progress::finish);
        archive.forget_users();
        self.require_transactions(&archive, &rejected)?;
        Ok(archive)
    }

    fn require_transactions<R: std::fmt::Display>(
        &self,
        archive: &Archive,
        rejected: &BTreeMap<R, u64>,
    ) -> anyhow::Result<()> {
        let name = self.archive.display();
        let reasons: Vec<String> = rejected.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        anyhow::ensure!(
            !archive.rows().is_empty() || reasons.is_empty(),
            "no valid transactions in {name}: all records were rejected ({}). `sigma replay --input {name} --rejects FILE` shows them",
            reasons.join(", ")
        );
        anyhow::ensure!(!archive.rows().is_empty(), "{name} is empty");
        Ok(())
    }
}

impl KnobOptions {
    fn rule(&self, population: Option<Population>) -> anyhow::Result<Rule> {
        let rule = Rule::new(RuleSettings {
            window_seconds: self.window_seconds,
            observations_min: Some(self.min_observations),
            stddev_floor_ratio: self.shared.stddev_floor_ratio,
            amount_unit: self.shared.amount_unit,
            ..RuleSettings::of(RuleKind::Profile)
        })?;
        Ok(population.into_iter().fold(rule, Rule::with_population))
    }
}

/// Alerts per 1,000 transactions on the command line.
pub(crate) fn budget(text: &str) -> Result<Budget, String> {
    let number = text.parse().ok().filter(|number| *number > 0.0 && *number <= BUDGET_MAX);
    number.map(Budget).ok_or_else(|| "alerts per 1,000 transactions: above 0, at most 1000".to_owned())
}
