//! What happened in one invocation: counted once, logged once, emitted once.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use anomaly_core::{ConfigurationId, RejectReason, VerdictCounts};
use lambda_kit::metrics::Counts;

/// The counts of one invocation. Redelivered records are counted again: these counts say what the function did. How many anomalies
/// there were is said only by the alerter's AnomalyCount.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DetectorSummary {
    /// Kinesis records in the batch.
    pub records: u64,
    /// Distinct users with an accepted record; in a batch of more than ten thousand user records, distinct in each part of it.
    pub users: u64,
    /// Verdicts on the committed records.
    pub verdicts: VerdictCounts,
    /// Rejected records by reason.
    pub rejected: BTreeMap<RejectReason, u64>,
    /// Records of KPL aggregates without a transaction id, from a shard whose range is unknown: a misplaced copy would be judged.
    pub without_id: u64,
    /// Users whose state was in the cache.
    pub cache_hits: u64,
    /// Users whose state had to be read.
    pub cache_misses: u64,
    /// Conditional writes that found another version.
    pub state_conflicts: u64,
    /// Anomaly messages that the queue confirmed, by severity. Not the anomalies among `verdicts`: after a commit whose response was
    /// lost the records are duplicates, and their anomalies are in the outbox all the same.
    pub sent: VerdictCounts,
    /// Writes that cleared a sent outbox.
    pub outboxes_cleared: u64,
    /// Users with a record that has to be redelivered.
    pub users_failed: u64,
    /// Rejected records that the quarantine did not confirm.
    pub quarantine_failed: u64,
}

impl DetectorSummary {
    /// The operational metrics.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let counts = Counts::new("detector")
            .with("Records", self.records)
            .with("WarmingUp", self.verdicts.warming_up)
            .with("AnomaliesWarning", self.sent.warning)
            .with("AnomaliesHigh", self.sent.high)
            .with("AnomaliesCritical", self.sent.critical)
            .with("Duplicates", self.verdicts.duplicates)
            .with("Late", self.verdicts.late)
            .with("AggregatedWithoutId", self.without_id)
            .with("CacheHits", self.cache_hits)
            .with("CacheMisses", self.cache_misses)
            .with("StateConflicts", self.state_conflicts)
            .with("AnomaliesSent", self.sent.anomalies())
            .with("OutboxesCleared", self.outboxes_cleared)
            .with("UsersFailed", self.users_failed)
            .with("QuarantineFailed", self.quarantine_failed)
            .with("Rejected", self.rejected.values().sum());
        self.rejected.iter().fold(counts, |counts, (reason, count)| counts.with(rejected_metric(*reason), *count))
    }

    /// Writes the one log line of the invocation.
    pub fn log(&self, request_id: &str, configuration_id: ConfigurationId, duration_ms: i64) {
        tracing::info!(
            request_id,
            %configuration_id,
            duration_ms,
            records = self.records,
            users = self.users,
            verdicts.warming_up = self.verdicts.warming_up,
            verdicts.normal = self.verdicts.normal,
            verdicts.anomalies = self.verdicts.anomalies(),
            verdicts.duplicates = self.verdicts.duplicates,
            verdicts.late = self.verdicts.late,
            rejected = self.rejected.values().sum::<u64>(),
            aggregated.without_id = self.without_id,
            cache.hits = self.cache_hits,
            cache.misses = self.cache_misses,
            state.conflicts = self.state_conflicts,
            anomalies.sent = self.sent.anomalies(),
            outboxes.cleared = self.outboxes_cleared,
            failed.users = self.users_failed,
            failed.quarantine = self.quarantine_failed,
            "Detected anomalies in a batch."
        );
    }
}

/// Sums over several invocations.
impl AddAssign for DetectorSummary {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.users += other.users;
        self.verdicts += other.verdicts;
        for (reason, count) in other.rejected {
            *self.rejected.entry(reason).or_default() += count;
        }
        self.without_id += other.without_id;
        self.cache_hits += other.cache_hits;
        self.cache_misses += other.cache_misses;
        self.state_conflicts += other.state_conflicts;
        self.sent += other.sent;
        self.outboxes_cleared += other.outboxes_cleared;
        self.users_failed += other.users_failed;
        self.quarantine_failed += other.quarantine_failed;
    }
}

/// The metric of a reason. CloudWatch charges per metric, so none is emitted before the first such record.
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
        RejectReason::AggregateInLanes => "RejectedAggregateInLanes",
        RejectReason::Misplaced => "RejectedMisplaced",
        RejectReason::EnvelopeInvalid => "RejectedEnvelopeInvalid",
        RejectReason::StateCorrupt => "RejectedStateCorrupt",
    }
}
