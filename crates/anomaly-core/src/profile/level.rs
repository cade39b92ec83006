//! A lasting change of a user's level: a run of ten loud amounts, of which a usual one takes two back.

use serde::{Deserialize, Serialize};

/// Loud amounts that make a new level.
pub(super) const LOUD_AMOUNTS: i8 = 10;
/// No logarithm of an amount within ±1e12, of at least a unit of 1e-6, is beyond it.
const LOGARITHM_MAX: f64 = 30.0;
/// What is taken back leaves the squares as they are, so that they can grow for years.
const SQUARES_MAX: f64 = 1e15;
/// No logarithms are spread more than this.
const VARIANCE_MAX: f64 = LOGARITHM_MAX * LOGARITHM_MAX;
/// Loud amounts that a usual one takes back.
const TAKEN_BACK: i8 = 2;

/// A run of loud amounts, and the level that it would make.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Level {
    /// Loud amounts that are not taken back: positive above the usual, negative below.
    length: i8,
    /// Mean of their logarithms.
    mean: f64,
    /// Σ(ln amount − mean)².
    squares: f64,
}

/// The new level: mean and population variance of the logarithms of its amounts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct NewLevel {
    pub(super) mean: f64,
    pub(super) variance: f64,
}

impl Level {
    /// Adds a loud amount above the usual, or below it. Returns the new level if this makes one; the run is over then.
    pub(super) fn add_loud(&mut self, ln_amount: f64, is_above: bool) -> Option<NewLevel> {
        let side = if is_above { 1 } else { -1 };
        if self.length.signum() == -side {
            *self = Self::default();
        }
        self.length += side;
        let length = f64::from(self.length.unsigned_abs());
        let before = ln_amount - self.mean;
        self.mean += before / length;
        self.squares += before * (ln_amount - self.mean);
        if self.is_possible() {
            return None;
        }
        let level = NewLevel { mean: self.mean, variance: (self.squares / length).clamp(0.0, VARIANCE_MAX) };
        *self = Self::default();
        Some(level)
    }

    /// Takes back two loud amounts, if there are any.
    pub(super) fn add_usual(&mut self) {
        let left = self.length.unsigned_abs().saturating_sub(TAKEN_BACK.unsigned_abs());
        if left == 0 {
            *self = Self::default();
        } else {
            self.length -= self.length.signum() * TAKEN_BACK;
        }
    }

    /// Whether amounts can have produced these numbers: a longer run has become a new level.
    pub(super) fn is_sound(&self) -> bool {
        self.is_possible() && self.mean.abs() <= LOGARITHM_MAX && (0.0..=SQUARES_MAX).contains(&self.squares)
    }

    const fn is_possible(&self) -> bool {
        self.length.unsigned_abs() < LOUD_AMOUNTS.unsigned_abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_loud_amounts_are_a_new_level_of_their_mean() {
        let mut level = Level::default();
        assert!((1..10).all(|i| level.add_loud(f64::from(i), true).is_none()));
        let new = level.add_loud(10.0, true).unwrap();
        assert_eq!(new, NewLevel { mean: 5.5, variance: 8.25 });
        assert_eq!(level, Level::default());
    }

    #[test]
    fn a_usual_amount_takes_two_back_and_the_other_side_begins_again() {
        let mut level = Level::default();
        for _ in 0..1_000 {
            assert_eq!(level.add_loud(3.0, true), None);
            assert_eq!(level.add_loud(3.0, true), None);
            level.add_usual();
        }
        assert_eq!(level, Level::default());
        assert!((0..9).all(|_| level.add_loud(3.0, true).is_none()));
        assert!((0..9).all(|_| level.add_loud(-3.0, false).is_none()));
        assert!(level.add_loud(-3.0, false).is_some());
    }
}
