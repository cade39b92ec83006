//! What people would get of a rule's alerts.

use alert_policy::{Disposition, Mode};
use serde::{Deserialize, Serialize};

/// How alerts are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertingSummary {
    /// Version of the policy; `None` without one.
    pub policy_version: Option<u64>,
    /// Whether anybody is told.
    pub mode: Mode,
    /// Pages a day (UTC), whether the policy or the stack says it; 0 for any number.
    pub pages_per_day_max: u32,
    /// Hours between summaries; 0 for none.
    pub digest_hours: u32,
}

/// What people would get of a rule's alerts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PeopleSummary {
    /// To one person: pages, and a summary for each period in which something waits for it. A summary counts on the day on which its
    /// period begins.
    pub messages: MessagesPerDay,
    /// The same if every alert were a message.
    pub messages_without: MessagesPerDay,
    /// Summaries.
    pub summaries: u64,
    /// Alerts told at once.
    pub pages: AlertCount,
    /// Alerts in a summary.
    pub digest: AlertCount,
    /// Alerts told to nobody.
    pub silent: AlertCount,
    /// Alerts told to nobody because the policy, or the rule that decided, is in shadow mode.
    pub shadow: AlertCount,
    /// Alerts in a summary that would have been pages, had the day had one left.
    pub over_budget: u64,
    /// Labelled episodes, as [`Delay`](super::Delay) defines them; `None` without a label.
    pub episodes: Option<Reach>,
    /// Users with a labelled transaction; `None` without a label.
    pub labelled_users: Option<Reach>,
    /// What each rule of the policy decided, in the policy's order.
    pub policy_rules: Vec<PolicyRuleSummary>,
    /// Messages over time.
    pub over_time: MessagesOverTime,
}

/// Messages a day (UTC) to one person, over the days of the input, the first and the last included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct MessagesPerDay {
    /// On average.
    pub mean: f64,
    /// On the worst day.
    pub max: u64,
}

/// Alerts, and the labelled ones among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertCount {
    /// Alerts.
    pub alerts: u64,
    /// Alerts on a labelled transaction; 0 without a label.
    pub labelled: u64,
}

/// How something labelled reached people by its labelled alerts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// One of them was a page.
    pub at_once: u64,
    /// None of them was, but one was in a summary.
    pub in_summary: u64,
    /// Nobody was told, or there was no alert.
    pub never: u64,
}

/// What a rule of the policy decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRuleSummary {
    /// Its name.
    pub id: String,
    /// What becomes of its alerts.
    pub then: Disposition,
    /// Alerts that it decided on: it was the first that matched.
    pub count: AlertCount,
}

/// Messages to one person over time, in bins of whole days without gaps; at most [`Timeline::BINS_MAX`](super::Timeline::BINS_MAX).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagesOverTime {
    /// Start of the first day of the input.
    pub start_ms: i64,
    /// Days in all.
    pub days: u64,
    /// Days in a bin; the last one may have fewer.
    pub bin_days: u64,
    /// Messages in each bin.
    pub with: Vec<u64>,
    /// Alerts in each bin.
    pub without: Vec<u64>,
}
