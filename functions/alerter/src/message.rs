//! The alerts in the messages of a batch.

use alert_policy::Decision;
use anomaly_core::{AnomalyMessage, Before, MESSAGE_VERSION, Severity};
pub use lambda_kit::sqs::{NotSqs, QueueMessage, parse};
use xxhash_rust::xxh3::xxh3_128;

/// Longest body, in bytes. The detector's messages have at most about 5 KB. The worst text, all quotation marks, takes six times its
/// length in an SNS message and still fits.
const BODY_BYTES_MAX: usize = 32 * 1024;
/// Longest user id, in bytes, of which anything is remembered: 256 characters. A key of DynamoDB has at most 2,048 bytes.
const USER_ID_BYTES_MAX: usize = 1_024;
/// A plain-text body with these words is an alert: the plain-text contract.
const PLAIN_TEXT_MARK: &str = "ANOMALY DETECTED";
/// The message attribute `rule` of a plain-text alert. Filter policies may name it, so it stays.
pub const PLAIN_TEXT_RULE: &str = "recipe";

/// Why a message is not an alert. It returns to the queue, and from there goes to the dead-letter queue.
#[derive(Debug, thiserror::Error)]
pub enum NotAnAlert {
    /// The body or the message id is missing.
    #[error("the message has no body or no id")]
    Incomplete,
    /// Longer than an alert can be, and than SNS accepts.
    #[error("the body has {0} bytes; an alert has {BODY_BYTES_MAX} at most")]
    TooLarge(usize),
    /// Neither an anomaly message nor the plain-text contract.
    ///
    /// Only the place of the error: serde's own text quotes the value, and a user id or an amount must not reach the log.
    #[error(
        "the body is neither an anomaly message (see line {line}, column {column}) nor a text with \"{PLAIN_TEXT_MARK}\""
    )]
    Unknown {
        /// Line of the body, from 1.
        line: usize,
        /// Column of the line.
        column: usize,
    },
    /// Written by newer code.
    #[error("the anomaly message has version {0}; this alerter reads version {MESSAGE_VERSION}")]
    Version(u32),
}

/// An alert to be published, from an anomaly message or a plain text.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Its identity in the ledger.
    pub id: String,
    /// One line of text for people.
    pub text: String,
    /// The body of the message, as it arrived.
    pub body: String,
    /// The anomaly message; `None` for a plain text.
    pub anomaly: Option<AnomalyMessage>,
}

impl Alert {
    /// Reads a message. A plain text has no id of its own, so its id is a hash of the text: SQS gives a message another id when it is
    /// redriven from the dead-letter queue. Two alerts with the same text, to the last digit, are one alert.
    ///
    /// # Errors
    /// [`NotAnAlert`].
    pub fn read(message: &QueueMessage) -> Result<Self, NotAnAlert> {
        let (Some(_), Some(body)) = (&message.message_id, &message.body) else {
            return Err(NotAnAlert::Incomplete);
        };
        if body.len() > BODY_BYTES_MAX {
            return Err(NotAnAlert::TooLarge(body.len()));
        }
        match serde_json::from_str::<AnomalyMessage>(body) {
            Ok(anomaly) if anomaly.version == MESSAGE_VERSION => {
                let (id, text) = (anomaly.id.as_str().to_owned(), anomaly.text());
                Ok(Self { id, text, body: body.clone(), anomaly: Some(anomaly) })
            }
            Ok(anomaly) => Err(NotAnAlert::Version(anomaly.version)),
            Err(_) if body.contains(PLAIN_TEXT_MARK) && !body.trim_start().starts_with('{') => {
                let text = body.trim().to_owned();
                let id = format!("text:{:032x}", xxh3_128(text.as_bytes()));
                Ok(Self { id, text, body: body.clone(), anomaly: None })
            }
            Err(error) => {
                let unknown = NotAnAlert::Unknown { line: error.line(), column: error.column() };
                Err(newer_version(body).map_or(unknown, NotAnAlert::Version))
            }
        }
    }

    /// The user of whom the ledger may know something; `None` for a plain text, and for an id that is too long for a key.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        let user_id = self.anomaly.as_ref().map(|anomaly| anomaly.user_id.as_str());
        user_id.filter(|user_id| user_id.len() <= USER_ID_BYTES_MAX)
    }

    /// Why it is an anomaly, in words. A plain text says it itself.
    #[must_use]
    pub fn because(&self, decision: &Decision) -> Option<String> {
        let before = Before { anomalies: decision.repeats };
        self.anomaly.as_ref().map(|anomaly| anomaly.because(before))
    }

    /// The severity. A plain text does not say; it crossed a threshold, so it is a warning.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.anomaly.as_ref().map_or(Severity::Warning, |anomaly| anomaly.severity)
    }

    /// The rule that judged. A plain text does not say; [`PLAIN_TEXT_RULE`] is what subscribers have always got for it.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        self.anomaly.as_ref().map_or(PLAIN_TEXT_RULE, |anomaly| anomaly.rule.as_str())
    }

    /// The score in standard deviations; `None` for a plain text.
    #[must_use]
    pub fn score(&self) -> Option<f64> {
        self.anomaly.as_ref().map(|anomaly| anomaly.score)
    }
}

/// The version that a body declares, if this code does not know it.
fn newer_version(body: &str) -> Option<u32> {
    let value: serde_json::Value = serde_json::from_str(body).ok()?;
    let version = u32::try_from(value.get("version")?.as_u64()?).ok()?;
    (version != MESSAGE_VERSION).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Alert, NotAnAlert> {
        Alert::read(&QueueMessage { message_id: Some("m1".to_owned()), body: Some(body.to_owned()) })
    }

    #[test]
    fn a_text_of_the_plain_text_contract_is_an_alert() {
        let text = "ANOMALY DETECTED: User user001 has transaction of 9000.00 (avg: 1.00, stddev: 1.00, threshold: 3.50, count: 9)";
        let alert = read(text).unwrap();
        assert_eq!((alert.text.as_str(), alert.rule()), (text, PLAIN_TEXT_RULE));
        let redriven = QueueMessage { message_id: Some("m2".to_owned()), body: Some(format!("{text}\n")) };
        assert_eq!(Alert::read(&redriven).unwrap().id, alert.id, "the same alert under another message id");
        assert_ne!(read(&text.replace("9000.00", "9000.01")).unwrap().id, alert.id);
    }

    #[test]
    fn a_body_of_neither_kind_is_not_an_alert() {
        for body in ["", "hello", "{}", r#"{"version":1}"#, "[1]"] {
            assert!(matches!(read(body), Err(NotAnAlert::Unknown { .. })), "{body}");
        }
        assert!(matches!(read(r#"{"version":2,"text":"ANOMALY DETECTED"}"#), Err(NotAnAlert::Version(2))));
        assert!(matches!(Alert::read(&QueueMessage::default()), Err(NotAnAlert::Incomplete)));
    }

    #[test]
    fn the_reason_quotes_nothing_of_the_body() {
        for body in [r#"{"version":1,"userId":"alice","amount":"12.30"}"#, r#"{"severity":"alice"}"#, "alice 12.30"] {
            let reason = lambda_kit::telemetry::chain(&read(body).unwrap_err());
            assert!(!reason.contains("alice") && !reason.contains("12.30"), "{reason}");
        }
    }
}
