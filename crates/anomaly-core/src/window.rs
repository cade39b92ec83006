//! The rolling window of one user: 31 panes of window/30 each, by event time; or 25 of window/24, where a second memory needs the room.
//!
//! A transaction at event time t is compared with the 30 panes that end with its own, which approximates (t − window, t] to
//! one pane. One more pane is kept, so that every transaction that is not late still finds its pane. The number of panes, and so
//! the size of the state, is the same for every window length.
//!
//! Panes are always merged from the oldest to the newest, so the result is the same to the bit wherever the state came from.

use crate::Moments;

/// Panes that make one window.
pub const PANES_PER_WINDOW: usize = 30;
/// Panes kept: a window, plus the pane that the newest transaction has only partly filled.
pub const PANES_KEPT: usize = PANES_PER_WINDOW + 1;

/// Panes that make one window beside a second memory.
pub(crate) const PANES_PER_SHARED_WINDOW: usize = 24;

const PANES_PER_WINDOW_I64: i64 = 30;
const PANES_PER_SHARED_WINDOW_I64: i64 = 24;

/// Rolling moments over the last `length_ms` of event time.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    length_ms: i64,
    /// Panes that make one window; one more is kept.
    panes_counted: i64,
    newest_event_time_ms: Option<i64>,
    /// Number of the pane that holds the newest event time: derived.
    newest_pane: Option<i64>,
    /// Indexed by [`Self::slot`]. Boxed: a state is moved often, and this is most of it.
    panes: Box<[Moments; PANES_KEPT]>,
    /// The window's panes before the newest, merged: derived. With it a typical transaction costs one merge instead of 30.
    closed: Moments,
}

impl Window {
    /// An empty window of `length_ms` (at least one ms a pane).
    #[must_use]
    pub fn new(length_ms: i64) -> Self {
        Self::made_of(length_ms, PANES_PER_WINDOW_I64)
    }

    /// An empty window of fewer panes, which leaves room for a second memory.
    pub(crate) fn shared(length_ms: i64) -> Self {
        Self::made_of(length_ms, PANES_PER_SHARED_WINDOW_I64)
    }

    /// Whether it has this length, and the panes of a window that shares its state.
    pub(crate) const fn is_made_of(&self, length_ms: i64, is_shared: bool) -> bool {
        self.length_ms == length_ms && (self.panes_counted == PANES_PER_SHARED_WINDOW_I64) == is_shared
    }

    fn made_of(length_ms: i64, panes_counted: i64) -> Self {
        Self {
            length_ms: length_ms.max(PANES_PER_WINDOW_I64),
            panes_counted,
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

    /// Moments of the amounts in the window that ends at `event_time_ms`; empty if there are none.
    #[must_use]
    pub fn before(&self, event_time_ms: i64) -> Moments {
        let pane = self.pane_at(event_time_ms);
        if Some(pane) == self.newest_pane {
            return self.closed.merge(self.pane(pane));
        }
        self.merged(pane - self.panes_counted + 1, pane)
    }

    /// Advances the window to end at `event_time_ms`, if that is later than anything seen. Earlier panes do not change. Call it
    /// before [`Self::before`]: the two then share one merge.
    pub fn advance(&mut self, event_time_ms: i64) {
        if self.newest_event_time_ms.is_some_and(|newest| event_time_ms <= newest) {
            return;
        }
        self.newest_event_time_ms = Some(event_time_ms);
        let to = self.pane_at(event_time_ms);
        let from = self.newest_pane.replace(to).unwrap_or(to);
        if to == from {
            return;
        }
        for pane in from.max(to - self.panes_kept()) + 1..=to {
            let slot = self.slot(pane);
            if let Some(moments) = self.panes.get_mut(slot) {
                *moments = Moments::default();
            }
        }
        self.pool_closed();
    }

    /// Adds an amount at its event time. Ignores a late one.
    pub fn push(&mut self, event_time_ms: i64, amount: f64) {
        if self.is_late(event_time_ms) {
            return;
        }
        self.advance(event_time_ms);
        let pane = self.pane_at(event_time_ms);
        let slot = self.slot(pane);
        if let Some(moments) = self.panes.get_mut(slot) {
            moments.push(amount);
        }
        if Some(pane) != self.newest_pane {
            self.pool_closed();
        }
    }

    fn pool_closed(&mut self) {
        if let Some(newest) = self.newest_pane {
            self.closed = self.merged(newest - self.panes_counted + 1, newest - 1);
        }
    }

    /// Panes `from` to `to` inclusive, as far as they are kept, merged.
    fn merged(&self, from: i64, to: i64) -> Moments {
        let Some(newest) = self.newest_pane else {
            return Moments::default();
        };
        let (from, to) = (from.max(newest - self.panes_kept() + 1), to.min(newest));
        let Ok(length) = usize::try_from(to - from + 1) else {
            return Moments::default();
        };
        Moments::pool(self.kept_from(from).take(length))
    }

    fn pane(&self, pane: i64) -> Moments {
        self.panes.get(self.slot(pane)).copied().unwrap_or_default()
    }

    /// The kept panes in order, starting with this one.
    fn kept_from(&self, pane: i64) -> impl Iterator<Item = &Moments> + Clone {
        // A slot is always in range, so the split never fails.
        let (before, after) = self.panes.split_at_checked(self.slot(pane)).unwrap_or_default();
        let after = after.get(..self.slots() - before.len()).unwrap_or(after);
        after.iter().chain(before)
    }

    /// Number of the pane that holds an event time: ⌊t · panes / length⌋, exact for every length.
    fn pane_at(&self, event_time_ms: i64) -> i64 {
        event_time_ms.saturating_mul(self.panes_counted).div_euclid(self.length_ms)
    }

    const fn panes_kept(&self) -> i64 {
        self.panes_counted + 1
    }

    fn slots(&self) -> usize {
        usize::try_from(self.panes_kept()).unwrap_or(PANES_KEPT)
    }

    /// Index of a pane's slot: its number modulo the panes kept.
    fn slot(&self, pane: i64) -> usize {
        let slot = usize::try_from(pane.rem_euclid(self.panes_kept())).unwrap_or(usize::MAX);
        debug_assert!(slot < PANES_KEPT, "pane {pane} has slot {slot}");
        slot
    }

    /// The kept panes, oldest first.
    pub(crate) fn panes(&self) -> impl Iterator<Item = &Moments> {
        self.kept_from(self.newest_pane.unwrap_or_default() - self.panes_kept() + 1)
    }

    /// This empty window with what the accessors above told; `panes` oldest first.
    pub(crate) fn restored(mut self, newest_event_time_ms: Option<i64>, panes: &[Moments]) -> Self {
        self.newest_event_time_ms = newest_event_time_ms;
        self.newest_pane = newest_event_time_ms.map(|newest| self.pane_at(newest));
        let newest = self.newest_pane.unwrap_or_default();
        for (pane, moments) in (newest - self.panes_kept() + 1..=newest).zip(panes) {
            let slot = self.slot(pane);
            if let Some(kept) = self.panes.get_mut(slot) {
                *kept = *moments;
            }
        }
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
