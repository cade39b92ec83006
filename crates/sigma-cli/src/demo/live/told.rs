//! Alerts in words, as subscribers get them.

use std::collections::VecDeque;

use alert_policy::{Decision, Reason};
use anomaly_core::{AnomalyMessage, Before};
use serde::{Deserialize, Serialize};

/// Alerts that a page gets when it opens.
const KEPT_MAX: usize = 40;

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

/// The last alerts.
#[derive(Debug, Default)]
pub(super) struct LastAlerts {
    /// The newest last.
    kept: VecDeque<Told>,
    /// How many of them the page does not have yet.
    fresh: usize,
}

impl LastAlerts {
    pub(super) fn add(&mut self, alert: Told) {
        if self.kept.len() == KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(alert);
        self.fresh = (self.fresh + 1).min(KEPT_MAX);
    }

    /// Those for a page that has just opened.
    pub(super) fn whole(&self) -> Vec<Told> {
        self.kept.iter().cloned().collect()
    }

    /// Those since the last time.
    pub(super) fn take_fresh(&mut self) -> Vec<Told> {
        let known = self.kept.len() - std::mem::take(&mut self.fresh);
        self.kept.iter().skip(known).cloned().collect()
    }
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
