//! The users on show: their last transactions, each with what was usual before it.

use std::collections::{HashMap, VecDeque};

use anomaly_core::Verdict;
use scenarios::Generated;
use serde::Serialize;

/// Users on show: the busiest, and in the last place whoever was told of last.
const SHOWN: usize = 6;
/// Transactions that are remembered of each user.
const POINTS_MAX: usize = 60;

/// A transaction on a chart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Point {
    /// Event time in ms since the epoch.
    at: i64,
    amount: f64,
    /// What is usual, and from which amount on it is an anomaly; not while there are too few transactions.
    usual: Option<f64>,
    threshold: Option<f64>,
    /// The severity of an anomaly.
    severity: Option<&'static str>,
}

/// A user on show, with the points that are new to the page.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Series {
    user_id: String,
    /// Whether these are all points, not those since the last update.
    is_whole: bool,
    points: Vec<Point>,
}

/// The last transactions of every user.
#[derive(Debug, Default)]
pub(super) struct Charts {
    recent: HashMap<String, VecDeque<Point>>,
    counts: HashMap<String, u32>,
    shown: Vec<String>,
    /// Points of users on show since the last update.
    fresh: HashMap<String, Vec<Point>>,
    /// The user in the last place is new there.
    is_last_new: bool,
}

impl Charts {
    pub(super) fn add(&mut self, generated: &Generated, verdict: &Verdict) {
        let point = Point::new(generated, verdict);
        let recent = self.recent.entry(generated.user_id.clone()).or_default();
        if recent.len() == POINTS_MAX {
            recent.pop_front();
        }
        recent.push_back(point);
        if self.shown.is_empty() {
            *self.counts.entry(generated.user_id.clone()).or_default() += 1;
        } else if self.shown.contains(&generated.user_id) {
            self.fresh.entry(generated.user_id.clone()).or_default().push(point);
        }
    }

    /// Shows the busiest users so far.
    pub(super) fn show_busiest(&mut self) {
        let mut busiest: Vec<(String, u32)> = std::mem::take(&mut self.counts).into_iter().collect();
        busiest.sort_by(|one, other| (other.1, &one.0).cmp(&(one.1, &other.0)));
        self.shown = busiest.into_iter().take(SHOWN).map(|(user_id, _)| user_id).collect();
    }

    /// Shows this user in the last place, if it is not on show already.
    pub(super) fn follow(&mut self, user_id: &str) {
        if self.shown.iter().any(|shown| shown == user_id) {
            return;
        }
        if let Some(last) = self.shown.last_mut() {
            user_id.clone_into(last);
            self.is_last_new = true;
        }
    }

    /// Everything on show.
    pub(super) fn whole(&self) -> Vec<Series> {
        self.shown.iter().map(|user_id| self.whole_of(user_id)).collect()
    }

    /// What is new since the last time.
    pub(super) fn take_fresh(&mut self) -> Vec<Series> {
        let (mut fresh, is_last_new) = (std::mem::take(&mut self.fresh), std::mem::take(&mut self.is_last_new));
        let series = self.shown.iter().enumerate().map(|(place, user_id)| {
            if is_last_new && place + 1 == self.shown.len() {
                return self.whole_of(user_id);
            }
            let points = fresh.remove(user_id).unwrap_or_default();
            Series { user_id: user_id.clone(), is_whole: false, points }
        });
        series.collect()
    }

    fn whole_of(&self, user_id: &str) -> Series {
        let points = self.recent.get(user_id).into_iter().flatten().copied().collect();
        Series { user_id: user_id.to_owned(), is_whole: true, points }
    }
}

impl Point {
    fn new(generated: &Generated, verdict: &Verdict) -> Self {
        let (assessment, severity) = match verdict {
            Verdict::Normal(assessment) => (Some(assessment), None),
            Verdict::Anomaly(assessment, severity) => (Some(assessment), Some(severity.as_str())),
            Verdict::WarmingUp | Verdict::Duplicate | Verdict::Late => (None, None),
        };
        Self {
            at: generated.timestamp,
            amount: generated.amount,
            usual: assessment.map(|assessment| assessment.baseline.mean),
            threshold: assessment.map(|assessment| assessment.threshold),
            severity,
        }
    }
}
