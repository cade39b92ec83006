//! Loud amounts that are usual all the same: rent beside groceries.

use serde::{Deserialize, Serialize};

use super::amount::CLAMP_SIGMAS;
use super::normal::{TAIL_MIN, tail, tail_quantile_at_most};
use crate::Weighted;

/// Loud amounts that make no habit yet.
const FREE: f64 = 10.0;
/// Transactions that the share of loud ones is counted over, roughly.
const MEMORY: f64 = 300.0;
/// Loud amounts that their level is remembered over, roughly.
const LEVEL_MEMORY: f64 = 50.0;
/// The prior of the spread of their logarithm: four pseudo-observations of 0.5.
const PRIOR_WEIGHT: f64 = 4.0;
const PRIOR_SPREAD: f64 = 0.5;
/// An amount below this score needs no excuse.
const SIGMAS_MIN: f64 = 1.0;
/// No count is beyond it: a sum of weights that fall by 1/300.
const COUNT_MAX: f64 = MEMORY + 1.0;

/// The amounts beyond the clamp, as a second population.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Habit {
    /// Decayed count of loud amounts.
    loud: f64,
    /// Decayed count of all amounts.
    total: f64,
    /// Of the logarithms of the loud ones.
    level: Weighted,
}

impl Habit {
    /// The score of an amount whose own score is `own`, once its loudness is seen as a habit: never above `own`.
    pub(super) fn score(&self, own: f64, ln_amount: f64) -> f64 {
        let share = (self.loud - FREE).max(0.0) / self.total.max(1.0);
        if share <= 0.0 || own <= SIGMAS_MIN {
            return own;
        }
        let prior = PRIOR_WEIGHT * PRIOR_SPREAD * PRIOR_SPREAD;
        let spread = libm::sqrt((prior + self.loud * self.level.variance) / (PRIOR_WEIGHT + self.loud));
        let above = (1.0 - share) * tail(own) + share * tail((ln_amount - self.level.mean) / spread);
        if above > TAIL_MIN { tail_quantile_at_most(above, own) } else { own }
    }

    /// Counts a transaction; `is_loud` if it was judged and is beyond the clamp.
    pub(super) fn fold(&mut self, is_loud: bool, ln_amount: f64) {
        let kept = 1.0 - 1.0 / MEMORY;
        self.loud *= kept;
        self.total = self.total * kept + 1.0;
        if is_loud {
            self.loud += 1.0;
            self.level.push(ln_amount, 1.0 / self.loud.min(LEVEL_MEMORY));
        }
    }

    /// What was loud is usual now.
    pub(super) const fn forget_loud(&mut self) {
        self.loud = 0.0;
    }

    /// Whether transactions can have produced these numbers.
    pub(super) fn is_sound(&self) -> bool {
        let counts = 0.0..=COUNT_MAX;
        counts.contains(&self.loud)
            && counts.contains(&self.total)
            && self.loud <= self.total
            && self.level.mean.abs() <= 700.0
            && (0.0..=1e6).contains(&self.level.variance)
    }
}

/// Whether an amount is beyond the clamp, and so one that a habit is made of.
pub(super) fn is_loud(own: f64) -> bool {
    own > CLAMP_SIGMAS
}
