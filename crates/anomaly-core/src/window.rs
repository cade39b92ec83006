//! The rolling window of one user: 31 panes of window/30 each, by event time.
//!
//! A transaction at event time t is compared with the 30 panes that end with its own, which approximates (t − window, t] to
//! one pane. One pane more is kept, so that any transaction that is not older than the window that ends at the user's newest
//! one still finds its pane: the number of panes, and so the size of the state, is the same for every window length.
//!
//! Panes are merged from the oldest to the newest, always: the result is the same to the bit wherever the state came from.

use crate::Moments;

/// Panes that make one window.
pub const PANES_PER_WINDOW: usize = 30;
/// Panes kept: a window, and the part of a pane by which the newest transaction has entered its own.
pub const PANES_KEPT: usize = PANES_PER_WINDOW + 1;

const PANES_PER_WINDOW_I64: i64 = 30;
const PANES_KEPT_I64: i64 = 31;

/// Rolling moments over the last `length_ms` of event time.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    length_ms: i64,
    newest_event_time_ms: Option<i64>,
    /// The pane that holds the newest event time: derived.
    newest_pane: Option<i64>,
    /// Pane number modulo [`PANES_KEPT`]. Boxed: a state is handed from place to place, and this is most of it.
    panes: Box<[Moments; PANES_KEPT]>,
    /// The 29 panes before the newest, merged: derived, so that the usual transaction costs one merge and not 30.
    closed: Moments,
}

impl Window {
    /// An empty window of `length_ms` (at least one ms a pane).
    #[must_use]
    pub fn new(length_ms: i64) -> Self {
        Self {
            length_ms: length_ms.max(PANES_PER_WINDOW_I64),
            newest_event_time_ms: None,
            newest_pane: None,
            panes: Box::new([Moments::default(); PANES_KEPT]),
            closed: Moments::default(),
        }
    }

    /// The length in ms.
    #[must_use]
    pub const fn length_ms(&self) -> i64 {
        self.length_ms
    }

    /// Event time of the user's newest transaction, in ms since the epoch.
    #[must_use]
    pub const fn newest_event_time_ms(&self) -> Option<i64> {
        self.newest_event_time_ms
    }

    /// Whether an event time lies before the window that ends at the newest transaction.
    #[must_use]
    pub fn is_late(&self, event_time_ms: i64) -> bool {
        self.newest_event_time_ms.is_some_and(|newest| event_time_ms <= newest.saturating_sub(self.length_ms))
    }

    /// Moments of what came before in the window that ends at `event_time_ms`; the empty set where nothing did.
    #[must_use]
    pub fn before(&self, event_time_ms: i64) -> Moments {
        let pane = self.pane_at(event_time_ms);
        if Some(pane) == self.newest_pane {
            return self.closed.merge(self.pane(pane));
        }
        self.merged(pane - PANES_PER_WINDOW_I64 + 1, pane)
    }

    /// Lets the window end at an event time, if that is newer than all before it. What came before that time is as it was; a
    /// transaction opens its pane first and asks then, so that the panes are merged once for both.
    pub fn open(&mut self, event_time_ms: i64) {
        if self.newest_event_time_ms.is_some_and(|newest| event_time_ms <= newest) {
            return;
        }
        self.newest_event_time_ms = Some(event_time_ms);
        let to = self.pane_at(event_time_ms);
        let from = self.newest_pane.replace(to).unwrap_or(to);
        if to == from {
            return;
        }
        for pane in from.max(to - PANES_KEPT_I64) + 1..=to {
            if let Some(moments) = self.panes.get_mut(slot(pane)) {
                *moments = Moments::default();
            }
        }
        self.close();
    }

    /// Adds an amount at its event time. A late one is left out.
    pub fn push(&mut self, event_time_ms: i64, amount: f64) {
        if self.is_late(event_time_ms) {
            return;
        }
        self.open(event_time_ms);
        let pane = self.pane_at(event_time_ms);
        if let Some(moments) = self.panes.get_mut(slot(pane)) {
            moments.push(amount);
        }
        if Some(pane) != self.newest_pane {
            self.close();
        }
    }

    fn close(&mut self) {
        if let Some(newest) = self.newest_pane {
            self.closed = self.merged(newest - PANES_PER_WINDOW_I64 + 1, newest - 1);
        }
    }

    /// Panes `from` to `to`, both included, as far as they are kept.
    fn merged(&self, from: i64, to: i64) -> Moments {
        let Some(newest) = self.newest_pane else {
            return Moments::default();
        };
        let (from, to) = (from.max(newest - PANES_KEPT_I64 + 1), to.min(newest));
        let Ok(length) = usize::try_from(to - from + 1) else {
            return Moments::default();
        };
        Moments::pool(self.kept_from(from).take(length))
    }

    fn pane(&self, pane: i64) -> Moments {
        self.panes.get(slot(pane)).copied().unwrap_or_default()
    }

    /// The kept panes in their order, from this one on.
    fn kept_from(&self, pane: i64) -> impl Iterator<Item = &Moments> + Clone {
        let (before, after) = self.panes.split_at_checked(slot(pane)).unwrap_or_default();
        after.iter().chain(before)
    }

    /// Number of the pane that holds an event time: ⌊t · 30 / length⌋, exact for every length.
    fn pane_at(&self, event_time_ms: i64) -> i64 {
        event_time_ms.saturating_mul(PANES_PER_WINDOW_I64).div_euclid(self.length_ms)
    }

    /// The kept panes, oldest first.
    pub(crate) fn panes(&self) -> impl Iterator<Item = &Moments> {
        self.kept_from(self.newest_pane.unwrap_or_default() - PANES_KEPT_I64 + 1)
    }

    /// The inverse of the accessors above; `panes` oldest first.
    pub(crate) fn restore(length_ms: i64, newest_event_time_ms: Option<i64>, panes: &[Moments; PANES_KEPT]) -> Self {
        let mut window = Self { newest_event_time_ms, ..Self::new(length_ms) };
        window.newest_pane = newest_event_time_ms.map(|newest| window.pane_at(newest));
        let newest = window.newest_pane.unwrap_or_default();
        for (pane, moments) in (newest - PANES_KEPT_I64 + 1..=newest).zip(panes) {
            if let Some(kept) = window.panes.get_mut(slot(pane)) {
                *kept = *moments;
            }
        }
        window.close();
        window
    }
}

/// Where a pane is kept.
fn slot(pane: i64) -> usize {
    usize::try_from(pane.rem_euclid(PANES_KEPT_I64)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_leaves_after_the_window_has_passed() {
        let mut window = Window::new(300_000);
        window.push(5_000, 1.0);
        assert_eq!(window.before(295_000).count, 1);
        assert_eq!(window.before(300_000).count, 0);
    }

    #[test]
    fn late_is_older_than_the_window_that_ends_at_the_newest() {
        let mut window = Window::new(300_000);
        window.push(1_000_000, 1.0);
        assert!(window.is_late(700_000));
        assert!(!window.is_late(700_001));
        window.push(700_001, 2.0);
        assert_eq!(window.before(700_001).count, 1, "what is not late is kept");
    }

    #[test]
    fn a_long_silence_empties_the_window() {
        let mut window = Window::new(300_000);
        (0..31).for_each(|pane| window.push(pane * 10_000, 1.0));
        window.push(10_000_000, 1.0);
        assert_eq!(window.before(10_000_000).count, 1);
    }

    #[test]
    fn an_earlier_transaction_does_not_see_later_ones() {
        let mut window = Window::new(300_000);
        window.push(100_000, 1.0);
        window.push(200_000, 2.0);
        assert_eq!(window.before(150_000).count, 1);
    }
}
