//! What an archive says of the message: the verdict recomputed, and compared figure by figure.

use std::path::{Path, PathBuf};

use anomaly_core::{AnomalyMessage, ConfigurationId};
use backtest::{Difference, Reader, ReaderSettings, Recomputation, Recomputed};
use detector::DetectorSettings;
use serde::Serialize;

use crate::progress::Progress;

/// Records between two updates of the progress.
const RECORDS_PER_UPDATE: u64 = 16_384;

/// What came of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Check {
    /// Of the settings given.
    pub(super) configuration_id: ConfigurationId,
    /// Whether the message names the same configuration; `None` if it names none.
    pub(super) is_same_configuration: Option<bool>,
    /// The user's records in the archive.
    pub(super) records_of_user: u64,
    /// The record; `None` if the archive does not have it.
    pub(super) record: Option<Record>,
}

/// The record that the message is about, as the archive has it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    pub(super) file: String,
    pub(super) line: u64,
    /// The user's records before it.
    pub(super) records_before: u64,
    /// Whether every figure is the same, to the bit.
    pub(super) is_same: bool,
    pub(super) differences: Vec<Difference>,
}

/// Recomputes the verdict under these settings.
pub(super) fn check(
    message: &AnomalyMessage,
    settings: DetectorSettings,
    archive: &[PathBuf],
    is_quiet: bool,
) -> anyhow::Result<Check> {
    let configuration_id = settings.configuration_id();
    let mut recomputation = Recomputation::new(message, settings.rule, settings.state_retention_seconds)?;
    for path in archive {
        fold(&mut recomputation, path, is_quiet)?;
    }
    Ok(Check {
        configuration_id,
        is_same_configuration: message.configuration_id.map(|id| id == configuration_id),
        records_of_user: recomputation.records(),
        record: recomputation.finish().map(Record::from),
    })
}

fn fold(recomputation: &mut Recomputation<'_>, path: &Path, is_quiet: bool) -> anyhow::Result<()> {
    let mut reader = Reader::open(path, ReaderSettings::default())?;
    let mut progress = reader.bytes_total().map(|total| Progress::new("bytes", total, is_quiet));
    let (mut records, mut bytes_shown) = (0_u64, 0);
    while let Some(record) = reader.next_record()? {
        recomputation.add(&record)?;
        records += 1;
        if let Some(progress) = progress.as_mut().filter(|_| records.is_multiple_of(RECORDS_PER_UPDATE)) {
            progress.advance(reader.bytes_read() - bytes_shown);
            bytes_shown = reader.bytes_read();
        }
    }
    progress.into_iter().for_each(Progress::finish);
    Ok(())
}

impl From<Recomputed> for Record {
    fn from(recomputed: Recomputed) -> Self {
        let Recomputed { file, line, records_before, differences } = recomputed;
        Self { file, line, records_before, is_same: differences.is_empty(), differences }
    }
}

impl Check {
    /// Whether the archive bears the message out.
    ///
    /// # Errors
    /// If it has no such record, or gives another verdict.
    pub(super) fn outcome(&self) -> anyhow::Result<()> {
        let Some(record) = &self.record else {
            anyhow::bail!(
                "the archive does not have the record of this alert ({} records of the user): give the objects of its hour and all \
                 before it",
                self.records_of_user
            )
        };
        anyhow::ensure!(record.is_same, "the archive gives another verdict than the message has");
        Ok(())
    }
}
