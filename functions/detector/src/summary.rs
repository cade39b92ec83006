//! What happened in one invocation: counted once, logged once, emitted once.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use anomaly_core::{RejectReason, Severity, Verdict};
use lambda_kit::metrics::Counts;

/// Verdicts, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Folded in, not judged.
    pub warming_up: u64,
    /// Folded in, usual.
    pub normal: u64,
    /// Anomalies by severity.
    pub warning: u64,
    /// See `warning`.
    pub high: u64,
    /// See `warning`.
    pub critical: u64,
    /// Applied before.
    pub duplicates: u64,
    /// Older than the window.
    pub late: u64,
}

impl Tally {
    /// Counts one verdict.
    pub fn count(&mut self, verdict: &Verdict) {
        let counter = match verdict {
            Verdict::WarmingUp => &mut self.warming_up,
            Verdict::Duplicate => &mut self.duplicates,
            Verdict::Late => &mut self.late,
            Verdict::Normal(assessment) | Verdict::Anomaly(assessment) => match assessment.severity {
                None => &mut self.normal,
                Some(Severity::Warning) => &mut self.warning,
                Some(Severity::High) => &mut self.high,
                Some(Severity::Critical) => &mut self.critical,
            },
        };
        *counter += 1;
    }

    /// Anomalies of every severity.
    #[must_use]
    pub const fn anomalies(&self) -> u64 {
        self.warning + self.high + self.critical
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.warming_up += other.warming_up;
        self.normal += other.normal;
        self.warning += other.warning;
        self.high += other.high;
        self.critical += other.critical;
        self.duplicates += other.duplicates;
        self.late += other.late;
    }
}

/// The counts of one invocation. What is delivered again is counted again: these say what the function did, and only the
/// ledger's AnomalyCount says how many anomalies there were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Kinesis records in the batch.
    pub records: u64,
    /// Distinct users with an accepted record.
    pub users: u64,
    /// Verdicts of what was committed.
    pub tally: Tally,
    /// Rejected records by reason.
    pub rejected: BTreeMap<RejectReason, u64>,
    /// Users whose state was warm.
    pub cache_hits: u64,
    /// Users whose state was read.
    pub cache_misses: u64,
    /// Commits that found another version.
    pub state_conflicts: u64,
    /// Anomaly messages that the queue confirmed.
    pub anomalies_sent: u64,
    /// Writes that cleared a sent outbox.
    pub outboxes_cleared: u64,
    /// Users with a record that has to come again.
    pub users_failed: u64,
    /// Rejected records that the quarantine did not confirm.
    pub quarantine_failed: u64,
}

impl Summary {
    /// As operational metrics.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let counts = Counts::new("detector")
            .with("Records", self.records)
            .with("WarmingUp", self.tally.warming_up)
            .with("AnomaliesWarning", self.tally.warning)
            .with("AnomaliesHigh", self.tally.high)
            .with("AnomaliesCritical", self.tally.critical)
            .with("Duplicates", self.tally.duplicates)
            .with("Late", self.tally.late)
            .with("CacheHits", self.cache_hits)
            .with("CacheMisses", self.cache_misses)
            .with("StateConflicts", self.state_conflicts)
            .with("AnomaliesSent", self.anomalies_sent)
            .with("OutboxesCleared", self.outboxes_cleared)
            .with("UsersFailed", self.users_failed)
            .with("QuarantineFailed", self.quarantine_failed)
            .with("Rejected", self.rejected.values().sum());
        self.rejected.iter().fold(counts, |counts, (reason, count)| counts.with(rejected_metric(*reason), *count))
    }

    /// As the one log line of the invocation.
    pub fn log(&self, request_id: &str, duration_ms: i64) {
        tracing::info!(
            request_id,
            duration_ms,
            records = self.records,
            users = self.users,
            verdicts.warming_up = self.tally.warming_up,
            verdicts.normal = self.tally.normal,
            verdicts.anomalies = self.tally.anomalies(),
            verdicts.duplicates = self.tally.duplicates,
            verdicts.late = self.tally.late,
            rejected = self.rejected.values().sum::<u64>(),
            cache.hits = self.cache_hits,
            cache.misses = self.cache_misses,
            state.conflicts = self.state_conflicts,
            anomalies.sent = self.anomalies_sent,
            outboxes.cleared = self.outboxes_cleared,
            failed.users = self.users_failed,
            failed.quarantine = self.quarantine_failed,
            "Detected anomalies in a batch."
        );
    }
}

/// The metric of a reason; CloudWatch charges by metric, so there is none before the first such record.
const fn rejected_metric(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::NotUtf8 => "RejectedNotUtf8",
        RejectReason::NotJson => "RejectedNotJson",
        RejectReason::MissingField => "RejectedMissingField",
        RejectReason::WrongType => "RejectedWrongType",
        RejectReason::UserIdInvalid => "RejectedUserIdInvalid",
        RejectReason::AmountNotFinite => "RejectedAmountNotFinite",
        RejectReason::AmountOutOfRange => "RejectedAmountOutOfRange",
        RejectReason::TimestampOutOfRange => "RejectedTimestampOutOfRange",
        RejectReason::RecordTooLarge => "RejectedRecordTooLarge",
        RejectReason::AggregateCorrupt => "RejectedAggregateCorrupt",
        RejectReason::EnvelopeInvalid => "RejectedEnvelopeInvalid",
        RejectReason::StateCorrupt => "RejectedStateCorrupt",
    }
}
