//! What happened in one invocation: counted once, logged once, emitted once.

use std::ops::AddAssign;

use alert_policy::Disposition;
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
    /// Alerts told at once.
    pub pages: u64,
    /// Alerts that wait for the summary.
    pub digest: u64,
    /// Alerts told to nobody.
    pub silent: u64,
    /// Alerts recorded in shadow.
    pub shadow: u64,
    /// Pages that the day's budget refused.
    pub over_budget: u64,
    /// Policies, lists and histories that could not be read.
    pub policy_unusable: u64,
    /// Alerts told by a summary.
    pub summarised: u64,
}

impl AlerterSummary {
    pub(crate) const fn note(&mut self, disposition: Disposition) {
        match disposition {
            Disposition::Page => self.pages += 1,
            Disposition::Digest => self.digest += 1,
            Disposition::Silent => self.silent += 1,
            Disposition::Shadow => self.shadow += 1,
        }
    }

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
            .with("AlertsPaged", self.pages)
            .with("AlertsDigest", self.digest)
            .with("AlertsSilent", self.silent)
            .with("AlertsShadow", self.shadow)
            .with("AlertsOverBudget", self.over_budget)
            .with("PolicyUnusable", self.policy_unusable)
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
            alerts.paged = self.pages,
            alerts.digest = self.digest,
            alerts.silent = self.silent,
            alerts.shadow = self.shadow,
            alerts.over_budget = self.over_budget,
            alerts.summarised = self.summarised,
            policy.unusable = self.policy_unusable,
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
        self.pages += other.pages;
        self.digest += other.digest;
        self.silent += other.silent;
        self.shadow += other.shadow;
        self.over_budget += other.over_budget;
        self.policy_unusable += other.policy_unusable;
        self.summarised += other.summarised;
    }
}
