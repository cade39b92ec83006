//! Alerts in words, as subscribers get them.

use alert_policy::{Decision, Reason};
use anomaly_core::{AnomalyMessage, Before};
use serde::{Deserialize, Serialize};

/// An alert in the list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    pub(super) id: String,
    pub(super) user_id: String,
    pub(super) event_time_ms: i64,
    pub(super) because: String,
    pub(super) priority: String,
    /// `page`, `digest`, `silent` or `shadow`.
    pub(super) disposition: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Document {
    Bundle { digest: Vec<Told> },
    Single(Told),
}

/// The alerts of a message for programs.
pub(super) fn told(document: &str) -> Vec<Told> {
    match serde_json::from_str(document) {
        Ok(Document::Bundle { digest }) => digest,
        Ok(Document::Single(alert)) => vec![alert],
        Err(_) => Vec::new(),
    }
}

/// An alert of which nobody is told.
pub(super) fn hushed(message: &AnomalyMessage, decision: &Decision) -> Told {
    let rule = match &decision.reason {
        Reason::Rule(id) => format!(" (rule {id})"),
        _ => String::new(),
    };
    Told {
        id: message.id.to_string(),
        user_id: message.user_id.clone(),
        event_time_ms: message.event_time_ms,
        because: message.because(Before { anomalies: decision.repeats }) + &rule,
        priority: decision.priority.as_str().to_owned(),
        disposition: decision.disposition.as_str().to_owned(),
    }
}
