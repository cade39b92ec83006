//! Quantiles with linear interpolation, as numpy computes them by default: R. J. Hyndman, Y. Fan, "Sample quantiles in statistical
//! packages", The American Statistician 50 (1996), definition 7.

use crate::{floor, length};

/// The quantile of ascending numbers at `share` of the way, 0 to 1. 0 if there are none.
pub(crate) fn quantile(ascending: &[f64], share: f64) -> f64 {
    let place = length(ascending.len().saturating_sub(1)) * share;
    let below = floor(place);
    let from = ascending.get(below).copied().unwrap_or_default();
    let to = ascending.get(below + 1).copied().unwrap_or(from);
    interpolate(from, to, place - length(below))
}

/// From the nearer end, as numpy does: the last bit decides on which side of a cut a row lies.
fn interpolate(from: f64, to: f64, way: f64) -> f64 {
    if way >= 0.5 { to - (to - from) * (1.0 - way) } else { from + (to - from) * way }
}

/// `count` (at least 2) numbers at equal distances, both ends included: numpy's `linspace`.
pub(crate) fn equidistant(from: f64, to: f64, count: u32) -> impl Iterator<Item = f64> {
    let steps = count.saturating_sub(1);
    let step = (to - from) / f64::from(steps);
    (0..count).map(move |index| if index == steps { to } else { f64::from(index) * step + from })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_numpy() {
        let numbers = [1.0, 2.0, 4.0, 8.0, 16.0];
        // numpy.quantile([1, 2, 4, 8, 16], …)
        for (share, expected) in [(0.0, 1.0), (0.1, 1.4), (0.25, 2.0), (0.6, 5.6), (0.95, 14.4), (1.0, 16.0)] {
            assert!((quantile(&numbers, share) - expected).abs() < 1e-12, "{share}");
        }
        assert_eq!((quantile(&[7.0], 0.3), quantile(&[], 0.3)), (7.0, 0.0));
    }

    #[test]
    fn both_ends_are_included() {
        let numbers: Vec<f64> = equidistant(0.02, 0.98, 32).collect();
        assert_eq!((numbers.len(), numbers[0], numbers[31]), (32, 0.02, 0.98));
    }
}
