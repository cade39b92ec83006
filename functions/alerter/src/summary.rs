//! What happened in one invocation: counted once, logged once, emitted once.

use std::ops::AddAssign;

use lambda_kit::metrics::Counts;

/// The counts of one invocation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AlerterSummary {
    /// SQS messages in the batch.
    pub messages: u64,
    /// Messages that are not alerts.
    pub poison: u64,
    /// Alerts that were completed before, or are in the batch twice.
    pub suppressed: u64,
    /// Alerts that another invocation has claimed.
    pub held: u64,
    /// SNS messages confirmed.
    pub publications: u64,
    /// Alerts published.
    pub alerts: u64,
    /// Alerts that have to be redelivered because of an infrastructure fault.
    pub failed: u64,
}

impl AlerterSummary {
    /// The operational metrics.
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

    /// Writes the one log line of the invocation.
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

/// Sums over several invocations.
impl AddAssign for AlerterSummary {
    fn add_assign(&mut self, other: Self) {
        self.messages += other.messages;
        self.poison += other.poison;
        self.suppressed += other.suppressed;
        self.held += other.held;
        self.publications += other.publications;
        self.alerts += other.alerts;
        self.failed += other.failed;
    }
}
