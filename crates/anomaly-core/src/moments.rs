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
        self.mean_low = rounded(in_low_units(lost, sum));
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
    match low_unit_exponent(mean) {
        Some(exponent) => f64::from_bits(exponent << MANTISSA_BITS),
        None => low_unit_of_tiny(mean),
    }
}

/// `lost` in units of `mean_low`. A unit is a power of two, so multiplying by its inverse is the same to the bit as dividing by it,
/// and a third of the time: merging the panes of a window is a chain of these.
fn in_low_units(lost: f64, mean: f64) -> f64 {
    match low_unit_exponent(mean) {
        Some(exponent) => lost * f64::from_bits((EXPONENT_OF_ONE * 2 - exponent) << MANTISSA_BITS),
        None => lost / low_unit_of_tiny(mean),
    }
}

const MANTISSA_BITS: u64 = 52;
const LOW_BITS: u64 = 16;
const EXPONENT_OF_ONE: u64 = 1_023;

/// The biased exponent of the unit; `None` for a mean so near to 0 (below 1e-287) that its unit is no normal number.
fn low_unit_exponent(mean: f64) -> Option<u64> {
    let exponent = mean.abs().to_bits() >> MANTISSA_BITS;
    exponent.checked_sub(MANTISSA_BITS + LOW_BITS).filter(|unit| *unit > 0)
}

fn low_unit_of_tiny(mean: f64) -> f64 {
    let magnitude = mean.abs();
    (magnitude.next_up() - magnitude) / 65_536.0
}

/// To the nearest whole number, halves away from 0; beyond an `i16` its bound, 0 for NaN. `f64::round` is a call into libm on a
/// baseline x86-64.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "`as` saturates and makes 0 of NaN: both right"
)]
fn rounded(x: f64) -> i16 {
    let whole = x as i32;
    let part = x - f64::from(whole);
    let nearest = whole.saturating_add(i32::from(part >= 0.5) - i32::from(part <= -0.5));
    nearest.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_that_of_the_standard_library() {
        let near = (-70_000..70_000).map(|i| f64::from(i) / 2.0);
        let edges = [
            0.499_999_999_999_999_94,
            0.5,
            32_767.5,
            1e300,
            f64::INFINITY,
            f64::NAN,
            f64::MIN_POSITIVE,
            2_147_483_647.9,
        ];
        for x in near.chain(edges).flat_map(|x| [x.next_down(), x, x.next_up(), -x]) {
            let expected = if x.is_nan() { 0.0 } else { x.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) };
            assert_eq!(f64::from(rounded(x)), expected, "{x}");
        }
    }

    #[test]
    fn a_unit_is_a_part_of_the_last_bit_whatever_the_mean() {
        for exponent in -1_074..=1_022 {
            for mean in [2_f64.powi(exponent), 2_f64.powi(exponent) * 1.7, -(2_f64.powi(exponent).next_down())] {
                assert_eq!(low_unit(mean).to_bits(), low_unit_of_tiny(mean).to_bits(), "{mean:e}");
                for lost in [0.0, 1.5 * low_unit(mean), -0.3 * low_unit(mean), f64::MIN_POSITIVE] {
                    let divided = lost / low_unit_of_tiny(mean);
                    assert_eq!(in_low_units(lost, mean).to_bits(), divided.to_bits(), "{lost:e} of {mean:e}");
                }
            }
        }
    }
}
