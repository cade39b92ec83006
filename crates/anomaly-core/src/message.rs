//! The anomaly message, version 1: what the detector sends.
//!
//! JSON, camelCase. A reader ignores fields it does not know, so fields may be added within a version. A field with a new meaning or
//! a new severity takes a new version. A reader refuses versions and rules it does not know: the message then goes to the dead-letter
//! queue, from which it can be redriven once the reader is updated. Deploy readers first, and switch to a new rule after that.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::profile::{Feature, Opinion};
use crate::transaction::printable;
use crate::{
    Assessment, ConfigurationId, Explanation, Position, RuleKind, SecondOpinion, Severity, ShardId, Transaction,
};

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
    /// (amount − mean) / stddev; under `profile`, the sum of the parts in `explanation`.
    pub score: f64,
    /// Observations in the baseline.
    pub count: u32,
    /// How far beyond usual the amount is.
    pub severity: Severity,
    /// The rule that judged.
    pub rule: RuleKind,
    /// The settings that judged; `None` in a message of an earlier release.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub configuration_id: Option<ConfigurationId>,
    /// Shard of the record; with the sequence number it finds the record in the archive.
    pub shard_id: String,
    /// Sequence number of the Kinesis record.
    pub sequence_number: String,
    /// Index within a KPL aggregate.
    pub sub_sequence: u32,
    /// What the score is made of, under `profile`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub explanation: Option<ExplanationFields>,
    /// What the other rule says, if it is asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub second_opinion: Option<SecondOpinionFields>,
}

/// The parts of a score under `profile`, which add up to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplanationFields {
    /// The amount on the user's own scale, in sigmas.
    pub own: f64,
    /// What a habit of large amounts takes back: 0 or negative.
    pub habit: f64,
    /// What recent unusual amounts add.
    pub heat: f64,
    /// What being large for everybody adds.
    pub population: f64,
    /// Whether with this transaction the user is taken to be at a new level.
    pub new_level: bool,
    /// The opinion of the trained model, if there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub model: Option<ModelFields>,
}

/// The opinion of a trained model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelFields {
    /// Log-odds that the transaction is fraud.
    pub log_odds: f64,
    /// Log-odds above which the model calls it an anomaly.
    pub threshold: f64,
    /// Up to three features that moved it most, the strongest first.
    pub parts: Vec<PartFields>,
}

/// What one feature adds to the log-odds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartFields {
    /// The feature.
    pub feature: Feature,
    /// Log-odds that it adds.
    pub log_odds: f64,
}

/// What the other rule says.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecondOpinionFields {
    /// The other rule.
    pub rule: RuleKind,
    /// Its score.
    pub score: f64,
    /// Its threshold.
    pub threshold: f64,
    /// How it would have alerted; left out if it would not have.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub severity: Option<Severity>,
}

impl From<&Explanation> for ExplanationFields {
    fn from(explanation: &Explanation) -> Self {
        let Explanation { own, habit, heat, population, is_new_level, ref model } = *explanation;
        Self { own, habit, heat, population, new_level: is_new_level, model: model.as_ref().map(ModelFields::from) }
    }
}

impl From<&Opinion> for ModelFields {
    fn from(opinion: &Opinion) -> Self {
        let parts = opinion
            .parts
            .iter()
            .flatten()
            .map(|(feature, log_odds)| PartFields { feature: *feature, log_odds: *log_odds });
        Self { log_odds: opinion.log_odds, threshold: opinion.threshold, parts: parts.collect() }
    }
}

impl From<&SecondOpinion> for SecondOpinionFields {
    fn from(second: &SecondOpinion) -> Self {
        let SecondOpinion { score, threshold, severity } = *second;
        Self { rule: RuleKind::Profile, score, threshold, severity }
    }
}

impl AnomalyMessage {
    /// The message of one anomaly: `assessment` and `severity` are those of the verdict that `rule` gave on `transaction`. It names no
    /// configuration; the caller may.
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
            configuration_id: None,
            shard_id: origin.shard.as_str().to_owned(),
            sequence_number: origin.position.sequence_number.to_string(),
            sub_sequence: origin.position.sub_sequence,
            explanation: assessment.explanation.as_ref().map(ExplanationFields::from),
            second_opinion: assessment.second.as_ref().map(SecondOpinionFields::from),
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
