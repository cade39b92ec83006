//! An alert on its way through an invocation.

use alert_policy::{Decision, EPISODE_GAP_MS, Facts};
use serde_json::Value;

use crate::ledger::{Ending, Entry};
use crate::message::Alert;
use crate::publication::document;

/// An alert with the messages it came in, not decided yet.
pub(crate) type Incoming = (Alert, Vec<usize>);

/// An alert on which it is decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// The alert.
    pub alert: Alert,
    /// What patterns look at and subscribers get.
    pub document: Value,
    /// What becomes of it.
    pub decision: Decision,
    /// The day's pages with this one, if it took one.
    pub pages_taken: Option<u32>,
    /// When SNS confirmed it, in ms since the epoch, if this attempt published it.
    pub published_at_ms: Option<i64>,
    /// Indices of the messages it came in.
    pub(crate) messages: Vec<usize>,
}

impl Case {
    /// A case of one message.
    #[must_use]
    pub fn new(alert: Alert, decision: Decision) -> Self {
        Self {
            document: document(&alert),
            alert,
            decision,
            pages_taken: None,
            published_at_ms: None,
            messages: Vec::new(),
        }
    }

    pub(crate) fn entry(&self) -> Entry<'_> {
        Entry { id: &self.alert.id, body: &self.alert.body, decision: &self.decision }
    }

    pub(crate) fn ending(&self) -> Ending<'_> {
        let waits = self.decision.disposition == alert_policy::Disposition::Digest;
        let rank = waits.then(|| self.decision.rank(self.alert.score().unwrap_or_default()));
        Ending { id: &self.alert.id, decision: &self.decision, published_at_ms: self.published_at_ms, rank }
    }

    /// Why it is an anomaly, in words. A plain text says it itself.
    #[must_use]
    pub fn because(&self) -> Option<String> {
        self.alert.because(&self.decision)
    }
}

/// What a decision is made on. A plain text has no time of its own, and no alert is from further ahead than a day.
pub(crate) fn facts<'a>(alert: &'a Alert, document: &'a Value, now_ms: i64) -> Facts<'a> {
    Facts {
        id: &alert.id,
        event_time_ms: alert
            .anomaly
            .as_ref()
            .map_or(now_ms, |anomaly| anomaly.event_time_ms.min(now_ms + EPISODE_GAP_MS)),
        severity: alert.severity(),
        score: alert.score().unwrap_or_default(),
        document,
    }
}
