//! The anomaly message, version 1: what the detector sends.
//!
//! JSON, camelCase. A reader ignores fields it does not know, so fields may be added within a version. A field with a new meaning,
//! a new severity or a new rule takes a new version. A reader refuses versions it does not know: the message then goes to the
//! dead-letter queue, from which it can be redriven once the reader is updated. Deploy readers first.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::transaction::printable;
use crate::{Assessment, Position, RuleKind, Severity, ShardId, Transaction};

/// The version that this code writes and reads.
pub const MESSAGE_VERSION: u32 = 1;

/// Where a record is: the same at every delivery.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// ARN of the stream.
    pub stream: &'a str,
    /// Shard of the stream.
    pub shard: &'a ShardId,
    /// Position in the shard.
    pub position: Position,
}

/// Identity of an anomaly: a 128-bit hash of (stream, shard, sequence number, sub-sequence), as 32 hexadecimal digits. A record
/// never moves, so the id is the same at every delivery.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct AnomalyId(String);

/// Why a text is not an anomaly id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an anomaly id is 32 lower-case hexadecimal digits")]
pub struct NotAnAnomalyId;

impl TryFrom<String> for AnomalyId {
    type Error = NotAnAnomalyId;

    fn try_from(text: String) -> Result<Self, NotAnAnomalyId> {
        let is_id = text.len() == 32 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        is_id.then_some(Self(text)).ok_or(NotAnAnomalyId)
    }
}

impl AnomalyId {
    /// The id of the anomaly that the record at this origin raises.
    #[must_use]
    pub fn new(origin: &Origin<'_>) -> Self {
        let mut hasher = Xxh3::new();
        let Position { sequence_number, sub_sequence } = origin.position;
        for part in [origin.stream, origin.shard.as_str(), &sequence_number.to_string(), &sub_sequence.to_string()] {
            hasher.update(part.as_bytes());
            hasher.update(&[0]);
        }
        Self(format!("{:032x}", hasher.digest128()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AnomalyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One anomaly, as it travels from the detector to the alerter and on to subscribers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnomalyMessage {
    /// [`MESSAGE_VERSION`].
    pub version: u32,
    /// The same at every delivery.
    pub id: AnomalyId,
    /// The user's id.
    pub user_id: String,
    /// In the account's currency.
    pub amount: f64,
    /// Event time in ms since the epoch.
    pub event_time_ms: i64,
    /// The producer's id of the transaction.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub transaction_id: Option<String>,
    /// The merchant's id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub merchant_id: Option<String>,
    /// Mean of the baseline.
    pub mean: f64,
    /// Standard deviation of the baseline.
    pub stddev: f64,
    /// The threshold that was crossed.
    pub threshold: f64,
    /// (amount − mean) / stddev.
    pub score: f64,
    /// Observations in the baseline.
    pub count: u32,
    /// How far beyond usual the amount is.
    pub severity: Severity,
    /// The rule that judged.
    pub rule: RuleKind,
    /// Shard of the record; with the sequence number it finds the record in the archive.
    pub shard_id: String,
    /// Sequence number of the Kinesis record.
    pub sequence_number: String,
    /// Index within a KPL aggregate.
    pub sub_sequence: u32,
}

impl AnomalyMessage {
    /// The message of one anomaly: `assessment` and `severity` are those of the verdict that `rule` gave on `transaction`.
    #[must_use]
    pub fn new(
        origin: &Origin<'_>,
        transaction: &Transaction<'_>,
        (assessment, severity): (&Assessment, Severity),
        rule: RuleKind,
    ) -> Self {
        Self {
            version: MESSAGE_VERSION,
            id: AnomalyId::new(origin),
            user_id: transaction.user_id.to_string(),
            amount: transaction.amount,
            event_time_ms: transaction.event_time_ms,
            transaction_id: transaction.transaction_id.as_deref().map(printable),
            merchant_id: transaction.merchant_id.as_deref().map(printable),
            mean: assessment.baseline.mean,
            stddev: assessment.baseline.stddev,
            threshold: assessment.threshold,
            score: assessment.score,
            count: assessment.baseline.count,
            severity,
            rule,
            shard_id: origin.shard.as_str().to_owned(),
            sequence_number: origin.position.sequence_number.to_string(),
            sub_sequence: origin.position.sub_sequence,
        }
    }

    /// The alert in one line. These words are a contract: the alerter accepts them as a plain-text body too.
    #[must_use]
    pub fn text(&self) -> String {
        format!(
            "ANOMALY DETECTED: User {} has transaction of {:.2} (avg: {:.2}, stddev: {:.2}, threshold: {:.2}, count: {})",
            self.user_id, self.amount, self.mean, self.stddev, self.threshold, self.count
        )
    }
}
