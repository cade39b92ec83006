//! k(n): how many sample standard deviations make the same false-alarm rate at every count.

use std::sync::OnceLock;

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// k(n) is tabulated up to here. From here to infinity it is linear in 1/n to 1e-7.
const TABULATED_MAX: u32 = 1_024;
const TABULATED_MAX_USIZE: usize = 1_024;

/// k(n) = t⁻¹₍ₙ₋₁₎(Φ(σ)) · √(1 + 1/n): half the width, in sample standard deviations, of the one-sided prediction interval for
/// one more observation of a normal population (G. J. Hahn, "Factors for calculating two-sided prediction intervals for
/// samples from a normal distribution", JASA 64, 1969; here one-sided). With it the false-alarm rate is 1 − Φ(σ) at every n.
#[derive(Debug, Clone)]
pub(super) struct Multipliers {
    sigmas: f64,
    confidence: f64,
    /// Each entry is computed when it is first used, so that a cold start does not wait for entries it never needs.
    table: Box<[OnceLock<f64>]>,
}

impl Multipliers {
    pub(super) fn new(sigmas: f64) -> Self {
        let confidence = Normal::standard().cdf(sigmas);
        Self { sigmas, confidence, table: (0..=TABULATED_MAX_USIZE).map(|_| OnceLock::new()).collect() }
    }

    /// k(`count`).
    pub(super) fn at(&self, count: u32) -> f64 {
        let count_usize = usize::try_from(count).unwrap_or(usize::MAX);
        match self.table.get(count_usize) {
            Some(entry) => *entry.get_or_init(|| self.exact(count)),
            None => self.beyond_the_table(count),
        }
    }

    /// From the last entry towards σ, linear in 1/n.
    fn beyond_the_table(&self, count: u32) -> f64 {
        self.sigmas + (self.at(TABULATED_MAX) - self.sigmas) * f64::from(TABULATED_MAX) / f64::from(count)
    }

    fn exact(&self, count: u32) -> f64 {
        let n = f64::from(count.max(2));
        let student = StudentsT::new(0.0, 1.0, n - 1.0);
        debug_assert!(student.is_ok(), "one degree of freedom or more is a t distribution");
        let quantile = student.map_or(self.sigmas, |t| t.inverse_cdf(self.confidence));
        quantile * (1.0 + 1.0 / n).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RuleKind, knobs};

    #[test]
    fn the_multiplier_agrees_with_the_tables() {
        let k = Multipliers::new(2.5);
        // SciPy 1.17.1: t.ppf(norm.cdf(2.5), n - 1) * sqrt(1 + 1/n).
        let expected = [
            (3, 10.264_681_295_106_772),
            (9, 3.383_917_904_566_115),
            (30, 2.709_986_973_641_226),
            (600, 2.509_675_175_449_887_6),
            (1_024, 2.505_659_378_210_619),
            (1_025, 2.505_653_843_552_289_5),
            (1_000_000, 2.500_005_781_264_251_8),
        ];
        for (count, expected) in expected {
            assert!((k.at(count) - expected).abs() < 1e-7, "k({count}) = {}", k.at(count));
        }
    }

    #[test]
    fn the_multiplier_falls_towards_sigma_without_a_step() {
        let k = Multipliers::new(2.5);
        let values: Vec<f64> = (2..3_000).map(|n| k.at(n)).collect();
        assert!(values.windows(2).all(|pair| pair[0] > pair[1]));
        assert!(k.at(u32::MAX) > 2.5);
    }

    #[test]
    fn the_multiplier_is_finite_at_the_largest_sigma_and_the_smallest_count() {
        let largest = knobs::SIGMAS.row().max.unwrap();
        let fewest = RuleKind::Plain.observations_min();
        assert!(Multipliers::new(largest).at(fewest).is_finite());
    }
}
