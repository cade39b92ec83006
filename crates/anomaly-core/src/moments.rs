//! Count, mean and sum of squared deviations of a set of amounts, mergeable.
//!
//! Never running sums of x and x²: their difference cancels, and after an outlier has left a window the variance can come
//! out negative. Welford's update and Chan's merge do not cancel, but at amounts of 1e12 the last bit of a mean is 1.2e-4,
//! which leaves three digits of a variance of 1. So the mean carries 16 bits more than an `f64` holds.

use crate::AMOUNT_ABSOLUTE_MAX;

/// How far rounding may carry a moment beyond its bound, generously.
const SLACK: f64 = 1.01;

/// The first two moments of `count` numbers. The default is the empty set.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moments {
    /// How many numbers there are; saturates.
    pub count: u32,
    /// Their mean; 0 for the empty set.
    pub mean: f64,
    /// The part of the mean that an `f64` cannot hold, in 65,536ths of its last bit.
    pub mean_low: i16,
    /// Σ(x − mean)², never negative.
    pub sum_squares: f64,
}

impl Moments {
    /// Moments with a mean of `f64` precision.
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

    /// The moments of both sets together.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self::pool([self, other].iter())
    }

    /// The moments of all sets together: the sum of squares within each set, plus n·(mean − common mean)² between them. Two passes, with
    /// the first set's mean subtracted first, as T. F. Chan, G. H. Golub, R. J. LeVeque recommend ("Algorithms for computing the sample
    /// variance: analysis and recommendations", The American Statistician 37, 1983). Merging the sets one by one would chain every
    /// operation to the one before; here only the sums are chained.
    #[must_use]
    pub fn pool<'a>(sets: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let Some(&first) = sets.clone().find(|set| set.count > 0) else {
            return Self::default();
        };
        let (count, sum) = sets.clone().fold((0.0, 0.0), |(count, sum), set| {
            let weight = f64::from(set.count);
            (count + weight, sum + weight * set.apart_from(&first))
        });
        let shift = sum / count;
        let sum_squares = sets.clone().fold(0.0, |squares, set| {
            let apart = set.apart_from(&first) - shift;
            squares + (set.sum_squares + f64::from(set.count) * apart * apart)
        });
        let count = sets.fold(0_u32, |count, set| count.saturating_add(set.count));
        let mut pooled = Self { count, sum_squares, ..first };
        pooled.shift_mean(shift);
        pooled
    }

    /// Whether amounts can have these moments. Checked when they are read from storage: finite numbers are not enough, since a
    /// merge could still overflow into a threshold of NaN, and then nothing would ever alert.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        is_mean(self.mean) && is_variance(self.sum_squares / f64::from(self.count.max(1)))
    }

    fn low(&self) -> f64 {
        f64::from(self.mean_low) * low_unit(self.mean)
    }

    fn apart_from(&self, other: &Self) -> f64 {
        (self.mean - other.mean) + (self.low() - other.low())
    }

    /// Adds to the mean without losing the bits that rounding drops: the branch-free two-sum of D. E. Knuth, The Art of Computer
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

/// Whether amounts can have this mean; they cannot have NaN. The slack is for rounding.
pub(crate) fn is_mean(mean: f64) -> bool {
    mean.abs() <= AMOUNT_ABSOLUTE_MAX * SLACK
}

/// Whether amounts can have this population variance: at most the square of half their range (T. Popoviciu, "Sur les équations
/// algébriques ayant toutes leurs racines réelles", Mathematica 9, 1935).
pub(crate) fn is_variance(variance: f64) -> bool {
    (0.0..=AMOUNT_ABSOLUTE_MAX * AMOUNT_ABSOLUTE_MAX * SLACK).contains(&variance)
}

/// The value of one unit of `mean_low`: 2⁻¹⁶ of the last bit of the mean, which is 2⁻⁵² of its power of two.
fn low_unit(mean: f64) -> f64 {
    const EXPONENT_BITS: u64 = 0x7FF << 52;
    const UNIT_OF_ONE: f64 = f64::EPSILON / 65_536.0;
    f64::from_bits(mean.to_bits() & EXPONENT_BITS) * UNIT_OF_ONE
}

/// The nearest whole number, halves away from 0. Saturates at the bounds of `i16`; 0 for NaN.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "`as` saturates and turns NaN into 0: both are right here"
)]
fn rounded(x: f64) -> i16 {
    x.round() as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_a_part_of_the_last_bit_whatever_the_mean() {
        for exponent in -1_074..=1_022 {
            for mean in [2_f64.powi(exponent), 2_f64.powi(exponent) * 1.7, -(2_f64.powi(exponent).next_down())] {
                let last_bit = mean.abs().next_up() - mean.abs();
                assert_eq!(low_unit(mean).to_bits(), (last_bit / 65_536.0).to_bits(), "{mean:e}");
            }
        }
    }

    #[test]
    fn an_empty_set_changes_nothing_to_the_bit() {
        let mut set = Moments::default();
        for x in [0.1, 0.2, 0.4, -3.0] {
            set.push(x);
        }
        assert_ne!(set.mean_low, 0);
        assert_eq!(set.merge(Moments::default()), set);
        assert_eq!(Moments::default().merge(set), set);
    }
}
