//! The panes of a window, of which those that hold nothing take no room.

use smallvec::SmallVec;

use crate::Moments;

/// Panes in place. A user of a sparse stream has two or three transactions in a window.
const PANES_IN_PLACE: usize = 4;

/// Panes that hold something, oldest first.
pub(crate) type Held = SmallVec<[Moments; PANES_IN_PLACE]>;

/// A row of panes that moves forward with the newest transaction. A place is a pane's distance from the oldest: 0 to at most 31.
///
/// Most users of a stream have few transactions in a window, so most panes are empty. An empty pane adds 0 to a sum, so that leaving it out
/// changes no result by a bit, as long as the others are merged in the same order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Panes {
    /// Bit n: the pane at place n holds something.
    occupied: u32,
    /// Those panes.
    held: Held,
}

impl Panes {
    /// Panes that hold these moments, at the places that the bits of `occupied` name, oldest first; one for each bit.
    pub(crate) fn new(occupied: u32, held: Held) -> Self {
        debug_assert_eq!(usize::try_from(occupied.count_ones()), Ok(held.len()), "{occupied:b}");
        Self { occupied, held }
    }

    /// Bit n says whether the pane at place n holds something.
    pub(crate) const fn occupied(&self) -> u32 {
        self.occupied
    }

    /// The panes that hold something, oldest first.
    pub(crate) fn held(&self) -> &[Moments] {
        &self.held
    }

    /// What the pane at a place holds.
    pub(crate) fn at(&self, place: u32) -> Moments {
        if self.occupied & bit(place) == 0 {
            return Moments::default();
        }
        self.held.get(self.held_before(place)).copied().unwrap_or_default()
    }

    /// What the panes from one place to another hold, both inclusive, merged from the oldest to the newest.
    pub(crate) fn merged(&self, from: u32, to: u32) -> Moments {
        let (from, to) = (self.held_before(from), self.held_before(to + 1));
        if from >= to { Moments::default() } else { Moments::pool(self.held.get(from..to).unwrap_or_default().iter()) }
    }

    /// Adds an amount to the pane at a place.
    pub(crate) fn push(&mut self, place: u32, amount: f64) {
        let index = self.held_before(place);
        if self.occupied & bit(place) == 0 {
            self.occupied |= bit(place);
            self.held.insert(index, Moments::default());
        }
        if let Some(moments) = self.held.get_mut(index) {
            moments.push(amount);
        }
    }

    /// Moves the row forward: the `count` oldest panes leave it, and as many empty ones come.
    pub(crate) fn advance(&mut self, count: u32) {
        self.held.drain(..self.held_before(count));
        self.occupied = self.occupied.checked_shr(count).unwrap_or_default();
    }

    /// Panes before a place that hold something.
    fn held_before(&self, place: u32) -> usize {
        let before = self.occupied & bit(place).wrapping_sub(1);
        usize::try_from(before.count_ones()).unwrap_or(usize::MAX)
    }
}

/// The bit of a place; 0 beyond the last, so that all places are before it.
fn bit(place: u32) -> u32 {
    1_u32.checked_shl(place).unwrap_or_default()
}
