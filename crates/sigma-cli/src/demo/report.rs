//! The demo's figures, for people and as JSON.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use alerter::publication::{Publication, SUBJECT};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::local::Local;
use super::truth::Truth;
use super::{Options, alert_counts};
use crate::files;

/// Alerts shown as they would reach an inbox.
const INBOX_MAX: usize = 3;

/// The figures. Counts are of the whole run; rates are from 0 to 1.
#[derive(Debug, Clone, Serialize)]
pub(super) struct DemoSummary {
    /// Transactions generated; hostile records come on top.
    records: u64,
    /// Distinct users.
    users: usize,
    /// Transactions that the generator made anomalous.
    injected: usize,
    /// Anomalies that the rule finds in the transactions, computed without the pipeline.
    anomalies: usize,
    /// Distinct alerts published.
    alerts_published: usize,
    /// Anomaly messages that were redelivered and not published again.
    alerts_suppressed: u64,
    /// Expected and never published.
    alerts_lost: usize,
    /// Published more than once.
    alerts_doubled: usize,
    /// Published and not expected.
    alerts_invented: usize,
    /// The AnomalyCount metric.
    anomaly_count: u32,
    /// SNS messages.
    publications: usize,
    /// Records rejected.
    rejected: u64,
    /// Messages in quarantine.
    quarantined: u64,
    /// Records that were applied before.
    duplicates: u64,
    /// Records older than the window.
    late: u64,
    /// Of the alerts published, the share that was injected.
    precision: f64,
    /// Of the injected, the share that was published.
    recall: f64,
    /// Items of user state read.
    dynamodb_reads: u64,
    /// Items of user state written.
    dynamodb_writes: u64,
    /// Writes that cleared a sent outbox.
    dynamodb_outbox_clears: u64,
    /// Ledger items written.
    dynamodb_ledger_writes: u64,
    /// Writes that met another version.
    state_conflicts: u64,
    /// Batches that the detector was given.
    batches: u64,
    /// Sum over batches of the distinct users in each.
    distinct_user_batches: u64,
    /// Wall time of a detector batch, DynamoDB included: the median.
    batch_latency_ms_p50: f64,
    /// The 99th percentile.
    batch_latency_ms_p99: f64,
    /// Wall time of the run.
    elapsed_seconds: f64,
    seed: u64,
    rule: &'static str,
    sigmas: f64,
}

impl DemoSummary {
    pub(super) fn new(
        options: &Options,
        local: &Local,
        truth: &Truth,
        published: &[Publication],
        elapsed: Duration,
    ) -> Self {
        let counts = alert_counts(published);
        let (totals, alerter) = (local.pipeline.detector.totals(), &local.pipeline.alerter);
        let verdicts = totals.summary.verdicts;
        let found = counts.keys().filter(|id| truth.injected.contains(**id)).count();
        let quantile_ms = |quantile| ratio(totals.latency_us.value_at_quantile(quantile), 1_000);
        Self {
            records: options.records,
            users: truth.users(),
            injected: truth.injected.len(),
            anomalies: truth.expected.len(),
            alerts_published: counts.len(),
            alerts_suppressed: alerter.totals().suppressed,
            alerts_lost: truth.expected.iter().filter(|id| !counts.contains_key(id.as_str())).count(),
            alerts_doubled: counts.values().filter(|count| **count > 1).count(),
            alerts_invented: counts.keys().filter(|id| !truth.expected.contains(**id)).count(),
            anomaly_count: alerter.anomaly_count(),
            publications: published.len(),
            rejected: totals.summary.rejected.values().sum(),
            quarantined: local.quarantined,
            duplicates: verdicts.duplicates,
            late: verdicts.late,
            precision: ratio(found, counts.len()),
            recall: ratio(found, truth.injected.len()),
            dynamodb_reads: local.pipeline.detector.requests().reads(),
            dynamodb_writes: local.pipeline.detector.requests().writes(),
            dynamodb_outbox_clears: totals.summary.outboxes_cleared,
            dynamodb_ledger_writes: alerter.requests().writes(),
            state_conflicts: totals.summary.state_conflicts,
            batches: totals.batches,
            distinct_user_batches: totals.summary.users,
            batch_latency_ms_p50: quantile_ms(0.5),
            batch_latency_ms_p99: quantile_ms(0.99),
            elapsed_seconds: elapsed.as_secs_f64(),
            seed: options.seed,
            rule: options.rule.as_str(),
            sigmas: options.sigmas,
        }
    }

    /// # Errors
    /// If an alert was lost, doubled or invented, or AnomalyCount is off.
    pub(super) fn verdict(&self) -> anyhow::Result<()> {
        let is_exact = self.alerts_lost == 0 && self.alerts_doubled == 0 && self.alerts_invented == 0;
        let is_counted = usize::try_from(self.anomaly_count).is_ok_and(|count| count == self.anomalies);
        anyhow::ensure!(is_exact && is_counted, "the pipeline and the plain fold disagree; see the table");
        Ok(())
    }
}

/// `a` / `b`; 1 if `b` is 0.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "counts of a demo are far below 2^52")]
fn ratio<T: TryInto<u64>>(a: T, b: T) -> f64 {
    let number = |value: T| value.try_into().unwrap_or_default() as f64;
    let (a, b) = (number(a), number(b));
    if b == 0.0 { 1.0 } else { a / b }
}

/// The figures as a table.
pub(super) fn table(summary: &DemoSummary) -> Table {
    let s = summary;
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    for (name, value, note) in [
        ("Transactions", s.records.to_string(), format!("{} users, seed {}", s.users, s.seed)),
        ("Injected anomalies", s.injected.to_string(), String::new()),
        (
            "Alerts",
            s.alerts_published.to_string(),
            format!("{} SNS messages, AnomalyCount {}", s.publications, s.anomaly_count),
        ),
        ("Precision", format!("{:.4}", s.precision), String::new()),
        ("Recall", format!("{:.4}", s.recall), String::new()),
        (
            "Lost, doubled, invented",
            format!("{}, {}, {}", s.alerts_lost, s.alerts_doubled, s.alerts_invented),
            format!("compared with a plain fold: {} anomalies", s.anomalies),
        ),
        ("Duplicate records", s.duplicates.to_string(), "redelivered or retried; applied once".to_owned()),
        ("Duplicate messages", s.alerts_suppressed.to_string(), "suppressed by the alert ledger".to_owned()),
        ("Late records", s.late.to_string(), "older than the window".to_owned()),
        ("Rejected records", s.rejected.to_string(), format!("{} messages in quarantine", s.quarantined)),
        ("DynamoDB reads", s.dynamodb_reads.to_string(), format!("{} conflicts", s.state_conflicts)),
        (
            "DynamoDB writes",
            s.dynamodb_writes.to_string(),
            format!(
                "{} distinct users in {} batches, {} outboxes cleared",
                s.distinct_user_batches, s.batches, s.dynamodb_outbox_clears
            ),
        ),
        (
            "Batch latency",
            format!("{:.1} / {:.1} ms", s.batch_latency_ms_p50, s.batch_latency_ms_p99),
            "p50 / p99 of the detector, DynamoDB included".to_owned(),
        ),
    ] {
        table.add_row([name.to_owned(), value, note]);
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// What to try next.
pub(super) fn next() -> String {
    let program = std::env::args().next().unwrap_or_else(|| "sigma".to_owned());
    format!("The same as a page that you can break: {program} demo --serve")
}

/// The first alerts as they would reach an inbox.
pub(super) fn inbox(published: &[Publication]) -> String {
    let mut text = String::new();
    for publication in published.iter().take(INBOX_MAX) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\nSubject: {SUBJECT}\n\n{}", publication.email.trim_end());
    }
    if published.len() > INBOX_MAX {
        let _ = writeln!(text, "\n… and {} more.", published.len() - INBOX_MAX);
    }
    text
}

/// Writes the figures as JSON.
pub(super) fn write(summary: &DemoSummary, path: &Path) -> anyhow::Result<()> {
    files::write(path, &(serde_json::to_string_pretty(summary)? + "\n"))
}
