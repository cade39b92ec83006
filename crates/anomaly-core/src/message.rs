//! What leaves the detector: the anomaly message, version 1.
//!
//! JSON, camelCase. A reader ignores fields it does not know, so fields may be added within a version; a field that changes
//! its meaning, or a new severity or rule, takes a new version, and a reader refuses versions that it does not know: the
//! message then goes to the dead-letter queue, where it can be redriven after the reader's update. Deploy readers first.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::transaction::printable;
use crate::{Assessment, Position, RuleKind, Severity, ShardId, Transaction};

/// The version that this code writes and reads.
pub const MESSAGE_VERSION: u32 = 1;

/// Identity of an anomaly: a 128-bit hash of (stream, shard, sequence number, sub-sequence), as 32 hexadecimal digits. Where
/// a record stands never changes, so the id is the same at every replay.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct AnomalyId(String);

/// Why a text is no anomaly id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an anomaly id is 32 hexadecimal digits in small letters")]
pub struct NotAnAnomalyId;

impl TryFrom<String> for AnomalyId {
    type Error = NotAnAnomalyId;

    fn try_from(text: String) -> Result<Self, NotAnAnomalyId> {
        let is_id = text.len() == 32 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        is_id.then_some(Self(text)).ok_or(NotAnAnomalyId)
    }
}

impl AnomalyId {
    /// The id of the anomaly that a record at this place raises. `stream` is the stream's ARN.
    #[must_use]
    pub fn new(stream: &str, shard: &ShardId, position: Position) -> Self {
        let mut hasher = Xxh3::new();
        let sequence = position.sequence_number.to_string();
        for part in [stream, shard.as_str(), &sequence, &position.sub_sequence.to_string()] {
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
    /// Stable over replays.
    pub id: AnomalyId,
    /// Whose transaction.
    pub user_id: String,
    /// In the account's currency.
    pub amount: f64,
    /// Event time in ms since the epoch.
    pub event_time_ms: i64,
    /// The producer's id of the transaction.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub transaction_id: Option<String>,
    /// Where the money went.
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
    /// How far beyond usual.
    pub severity: Severity,
    /// Which rule judged.
    pub rule: RuleKind,
    /// The stream position, for finding the record in the archive.
    pub shard_id: String,
    /// See `shard_id`.
    pub sequence_number: String,
    /// Index within a KPL aggregate.
    pub sub_sequence: u32,
}

impl AnomalyMessage {
    /// The message of one anomaly. `None` if the assessment is not one.
    #[must_use]
    pub fn new(
        stream: &str,
        shard: &ShardId,
        position: Position,
        transaction: &Transaction<'_>,
        assessment: &Assessment,
        rule: RuleKind,
    ) -> Option<Self> {
        Some(Self {
            version: MESSAGE_VERSION,
            id: AnomalyId::new(stream, shard, position),
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
            severity: assessment.severity?,
            rule,
            shard_id: shard.as_str().to_owned(),
            sequence_number: position.sequence_number.to_string(),
            sub_sequence: position.sub_sequence,
        })
    }

    /// The alert in one line, in the words of the recipe.
    #[must_use]
    pub fn text(&self) -> String {
        format!(
            "ANOMALY DETECTED: User {} has transaction of {:.2} (avg: {:.2}, stddev: {:.2}, threshold: {:.2}, count: {})",
            self.user_id, self.amount, self.mean, self.stddev, self.threshold, self.count
        )
    }
}
