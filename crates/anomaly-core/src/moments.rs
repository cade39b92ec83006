//! Count, mean and sum of squared deviations of a set of amounts, mergeable.
//!
//! Never running sums of x and x²: their difference cancels, and after an outlier has left a window the variance can come
//! out negative. Welford's update and Chan's merge do not cancel, but at amounts of 1e12 the last bit of a mean is 1.2e-4,
//! which leaves three digits of a variance of 1. So the mean carries 16 bits more than an `f64` holds.

use crate::AMOUNT_ABSOLUTE_MAX;

/// How far beyond its bound rounding may carry a moment, generously.
const SLACK: f64 = 1.01;

/// The first two moments of `count` numbers. The default is the empty set.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moments {
    /// How many numbers; saturates.
    pub count: u32,
    /// Their mean; 0 for the empty set.
    pub mean: f64,
    /// What the mean lacks, in 65,536ths of its last bit.
    pub mean_low: i16,
    /// Σ(x − mean)², never negative.
    pub sum_squares: f64,
}

impl Moments {
    /// Moments whose mean is an `f64` and no more.
    #[must_use]
    pub const fn new(count: u32, mean: f64, sum_squares: f64) -> Self {
        Self { count, mean, mean_low: 0, sum_squares }
    }

    /// Adds one number: B. P. Welford, "Note on a method for calculating corrected sums of squares and products",
    /// Technometrics 4 (1962).
    pub fn push(&mut self, x: f64) {
        self.count = self.count.saturating_add(1);
        let before = (x - self.mean) - self.low();
        self.shift_mean(before / f64::from(self.count));
        let after = (x - self.mean) - self.low();
        self.sum_squares += (before * after).max(0.0);
    }

    /// The moments of both sets together: T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating Formulae and a Pairwise
    /// Algorithm for Computing Sample Variances", Stanford STAN-CS-79-773 (1979).
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        if self.count == 0 {
            return other;
        }
        if other.count == 0 {
            return self;
        }
        let (left, right) = (f64::from(self.count), f64::from(other.count));
        let share = right / (left + right);
        let apart = (other.mean - self.mean) + (other.low() - self.low());
        let mut merged = Self {
            count: self.count.saturating_add(other.count),
            sum_squares: self.sum_squares + other.sum_squares + apart * apart * left * share,
            ..self
        };
        merged.shift_mean(apart * share);
        merged
    }

    /// Whether these are moments that amounts can have, as they must be when they come from storage: from finite numbers alone
    /// a merge could still overflow into a threshold that is no number, and nothing would ever alert.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        is_mean(self.mean) && is_variance(self.sum_squares / f64::from(self.count.max(1)))
    }

    fn low(&self) -> f64 {
        f64::from(self.mean_low) * low_unit(self.mean)
    }

    /// Adds to the mean without losing what falls off its end: the branch-free two-sum of D. E. Knuth, The Art of Computer
    /// Programming 2, 4.2.2.
    fn shift_mean(&mut self, shift: f64) {
        let (a, b) = (self.mean, shift + self.low());
        let sum = a + b;
        let b_kept = sum - a;
        let lost = (a - (sum - b_kept)) + (b - b_kept);
        self.mean = sum;
        self.mean_low = rounded(lost / low_unit(sum));
    }
}

/// Whether amounts can have this mean; NaN is none. The slack is for rounding.
pub(crate) fn is_mean(mean: f64) -> bool {
    mean.abs() <= AMOUNT_ABSOLUTE_MAX * SLACK
}

/// Whether amounts can have this population variance: at most the square of half their range (T. Popoviciu, "Sur les équations
/// algébriques ayant toutes leurs racines réelles", Mathematica 9, 1935).
pub(crate) fn is_variance(variance: f64) -> bool {
    (0.0..=AMOUNT_ABSOLUTE_MAX * AMOUNT_ABSOLUTE_MAX * SLACK).contains(&variance)
}

/// The worth of one unit of `mean_low`: 2⁻¹⁶ of the last bit of the mean.
fn low_unit(mean: f64) -> f64 {
    let magnitude = mean.abs();
    (magnitude.next_up() - magnitude) / 65_536.0
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "`as` saturates and makes 0 of NaN: both right"
)]
fn rounded(x: f64) -> i16 {
    x.round() as i16
}
