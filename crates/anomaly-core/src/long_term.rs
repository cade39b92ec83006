//! The long-term baseline of a user: what is usual over more transactions than the window holds.

use serde::{Deserialize, Serialize};

use crate::Weighted;
use crate::moments::{is_mean, is_variance};

/// Exponentially weighted mean and variance of all amounts of a user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct LongTerm {
    /// Amounts seen; saturates.
    pub count: u32,
    /// Weighted mean.
    pub mean: f64,
    /// Weighted population variance.
    pub variance: f64,
}

impl LongTerm {
    /// From this many amounts on, each new one weighs 1/200: a memory of about 200 transactions.
    pub const MEMORY: u32 = 200;

    /// Adds one amount with α = max(1/n, 1/200): the plain mean and population variance up to n = 200, a weighted one from then on.
    pub fn push(&mut self, x: f64) {
        self.count = self.count.saturating_add(1);
        let mut weighted = Weighted { mean: self.mean, variance: self.variance };
        weighted.push(x, 1.0 / f64::from(self.count.min(Self::MEMORY)));
        (self.mean, self.variance) = (weighted.mean, weighted.variance);
    }

    /// Whether amounts can have produced these numbers. Checked when they are read from storage.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        is_mean(self.mean) && is_variance(self.variance)
    }
}
