//! The tumbling rule that the detector replaces, faults included. It is for comparison only and not in any function.
//!
//! Per user and window of event time: count, mean, sample standard deviation, largest amount; at the end of the window one
//! alert if count ≥ 3 and the largest amount is above mean + σ·s. Its faults are kept: an outlier sits in its own sample; only the
//! largest amount of a window is reported; it is reported when the window is over; the largest amount starts at 0, so that a
//! window of refunds alerts. What Flink does with the watermark of the whole stream is done per user here: a user's window is over
//! when the user's next one begins, or the input ends, and what belongs to an earlier one is late.

use anomaly_core::{Assessment, Baseline, Moments, Severity};

use super::flagged::Flagged;
use super::seen::Seen;
use super::summary::Knobs;
use super::users::UserNumber;

/// The rule with the open windows of all users.
#[derive(Debug)]
pub(crate) struct Tumbling {
    knobs: Knobs,
    open: Vec<Option<OpenWindow>>,
}

#[derive(Debug, Clone, Copy)]
struct OpenWindow {
    start_ms: i64,
    moments: Moments,
    largest: Largest,
}

/// The largest amount of a window so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Largest {
    pub(crate) amount: f64,
    index: u64,
    event_time_ms: i64,
    pub(crate) label: Option<bool>,
}

/// A window that has ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Closed {
    /// The user's number.
    pub(crate) user: UserNumber,
    /// Transactions in the window.
    pub(crate) count: u32,
    /// Whether there were enough of them.
    pub(crate) is_judged: bool,
    /// Its largest amount.
    pub(crate) largest: Largest,
    /// The largest amount compared with the window's own moments.
    pub(crate) assessment: Assessment,
    /// The severity, if the largest amount is an anomaly.
    pub(crate) severity: Option<Severity>,
    /// Start and end of the window.
    window: (i64, i64),
}

impl Closed {
    /// The largest amount, if it is an anomaly.
    pub(crate) fn flagged(&self) -> Option<Flagged> {
        Some(Flagged {
            index: self.largest.index,
            user: self.user,
            event_time_ms: self.largest.event_time_ms,
            amount: self.largest.amount,
            label: self.largest.label,
            assessment: self.assessment,
            severity: self.severity?,
            window: Some(self.window),
        })
    }
}

impl Tumbling {
    pub(crate) const fn new(knobs: Knobs) -> Self {
        Self { knobs, open: Vec::new() }
    }

    /// Adds a transaction. Returns whether it was late, and the user's window that it ended.
    pub(crate) fn add(&mut self, seen: &Seen<'_>) -> (bool, Option<Closed>) {
        if self.open.len() <= seen.arrival.user {
            self.open.resize(seen.arrival.user + 1, None);
        }
        let length_ms = self.length_ms();
        let start_ms = seen.transaction.event_time_ms.div_euclid(length_ms) * length_ms;
        let Some(open) = self.open.get_mut(seen.arrival.user) else { return (false, None) };
        let over = match open {
            Some(window) if start_ms < window.start_ms => return (true, None),
            Some(window) if start_ms > window.start_ms => open.take(),
            _ => None,
        };
        open.get_or_insert_with(|| OpenWindow::new(start_ms, seen)).add(seen);
        (false, over.map(|window| self.close(seen.arrival.user, &window)))
    }

    /// Ends the windows that are still open, by user.
    pub(crate) fn finish(&mut self) -> Vec<Closed> {
        let open = std::mem::take(&mut self.open);
        let open = open.iter().enumerate().filter_map(|(user, window)| Some((user, window.as_ref()?)));
        open.map(|(user, window)| self.close(user, window)).collect()
    }

    fn length_ms(&self) -> i64 {
        i64::from(self.knobs.window_seconds) * 1_000
    }

    fn close(&self, user: UserNumber, window: &OpenWindow) -> Closed {
        let OpenWindow { start_ms, moments, largest } = *window;
        let stddev = (moments.sum_squares / f64::from(moments.count.saturating_sub(1).max(1))).sqrt();
        let threshold = moments.mean + self.knobs.sigmas * stddev;
        let score = (largest.amount - moments.mean) / stddev;
        let score = if score.is_finite() { score } else { 0.0 };
        let is_judged = moments.count >= self.knobs.min_observations;
        let is_anomaly = is_judged && largest.amount > threshold;
        let baseline = Baseline { count: moments.count, mean: moments.mean, stddev };
        Closed {
            user,
            count: moments.count,
            is_judged,
            largest,
            assessment: Assessment { baseline, threshold, score },
            severity: is_anomaly.then(|| Severity::of(score)),
            window: (start_ms, start_ms + self.length_ms()),
        }
    }
}

impl OpenWindow {
    fn new(start_ms: i64, seen: &Seen<'_>) -> Self {
        Self { start_ms, moments: Moments::default(), largest: Largest { amount: 0.0, ..Largest::of(seen) } }
    }

    fn add(&mut self, seen: &Seen<'_>) {
        self.moments.push(seen.transaction.amount);
        if seen.transaction.amount > self.largest.amount {
            self.largest = Largest::of(seen);
        }
    }
}

impl Largest {
    const fn of(seen: &Seen<'_>) -> Self {
        let amount = seen.transaction.amount;
        Self { amount, index: seen.index, event_time_ms: seen.transaction.event_time_ms, label: seen.label }
    }
}
