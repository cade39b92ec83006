//! The normal distribution, and Student's t as a normal deviate. Every function is computed by `libm`, so that verdicts and stored bits
//! are the same on any machine: a platform's own mathematics may differ in the last bit.

use std::f64::consts::{PI, SQRT_2};

/// Beyond this the tail is too small for its logarithm.
const SIGMAS_MAX: f64 = 37.0;
/// The smallest tail that is inverted.
pub(super) const TAIL_MIN: f64 = 1e-290;
/// Newton's method needs about ten steps from 37 to 1.
const STEPS_MAX: u32 = 60;

/// Φ̄(z), the share of a normal distribution above z standard deviations.
pub(super) fn tail(z: f64) -> f64 {
    0.5 * libm::erfc(z / SQRT_2)
}

/// The smaller of `at_most` and the z whose [`tail`] is `share` (at least [`TAIL_MIN`]).
///
/// Newton's method on ln Φ̄, which is concave and falls: from above it comes down to the root and never passes it.
pub(super) fn tail_quantile_at_most(share: f64, at_most: f64) -> f64 {
    let mut z = at_most.min(SIGMAS_MAX);
    let logarithm = libm::log(share);
    for _ in 0..STEPS_MAX {
        let tail = tail(z);
        let density = libm::exp(-0.5 * z * z) / libm::sqrt(2.0 * PI);
        let next = z + (libm::log(tail) - logarithm) * tail / density;
        // NaN ends it too.
        if next >= z || next.is_nan() {
            break;
        }
        z = next;
    }
    z.min(at_most)
}

/// A deviate of Student's t with ν degrees of freedom as a normal one: D. L. Wallace, "Bounds on normal approximations to Student's and
/// the chi-square distributions", Annals of Mathematical Statistics 30 (1959).
pub(super) fn normal_of_t(t: f64, nu: f64) -> f64 {
    let z = (8.0 * nu + 1.0) / (8.0 * nu + 3.0) * libm::sqrt(nu * libm::log1p(t * t / nu));
    if t >= 0.0 { z } else { -z }
}

/// The inverse of [`normal_of_t`] for z ≥ 0.
pub(super) fn t_of_normal(z: f64, nu: f64) -> f64 {
    let q = z * (8.0 * nu + 3.0) / (8.0 * nu + 1.0);
    libm::sqrt(nu * libm::expm1(q * q / nu))
}

/// Mean and variance pooled with a prior: `observed` is the variance of `count` numbers, `spread` the prior standard deviation that
/// `weight` pseudo-observations have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Predictive {
    /// Degrees of freedom.
    pub(super) nu: f64,
    /// Variance of the numbers.
    pub(super) variance: f64,
    /// Standard deviation of the next number around the mean.
    pub(super) scale: f64,
}

impl Predictive {
    pub(super) fn degrees_of_freedom(count: f64, weight: f64) -> f64 {
        weight + count - 1.0
    }

    pub(super) fn new(observed: f64, count: f64, spread: f64, weight: f64, spread_min: f64) -> Self {
        let nu = Self::degrees_of_freedom(count, weight);
        let pooled = (weight * spread * spread + count * observed) / nu;
        let variance = pooled.max(spread_min * spread_min);
        Self { nu, variance, scale: libm::sqrt(variance * (1.0 + 1.0 / count)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantile_is_the_inverse_of_the_tail() {
        for z in [-3.0, -0.5, 0.0, 0.3, 1.0, 2.5, 3.25, 8.0, 20.0, 36.0] {
            let found = tail_quantile_at_most(tail(z), 40.0);
            assert!((found - z).abs() < 1e-9 * z.abs().max(1.0), "{z}: {found}");
        }
        assert_eq!(tail_quantile_at_most(tail(4.0), 3.0), 3.0);
    }

    #[test]
    fn student_becomes_normal_and_back() {
        // SciPy: norm.isf(t.sf(3, 8)) = 2.3825…; Wallace's approximation is within 0.2 % here.
        assert!((normal_of_t(3.0, 8.0) - 2.382_5).abs() < 0.01);
        for (z, nu) in [(0.1, 7.0), (2.5, 8.0), (3.25, 101.0), (6.0, 12.0)] {
            assert!((normal_of_t(t_of_normal(z, nu), nu) - z).abs() < 1e-12);
        }
        assert_eq!(normal_of_t(-3.0, 8.0), -normal_of_t(3.0, 8.0));
    }
}
