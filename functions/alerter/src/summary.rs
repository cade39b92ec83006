//! What happened in one invocation: counted once, logged once, emitted once.

use lambda_kit::metrics::Counts;

/// The counts of one invocation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// SQS messages in the batch.
    pub messages: u64,
    /// Bodies that are no alert.
    pub poison: u64,
    /// Alerts that were done before, or stood twice in the batch.
    pub suppressed: u64,
    /// Alerts that somebody else has claimed.
    pub held: u64,
    /// SNS messages confirmed.
    pub publications: u64,
    /// Alerts published.
    pub alerts: u64,
    /// Alerts that have to come again for an infrastructure fault.
    pub failed: u64,
}

impl Summary {
    /// As operational metrics.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts::new("alerter")
            .with("Messages", self.messages)
            .with("Poison", self.poison)
            .with("AlertsSuppressed", self.suppressed)
            .with("AlertsHeld", self.held)
            .with("AlertsPublished", self.alerts)
            .with("Publications", self.publications)
            .with("AlertsFailed", self.failed)
    }

    /// As the one log line of the invocation.
    pub fn log(&self, request_id: &str, duration_ms: i64) {
        tracing::info!(
            request_id,
            duration_ms,
            messages = self.messages,
            poison = self.poison,
            alerts.published = self.alerts,
            alerts.suppressed = self.suppressed,
            alerts.held = self.held,
            alerts.failed = self.failed,
            publications = self.publications,
            "Published the alerts of a batch."
        );
    }
}
