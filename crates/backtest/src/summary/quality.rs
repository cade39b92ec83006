//! How good a rule's alerts are: compared with labels, by score, and with other sigmas.

use serde::{Deserialize, Serialize};

/// Alerts compared with labels. Rates are from 0 to 1, and `None` where they would divide by zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// Precision and recall.
    pub quality: Quality,
    /// How soon fraud is detected.
    pub delay: Delay,
}

/// Precision, recall and their counts, by transactions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Flagged and labelled.
    pub true_alerts: u64,
    /// Flagged and not labelled.
    pub false_alerts: u64,
    /// Labelled and not flagged, for whatever reason.
    pub missed: u64,
    /// Share of the flagged transactions that are labelled.
    pub precision: Option<f64>,
    /// Share of the labelled transactions that are flagged.
    pub recall: Option<f64>,
    /// Harmonic mean of precision and recall.
    pub f1: Option<f64>,
    /// False alerts per 1,000 transactions.
    pub false_alerts_per_1000: f64,
}

/// The difference of a figure between two rules.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// In the input.
    pub observed: f64,
    /// Start of the interval of 95 %, by a bootstrap over users.
    pub low: f64,
    /// Its end.
    pub high: f64,
}

impl Difference {
    /// Whether the interval is on one side of 0.
    #[must_use]
    pub fn is_sure(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// How soon episodes are detected: from the first labelled transaction to the first flagged labelled one. An episode is a user's
/// labelled transactions with at most [`Delay::EPISODE_GAP_MS`] between each and the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delay {
    /// Episodes in the input.
    pub episodes: u64,
    /// Episodes with a flagged labelled transaction.
    pub episodes_detected: u64,
    /// The user's transactions after the first labelled one, up to the first flagged labelled one: 0 if the first was flagged. The
    /// median over detected episodes.
    pub transactions_median: Option<u64>,
    /// The 90th percentile of the same.
    pub transactions_p90: Option<u64>,
    /// The same distance in event time, in ms. The median over detected episodes.
    pub ms_median: Option<u64>,
    /// The 90th percentile of the same.
    pub ms_p90: Option<u64>,
}

impl Delay {
    /// Longest gap within an episode: a day, in ms.
    pub const EPISODE_GAP_MS: i64 = 24 * 60 * 60 * 1_000;
}

/// Judged transactions by score, in bins of equal width. The first and last bins also hold everything beyond them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ScoreHistogram {
    /// Start of the first bin, in standard deviations.
    pub start: f64,
    /// Width of a bin, in standard deviations.
    pub width: f64,
    /// Judged transactions in each bin.
    pub judged: Vec<u64>,
    /// Flagged ones among them. `adaptive` needs more than its sigmas while there are few observations, so that bins around
    /// the threshold can hold both.
    pub flagged: Vec<u64>,
    /// Labelled ones among them; empty without a label.
    pub labelled: Vec<u64>,
}

/// A rule with one number of sigmas.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SweepPoint {
    /// `SIGMAS`.
    pub sigmas: f64,
    /// Alerts of every severity.
    pub alerts: u64,
    /// Alerts per 1,000 transactions.
    pub alerts_per_1000: f64,
    /// Alerts per day of event time, over the span of the input and at least one day.
    pub alerts_per_day: f64,
    /// Users with at least one alert.
    pub users_alerted: u64,
    /// How well alerts and labels agree; `None` without a label.
    pub quality: Option<Quality>,
}
