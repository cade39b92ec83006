//! What subscribers of the topic get: one alert, several that share a message, or the summary. See docs/message.md.
//!
//! A field that is missing or has another type is `None`: what people get then says less, and programs get the document as it is.

use anomaly_core::Severity;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_128;

use crate::channel::Channel;

/// Alerts of one document: what fits an SNS message has fewer.
const ALERTS_MAX: usize = 10_000;

/// A document, read.
#[derive(Debug)]
pub enum Document {
    /// One alert, or several of one severity.
    Alerts(Vec<Alert>),
    /// The ranked summary of what waited.
    Summary(Summary),
}

/// Why a body is not a document. Quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotADocument {
    /// The message has no body.
    #[error("the message has no body")]
    Missing,
    /// Not JSON, or without a text.
    #[error("the body is not a document of the topic (see line {line}, column {column})")]
    Unknown {
        /// Line of the body, from 1.
        line: usize,
        /// Column of the line.
        column: usize,
    },
    /// More alerts than a message of SNS holds.
    #[error("the document has {0} alerts; {ALERTS_MAX} at most")]
    TooMany(usize),
}

/// One alert of a document.
#[derive(Debug, Clone)]
pub struct Alert {
    /// The document of this alert, as it arrived.
    pub json: String,
    /// What of it people are told.
    pub fields: Fields,
}

/// The fields of an alert that channels use.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fields {
    /// The alert in one line.
    pub text: String,
    /// Why, in words. A plain text says it itself.
    #[serde(default, deserialize_with = "lenient")]
    pub because: Option<String>,
    /// Of an anomaly, not of a plain text.
    #[serde(default, deserialize_with = "lenient")]
    id: Option<String>,
    /// The alert that opened the user's episode.
    #[serde(default, deserialize_with = "lenient")]
    pub episode: Option<String>,
    /// The user's id.
    #[serde(default, deserialize_with = "lenient")]
    pub user_id: Option<String>,
    /// The merchant's id.
    #[serde(default, deserialize_with = "lenient")]
    pub merchant_id: Option<String>,
    /// The producer's id of the transaction.
    #[serde(default, deserialize_with = "lenient")]
    pub transaction_id: Option<String>,
    /// The severity by the score.
    #[serde(default, deserialize_with = "lenient")]
    pub severity: Option<Severity>,
    /// The severity, raised if the alert is a repeat.
    #[serde(default, deserialize_with = "lenient")]
    pub priority: Option<Severity>,
    /// Event time in ms since the epoch.
    #[serde(default, deserialize_with = "lenient")]
    pub event_time_ms: Option<i64>,
}

impl Fields {
    /// The identity of the alert: the anomaly's id, or of a plain text that of the ledger, with a dash for the colon. What could be
    /// neither the name of an execution nor a header becomes a hash of itself.
    #[must_use]
    pub fn id(&self) -> String {
        match &self.id {
            Some(id) if is_name(id) => id.clone(),
            Some(id) => format!("id-{:032x}", xxh3_128(id.as_bytes())),
            None => format!("text-{:032x}", xxh3_128(self.text.as_bytes())),
        }
    }

    /// How urgent it is.
    #[must_use]
    pub fn urgency(&self) -> Severity {
        self.priority.or(self.severity).unwrap_or(Severity::Warning)
    }

    /// The words for people.
    #[must_use]
    pub fn words(&self) -> &str {
        self.because.as_deref().unwrap_or(&self.text)
    }
}

/// Longest name of an execution.
const NAME_BYTES_MAX: usize = 80;

fn is_name(id: &str) -> bool {
    let is_plain = id.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'));
    (1..=NAME_BYTES_MAX).contains(&id.len()) && is_plain
}

/// A value of another type than expected is left out.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

/// The summary.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Alerts that waited.
    pub alerts: u64,
    /// How many of each priority.
    #[serde(default)]
    pub by_priority: Counts,
    /// The most urgent, in order.
    #[serde(default)]
    pub top: Vec<Fields>,
}

/// Alerts by priority.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Counts {
    #[serde(default)]
    critical: u64,
    #[serde(default)]
    high: u64,
    #[serde(default)]
    warning: u64,
}

impl Counts {
    /// `3 critical, 40 high, 174 warning`, without zeros.
    #[must_use]
    pub fn in_words(self) -> String {
        let counts = [(self.critical, "critical"), (self.high, "high"), (self.warning, "warning")];
        let parts = counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
        parts.collect::<Vec<_>>().join(", ")
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    digest: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    summary: Option<Summary>,
}

impl Document {
    /// Reads the body of a message.
    ///
    /// # Errors
    /// [`NotADocument`].
    pub fn read(body: Option<&str>) -> Result<Self, NotADocument> {
        let body = body.ok_or(NotADocument::Missing)?;
        match serde_json::from_str::<Envelope<'_>>(body).map_err(unknown)? {
            Envelope { summary: Some(summary), .. } => Ok(Self::Summary(summary)),
            Envelope { digest: Some(alerts), .. } if alerts.len() > ALERTS_MAX => {
                Err(NotADocument::TooMany(alerts.len()))
            }
            Envelope { digest: Some(alerts), .. } => {
                Ok(Self::Alerts(alerts.into_iter().map(|json| alert(json.get())).collect::<Result<_, _>>()?))
            }
            _ => Ok(Self::Alerts(vec![alert(body)?])),
        }
    }
}

impl Channel {
    /// The alerts of a document that a channel of single alerts has a use for: of a summary none, for the response those that are urgent.
    #[must_use]
    pub fn alerts_for(self, document: Document) -> Vec<Alert> {
        let Document::Alerts(mut alerts) = document else { return Vec::new() };
        alerts.retain(|alert| self != Self::Respond || alert.fields.urgency() >= Severity::High);
        alerts
    }
}

fn alert(json: &str) -> Result<Alert, NotADocument> {
    let fields = serde_json::from_str(json).map_err(unknown)?;
    Ok(Alert { json: json.to_owned(), fields })
}

/// Only the place: serde's own text quotes the value, and a user id or an amount must not reach the log.
#[expect(clippy::needless_pass_by_value, reason = "the form that map_err takes")]
fn unknown(error: serde_json::Error) -> NotADocument {
    NotADocument::Unknown { line: error.line(), column: error.column() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALERT: &str =
        r#"{"version":1,"id":"0123456789abcdef0123456789abcdef","text":"ANOMALY","severity":"high","amount":1.50}"#;

    #[test]
    fn an_alert_is_kept_as_it_arrived() {
        let Document::Alerts(alerts) = Document::read(Some(ALERT)).unwrap() else { panic!("alerts") };
        assert_eq!((alerts.len(), alerts[0].json.as_str()), (1, ALERT));
        assert_eq!(alerts[0].fields.id(), "0123456789abcdef0123456789abcdef");
        assert_eq!((alerts[0].fields.urgency(), alerts[0].fields.words()), (Severity::High, "ANOMALY"));
    }

    #[test]
    fn alerts_that_share_a_message_are_told_from_a_summary() {
        let shared = format!(r#"{{"version":1,"digest":[{ALERT},{ALERT}]}}"#);
        let Document::Alerts(alerts) = Document::read(Some(&shared)).unwrap() else { panic!("alerts") };
        assert_eq!((alerts.len(), alerts[1].json.as_str()), (2, ALERT));
        let summary = format!(
            r#"{{"version":1,"summary":{{"alerts":3,"byPriority":{{"high":1,"warning":2}},"top":[{ALERT}]}}}}"#
        );
        let Document::Summary(summary) = Document::read(Some(&summary)).unwrap() else { panic!("a summary") };
        assert_eq!((summary.alerts, summary.by_priority.in_words().as_str()), (3, "1 high, 2 warning"));
        assert_eq!(summary.top.len(), 1);
    }

    #[test]
    fn a_field_of_another_type_is_left_out_and_an_id_that_is_no_name_is_hashed() {
        let body = r#"{"text":"A","id":"a b\n","merchantId":7,"severity":"unheard-of","priority":null,"userId":"u"}"#;
        let Document::Alerts(alerts) = Document::read(Some(body)).unwrap() else { panic!("alerts") };
        let fields = &alerts[0].fields;
        assert_eq!((fields.merchant_id.clone(), fields.urgency()), (None, Severity::Warning));
        assert_eq!(fields.user_id.as_deref(), Some("u"));
        assert!(fields.id().starts_with("id-") && fields.id().len() == 35, "{}", fields.id());
    }

    #[test]
    fn a_plain_text_has_an_id_that_its_text_makes() {
        let Document::Alerts(alerts) = Document::read(Some(r#"{"text":"ANOMALY DETECTED: x"}"#)).unwrap() else {
            panic!("alerts")
        };
        let id = alerts[0].fields.id();
        assert!(id.starts_with("text-") && id.len() == 37, "{id}");
        assert_eq!(alerts[0].fields.urgency(), Severity::Warning);
    }

    #[test]
    fn what_is_not_a_document_is_refused_without_a_quote() {
        assert_eq!(Document::read(None).unwrap_err(), NotADocument::Missing);
        for body in ["alice", "{}", r#"{"text":7}"#, r#"{"digest":[{"userId":"alice"}]}"#, "[]"] {
            let error = Document::read(Some(body)).unwrap_err().to_string();
            assert!(error.starts_with("the body is not a document") && !error.contains("alice"), "{error}");
        }
    }
}
