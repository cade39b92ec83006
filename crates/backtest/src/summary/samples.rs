//! Single transactions and users that the report shows: flagged transactions, noisy users, amounts over time.

use anomaly_core::Severity;
use serde::{Deserialize, Serialize};

/// A flagged transaction: a line of `--flags-out`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Flag {
    /// Index of the record in the input, from 0; rejects count too.
    pub index: u64,
    /// The user's id.
    pub user_id: String,
    /// Event time.
    pub timestamp: i64,
    /// The amount.
    pub amount: f64,
    /// Observations in the baseline.
    pub count: u32,
    /// Mean of the baseline.
    pub mean: f64,
    /// Standard deviation of the baseline.
    pub stddev: f64,
    /// The threshold that was crossed.
    pub threshold: f64,
    /// (amount − mean) / stddev.
    pub score: f64,
    /// How far beyond usual the amount is.
    pub severity: Severity,
    /// The rule's label, if there are several rules.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<String>,
    /// Whether the transaction is labelled as anomalous, if there is a label.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub label: Option<bool>,
    /// Why it is an anomaly, in words: of the most remarkable ones alone, and not for `tumbling`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub because: Option<String>,
    /// Only for `tumbling`: start of the window; this is its largest amount.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub window_start: Option<i64>,
    /// Only for `tumbling`: end of the window.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub window_end: Option<i64>,
}

/// A user's transactions and alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserCount {
    /// The user's id.
    pub user_id: String,
    /// Transactions in the input.
    pub transactions: u64,
    /// Alerts of this rule.
    pub alerts: u64,
}

/// A busy user's transactions over time, thinned out: at most [`UserSeries::POINTS_MAX`] usual ones, every n-th, and all
/// flagged ones up to [`UserSeries::FLAGGED_MAX`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserSeries {
    /// The user's id.
    pub user_id: String,
    /// Transactions in the input.
    pub transactions: u64,
    /// Alerts of this rule.
    pub alerts: u64,
    /// Flagged transactions that are not among the points.
    pub flagged_left_out: u64,
    /// In order of event time.
    pub points: Vec<Point>,
}

impl UserSeries {
    /// Maximum number of usual points.
    pub const POINTS_MAX: usize = 600;
    /// Maximum number of flagged points.
    pub const FLAGGED_MAX: usize = 300;
}

/// One transaction of a series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Event time.
    pub event_time_ms: i64,
    /// The amount.
    pub amount: f64,
    /// Mean of the baseline; `None` while warming up, and for usual transactions of `tumbling`.
    pub mean: Option<f64>,
    /// The threshold; see `mean`. With `direction` `both`, the one on the amount's side of the mean.
    pub threshold: Option<f64>,
    /// The severity if it was flagged.
    pub severity: Option<Severity>,
    /// Whether it is labelled as anomalous, if there is a label.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub label: Option<bool>,
}
