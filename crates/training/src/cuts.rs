//! Where a feature may be cut.

use crate::quantile::{equidistant, quantile};

/// Quantiles of each class, and the far tail of those that are not fraud, so that a cut can fall where fraud begins.
const PER_CLASS: u32 = 32;
const FRAUD: (f64, f64) = (0.02, 0.98);
const OTHERS: (f64, f64) = (0.03, 0.97);
const TAIL: [f64; 6] = [0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999];

/// Most cuts of a feature: 2 · [`PER_CLASS`] and the tail.
pub(crate) const CUTS_MAX: usize = 70;

/// The cuts of one feature, ascending: the quantiles of its values in fraud and in all others.
pub(crate) fn cuts(mut fraud: Vec<f64>, mut others: Vec<f64>) -> Vec<f64> {
    fraud.sort_unstable_by(f64::total_cmp);
    others.sort_unstable_by(f64::total_cmp);
    let of_fraud = equidistant(FRAUD.0, FRAUD.1, PER_CLASS).map(|share| quantile(&fraud, share));
    let shares = equidistant(OTHERS.0, OTHERS.1, PER_CLASS).chain(TAIL);
    let mut cuts: Vec<f64> = of_fraud.chain(shares.map(|share| quantile(&others, share))).collect();
    cuts.sort_unstable_by(f64::total_cmp);
    cuts.dedup();
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_ascend_without_repetition_and_fit_a_bin() {
        let numbers = |from: u32| (0..10_000).map(|x| f64::from(x * 7_919 % 10_007 + from)).collect::<Vec<_>>();
        let found = cuts(numbers(5_000), numbers(0));
        assert!(found.is_sorted_by(|a, b| a < b));
        assert_eq!(found.len(), CUTS_MAX);
        assert_eq!(cuts(vec![3.0; 40], vec![3.0; 400]), [3.0]);
    }
}
