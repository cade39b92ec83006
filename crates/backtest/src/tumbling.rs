//! The tumbling rule that the detector replaces, faults included. It is here for comparison only; no Lambda function has it.
//!
//! For each user and window of event time it computes count, mean, sample standard deviation and largest amount. At the end of a
//! window it raises one alert if count ≥ 3 and the largest amount is above mean + σ·s.
//!
//! Its faults are kept: an outlier is part of its own sample; only the largest amount of a window is reported, and only when the
//! window has ended; the largest amount starts at 0, so that a window of refunds alerts.
//!
//! Flink ends windows by the watermark of the whole stream. Here a user's window ends when the user's next one begins or the input
//! ends, and a transaction of an earlier window is late.

use anomaly_core::{Assessment, Baseline, Moments, RuleKind, Severity};

use super::flagged::Flagged;
use super::seen::Seen;
use super::summary::Knobs;
use super::users::UserNumber;

/// The rule, with every user's current window.
#[derive(Debug)]
pub(crate) struct Tumbling {
    knobs: Knobs,
    /// By user.
    current: Vec<Option<CurrentWindow>>,
}

#[derive(Debug, Clone, Copy)]
struct CurrentWindow {
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
pub(crate) struct EndedWindow {
    /// The user's number.
    pub(crate) user: UserNumber,
    /// Transactions in the window.
    pub(crate) count: u32,
    /// Whether there were enough of them to judge.
    pub(crate) is_judged: bool,
    /// The largest amount in the window.
    pub(crate) largest: Largest,
    /// The largest amount compared with the window's own moments.
    pub(crate) assessment: Assessment,
    /// The severity, if the largest amount is an anomaly.
    pub(crate) severity: Option<Severity>,
    /// Start and end of the window, in ms since the epoch.
    window: (i64, i64),
}

impl EndedWindow {
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
        Self { knobs, current: Vec::new() }
    }

    /// Adds a transaction. Returns whether it was late, and the user's window that it ended.
    pub(crate) fn add(&mut self, seen: &Seen<'_>) -> (bool, Option<EndedWindow>) {
        if self.current.len() <= seen.arrival.user {
            self.current.resize(seen.arrival.user + 1, None);
        }
        let length_ms = self.length_ms();
        let start_ms = seen.transaction.event_time_ms.div_euclid(length_ms) * length_ms;
        let Some(current) = self.current.get_mut(seen.arrival.user) else { return (false, None) };
        let ended = match current {
            Some(window) if start_ms < window.start_ms => return (true, None),
            Some(window) if start_ms > window.start_ms => current.take(),
            _ => None,
        };
        current.get_or_insert_with(|| CurrentWindow::new(start_ms, seen)).add(seen);
        (false, ended.map(|window| self.end(seen.arrival.user, &window)))
    }

    /// Ends every user's current window, in the order of the users.
    pub(crate) fn finish(&mut self) -> Vec<EndedWindow> {
        let current = std::mem::take(&mut self.current);
        let current = current.iter().enumerate().filter_map(|(user, window)| Some((user, window.as_ref()?)));
        current.map(|(user, window)| self.end(user, window)).collect()
    }

    fn length_ms(&self) -> i64 {
        i64::from(self.knobs.window_seconds) * 1_000
    }

    fn end(&self, user: UserNumber, window: &CurrentWindow) -> EndedWindow {
        let CurrentWindow { start_ms, moments, largest } = *window;
        let stddev = (moments.sum_squares / f64::from(moments.count.saturating_sub(1).max(1))).sqrt();
        let threshold = moments.mean + self.knobs.sigmas * stddev;
        let score = (largest.amount - moments.mean) / stddev;
        let score = if score.is_finite() { score } else { 0.0 };
        let is_judged = moments.count >= self.knobs.min_observations;
        let is_anomaly = is_judged && largest.amount > threshold;
        let baseline = Baseline { count: moments.count, mean: moments.mean, stddev };
        EndedWindow {
            user,
            count: moments.count,
            is_judged,
            largest,
            assessment: Assessment { baseline, threshold, score, explanation: None, second: None },
            severity: is_anomaly.then(|| Severity::of(score, RuleKind::Plain)),
            window: (start_ms, start_ms + self.length_ms()),
        }
    }
}

impl CurrentWindow {
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
