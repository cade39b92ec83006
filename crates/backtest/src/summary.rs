//! The findings of a backtest, as data: the file that `--summary` writes, and the only source of the report.
//!
//! Everything in it is bounded: bins, points and lists have fixed maxima, whatever the size of the input. Times are event times in
//! ms since the epoch. Within a version fields are only ever added.

mod people;
mod quality;
mod samples;

use std::collections::BTreeMap;

use anomaly_core::{Direction, RejectReason, VerdictCounts, knobs};
pub use people::{
    AlertCount, AlertingSummary, MessagesOverTime, MessagesPerDay, PeopleSummary, PolicyRuleSummary, Reach,
};
pub use quality::{Delay, Detection, Difference, Quality, ScoreHistogram, SweepPoint};
pub use samples::{Flag, Point, UserCount, UserSeries};
use serde::{Deserialize, Serialize};

/// The version that this code writes and reads.
pub const SUMMARY_VERSION: u32 = 1;

/// A whole backtest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BacktestSummary {
    /// [`SUMMARY_VERSION`].
    pub version: u32,
    /// The tool that wrote it, such as `sigma 0.1.0`.
    pub tool: String,
    /// The input.
    pub input: InputSummary,
    /// Transactions over time. Every rule's alerts are counted in the same bins.
    pub timeline: Timeline,
    /// How alerts are told; `None` in a summary that was written before that was counted.
    #[serde(default)]
    pub alerting: Option<AlertingSummary>,
    /// One entry for each combination of rule and sigmas, in the order of the command line.
    pub rules: Vec<RuleSummary>,
    /// Wall time of reading and judging, in seconds.
    pub elapsed_seconds: f64,
    /// Records read per second of wall time.
    pub lines_per_second: f64,
}

/// The input of a backtest.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InputSummary {
    /// As named on the command line; `-` is standard input.
    pub source: String,
    /// `jsonl` or `csv`; for a folder, the format of its first file.
    pub format: String,
    /// The columns of a CSV that were used.
    pub columns: Option<Columns>,
    /// Files read.
    pub files: u64,
    /// Bytes read, as stored: compressed, if the files are.
    pub bytes: u64,
    /// Records read: transactions and rejects.
    pub lines: u64,
    /// Records that are transactions.
    pub transactions: u64,
    /// Records that are not transactions.
    pub rejected: u64,
    /// Rejected records by reason.
    pub rejected_by_reason: BTreeMap<RejectReason, u64>,
    /// Distinct users of the transactions.
    pub users: u64,
    /// The earliest event time.
    pub first_event_time_ms: Option<i64>,
    /// The latest event time.
    pub last_event_time_ms: Option<i64>,
    /// Transactions that come after a newer one of the same user. Many of them mean that the input is not sorted.
    pub out_of_order: u64,
    /// Transactions that the label marks as anomalous; `None` without a label.
    pub labelled: Option<u64>,
    /// The file of labels; `None` without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<LabelsSummary>,
}

/// A file of labels, as far as it is about transactions of the input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelsSummary {
    /// Rows of the file.
    pub rows: u64,
    /// Rows that are about a transaction of the input.
    pub matched: u64,
}

/// The columns of a CSV, by their names in its header.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    /// The user's id.
    pub user: String,
    /// The amount.
    pub amount: String,
    /// The event time.
    pub time: String,
    /// The transaction's id.
    pub id: Option<String>,
    /// The merchant.
    pub merchant: Option<String>,
    /// Whether it is anomalous.
    pub label: Option<String>,
}

/// Counts over time, in bins of equal width without gaps; at most [`Timeline::BINS_MAX`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// Start of the first bin.
    pub start_ms: i64,
    /// Width of a bin.
    pub bin_ms: i64,
    /// Transactions in each bin.
    pub transactions: Vec<u64>,
    /// Labelled ones among them; empty without a label.
    pub labelled: Vec<u64>,
}

impl Timeline {
    /// Maximum number of bins.
    pub const BINS_MAX: usize = 240;
}

/// One rule's findings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleSummary {
    /// Display name, unique in the summary, such as `adaptive 2.5σ`.
    pub label: String,
    /// The rule.
    pub rule: RuleName,
    /// Its settings.
    pub knobs: Knobs,
    /// Verdicts. For `tumbling`, `normal` counts transactions in windows that were judged, and the severities count windows with an
    /// alert.
    pub verdicts: VerdictCounts,
    /// Alerts of every severity. For `tumbling`, windows with an alert.
    pub alerts: u64,
    /// Alerts per day of event time, over the span of the input and at least one day.
    pub alerts_per_day: f64,
    /// Alerts per 1,000 transactions.
    pub alerts_per_1000: f64,
    /// Alerts per user of the input.
    pub alerts_per_user: f64,
    /// Alerts per day if those of one user within 24 hours of the first of them are one.
    #[serde(default)]
    pub alerts_per_day_merged: f64,
    /// The same for each user.
    #[serde(default)]
    pub alerts_per_user_day_merged: f64,
    /// Alerts whose transactions have a label, of either kind, and among them those labelled as anomalous. With a label in every record
    /// these are all alerts; a file of labels knows those that somebody looked at.
    #[serde(default)]
    pub labelled_alerts: (u64, u64),
    /// Users with at least one alert.
    pub users_alerted: u64,
    /// `users_alerted` as a share of all users, 0 to 1.
    pub users_alerted_share: f64,
    /// Share of the transactions that could not be judged for lack of observations, 0 to 1.
    pub warming_up_share: f64,
    /// How well alerts and labels agree; `None` without a label.
    pub detection: Option<Detection>,
    /// What the rule would find with as many alerts as the first one of the summary raises, at sigmas that give them; `None` without a
    /// label, for `tumbling`, and with a model, which alerts by a score of its own.
    #[serde(default)]
    pub at_equal_alerts: Option<Quality>,
    /// F1 less that of the first rule of the summary; `None` without a label, and for the first.
    #[serde(default)]
    pub f1_difference: Option<Difference>,
    /// What people would get; `None` in a summary that was written before that was counted.
    #[serde(default)]
    pub people: Option<PeopleSummary>,
    /// Distribution of the scores of judged transactions.
    pub scores: ScoreHistogram,
    /// Alerts in each bin of the timeline.
    pub alerts_over_time: Vec<u64>,
    /// The same rule with other sigmas, in ascending order, its own included. Each runs through the input with states of its own, so
    /// nothing is extrapolated. With a label this is the precision-recall curve. Empty if it was not asked for.
    pub sweep: Vec<SweepPoint>,
    /// The most remarkable flagged transactions, highest |score| first; at most [`RuleSummary::TOP_FLAGS_MAX`].
    pub top_flags: Vec<Flag>,
    /// Users with the most alerts, descending; at most [`RuleSummary::NOISIEST_USERS_MAX`].
    pub noisiest_users: Vec<UserCount>,
    /// Busy users with their transactions, busiest first; at most [`RuleSummary::SERIES_MAX`].
    pub series: Vec<UserSeries>,
}

impl RuleSummary {
    /// Maximum number of entries in `top_flags`.
    pub const TOP_FLAGS_MAX: usize = 50;
    /// Maximum number of entries in `noisiest_users`.
    pub const NOISIEST_USERS_MAX: usize = 20;
    /// Maximum number of users with a series.
    pub const SERIES_MAX: usize = 8;
}

/// A rule that a backtest can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleName {
    /// The detector's default.
    Adaptive,
    /// The user's own scale, whatever the distribution of the amounts.
    Profile,
    /// mean + σ·s of the prior window.
    Plain,
    /// The tumbling window that the detector replaces, faults included. Not in the detector.
    Tumbling,
}

impl RuleName {
    /// Every rule.
    pub const ALL: [Self; 4] = [Self::Adaptive, Self::Profile, Self::Plain, Self::Tumbling];

    /// The name on the command line and in the summary.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Adaptive => "adaptive",
            Self::Profile => "profile",
            Self::Plain => "plain",
            Self::Tumbling => "tumbling",
        }
    }
}

/// The settings of a rule, under the names of the detector's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Knobs {
    /// `SIGMAS`.
    pub sigmas: f64,
    /// `WINDOW_SECONDS`.
    pub window_seconds: u32,
    /// `MIN_OBSERVATIONS`.
    pub min_observations: u32,
    /// `STDDEV_FLOOR_RATIO`; 0 for `tumbling`, which has none.
    pub stddev_floor_ratio: f64,
    /// `DIRECTION`.
    pub direction: Direction,
    /// `AMOUNT_UNIT`.
    #[serde(default = "amount_unit")]
    pub amount_unit: f64,
}

/// Of a summary that was written before there was a choice.
const fn amount_unit() -> f64 {
    knobs::AMOUNT_UNIT.default
}
