//! Mean and variance of a stream of numbers in constant memory.

use serde::{Deserialize, Serialize};

/// An exponentially weighted mean and population variance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Weighted {
    /// Weighted mean.
    pub mean: f64,
    /// Weighted population variance, never negative.
    pub variance: f64,
}

impl Weighted {
    /// Adds one number with the weight `alpha`. With α = 1/n for the n-th number they are the plain mean and population variance; with
    /// α = max(1/n, 1/m) the last m numbers or so count. T. Finch, "Incremental calculation of weighted mean and variance" (2009),
    /// section 9.
    pub fn push(&mut self, x: f64, alpha: f64) {
        let before = x - self.mean;
        self.mean += alpha * before;
        self.variance = (1.0 - alpha) * (self.variance + alpha * before * before);
    }
}
