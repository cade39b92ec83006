//! The rolling window of one user: 31 panes of window/30 each, by event time; or 25 of window/24, where a second memory needs the room.
//!
//! A transaction at event time t is compared with the 30 panes that end with its own, which approximates (t − window, t] to
//! one pane. One more pane is kept, so that every transaction that is not late still finds its pane. The number of panes, and so
//! the size of the state, is the same for every window length.
//!
//! Panes are always merged from the oldest to the newest, so the result is the same to the bit wherever the state came from.

use crate::Moments;
use crate::panes::Panes;

/// Panes that make one window.
pub const PANES_PER_WINDOW: u32 = 30;
/// Panes that make one window beside a second memory.
const PANES_PER_SHARED_WINDOW: u32 = 24;

/// Rolling moments over the last `length_ms` of event time.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    length_ms: i64,
    /// Panes that make one window. One more is kept: the newest transaction has only partly filled its own.
    panes_counted: u32,
    newest: Option<Newest>,
    /// The kept panes. The last place is the newest transaction's.
    panes: Panes,
    /// The window's panes before the newest, merged: derived. With it a typical transaction costs one merge instead of 30.
    closed: Moments,
}

/// Where the window ends.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Newest {
    event_time_ms: i64,
    /// Number of the pane that holds it: derived.
    pane: i64,
}

impl Window {
    /// An empty window of `length_ms` (at least one ms a pane).
    #[must_use]
    pub fn new(length_ms: i64) -> Self {
        Self::made_of(length_ms, PANES_PER_WINDOW)
    }

    /// An empty window of fewer panes, which leaves room for a second memory.
    pub(crate) fn shared(length_ms: i64) -> Self {
        Self::made_of(length_ms, PANES_PER_SHARED_WINDOW)
    }

    /// Whether it has this length, and the panes of a window that shares its state.
    pub(crate) const fn is_made_of(&self, length_ms: i64, is_shared: bool) -> bool {
        self.length_ms == length_ms && (self.panes_counted == PANES_PER_SHARED_WINDOW) == is_shared
    }

    fn made_of(length_ms: i64, panes_counted: u32) -> Self {
        Self {
            length_ms: length_ms.max(PANES_PER_WINDOW.into()),
            panes_counted,
            newest: None,
            panes: Panes::default(),
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
        match self.newest {
            Some(newest) => Some(newest.event_time_ms),
            None => None,
        }
    }

    /// Whether an event time lies before the window that ends at the newest transaction.
    #[must_use]
    pub fn is_late(&self, event_time_ms: i64) -> bool {
        self.newest.is_some_and(|newest| event_time_ms <= newest.event_time_ms.saturating_sub(self.length_ms))
    }

    /// Moments of the amounts in the window that ends at `event_time_ms`; empty if there are none.
    #[must_use]
    pub fn before(&self, event_time_ms: i64) -> Moments {
        let Some(newest) = self.newest else { return Moments::default() };
        let pane = self.pane_at(event_time_ms);
        if pane == newest.pane {
            return self.closed.merge(self.panes.at(self.panes_counted));
        }
        self.merged(pane - i64::from(self.panes_counted) + 1, pane)
    }

    /// Advances the window to end at `event_time_ms`, if that is later than anything seen. Earlier panes do not change. Call it
    /// before [`Self::before`]: the two then share one merge.
    pub fn advance(&mut self, event_time_ms: i64) {
        if self.newest.is_some_and(|newest| event_time_ms <= newest.event_time_ms) {
            return;
        }
        let pane = self.pane_at(event_time_ms);
        let before = self.newest.replace(Newest { event_time_ms, pane });
        let advanced = before.map_or(0, |before| pane - before.pane);
        if advanced > 0 {
            // More than there are: a long silence.
            self.panes.advance(u32::try_from(advanced).unwrap_or(u32::MAX));
            self.pool_closed();
        }
    }

    /// Adds an amount at its event time. Ignores a late one.
    pub fn push(&mut self, event_time_ms: i64, amount: f64) {
        if self.is_late(event_time_ms) {
            return;
        }
        self.advance(event_time_ms);
        let Some(place) = self.place(self.pane_at(event_time_ms)) else { return };
        self.panes.push(place, amount);
        if place != self.panes_counted {
            self.pool_closed();
        }
    }

    /// Merges what comes before the newest pane: all places but the first, which the window no longer counts, and the last.
    fn pool_closed(&mut self) {
        self.closed = self.panes.merged(1, self.panes_counted - 1);
    }

    /// Panes `from` to `to` inclusive, as far as they are kept, merged.
    fn merged(&self, from: i64, to: i64) -> Moments {
        let Some(newest) = self.newest else {
            return Moments::default();
        };
        let oldest = newest.pane - i64::from(self.panes_counted);
        match (self.place(from.max(oldest)), self.place(to.min(newest.pane))) {
            (Some(from), Some(to)) => self.panes.merged(from, to),
            _ => Moments::default(),
        }
    }

    /// Where a pane is kept, if it is.
    fn place(&self, pane: i64) -> Option<u32> {
        let from_oldest = pane - self.newest?.pane + i64::from(self.panes_counted);
        u32::try_from(from_oldest).ok().filter(|place| *place <= self.panes_counted)
    }

    /// Number of the pane that holds an event time: ⌊t · panes / length⌋, exact for every length.
    fn pane_at(&self, event_time_ms: i64) -> i64 {
        event_time_ms.saturating_mul(self.panes_counted.into()).div_euclid(self.length_ms)
    }

    /// The kept panes.
    pub(crate) const fn panes(&self) -> &Panes {
        &self.panes
    }

    /// How many panes are kept, whether they hold something or not.
    pub(crate) const fn panes_kept(&self) -> u32 {
        self.panes_counted + 1
    }

    /// This empty window with what the accessors above told.
    pub(crate) fn restored(mut self, newest_event_time_ms: Option<i64>, panes: Panes) -> Self {
        let newest = |event_time_ms| Newest { event_time_ms, pane: self.pane_at(event_time_ms) };
        self.newest = newest_event_time_ms.map(newest);
        self.panes = panes;
        self.pool_closed();
        self
    }
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
