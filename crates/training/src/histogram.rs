//! Sums of gradients by bin, and the best cut that they show.

use std::ops::{AddAssign, Sub};

use crate::bins::{BINS_MAX, FEATURES, RowBins};

/// Weight of the pull towards 0 in a leaf's value, in units of the curvature.
pub(crate) const L2: f64 = 5.0;
/// Fewest rows of a leaf.
const ROWS_MIN: u32 = 30;
/// A cut has to gain more than this.
const GAIN_MIN: f64 = 1e-3;

/// First and second derivative of the loss, summed over rows, and their number.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Sums {
    pub(crate) gradient: f64,
    pub(crate) curvature: f64,
    pub(crate) rows: u32,
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.gradient += other.gradient;
        self.curvature += other.curvature;
        self.rows += other.rows;
    }
}

impl Sub for Sums {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            gradient: self.gradient - other.gradient,
            curvature: self.curvature - other.curvature,
            rows: self.rows.saturating_sub(other.rows),
        }
    }
}

impl Sums {
    /// The fall of the loss if these rows had the best value of their own, doubled.
    fn strength(self) -> f64 {
        self.gradient * self.gradient / (self.curvature + L2)
    }
}

/// The sums of one node's rows, by feature and bin.
#[derive(Debug, Clone)]
pub(crate) struct Histogram(Vec<[Sums; BINS_MAX]>);

/// The best cut of a node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cut {
    pub(crate) gain: f64,
    /// Index in [`anomaly_core::profile::Feature::ALL`].
    pub(crate) feature: usize,
    /// The last bin that goes left.
    pub(crate) bin: usize,
    pub(crate) left: Sums,
    pub(crate) right: Sums,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self(vec![[Sums::default(); BINS_MAX]; FEATURES])
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, bins: &RowBins, row: Sums) {
        for (feature, bin) in self.0.iter_mut().zip(bins) {
            if let Some(sums) = feature.get_mut(usize::from(*bin)) {
                *sums += row;
            }
        }
    }

    /// Takes away rows. A bin that loses all of them is exactly 0, so that cuts with the same rows on each side gain the same.
    pub(crate) fn subtract(&mut self, other: &Self) {
        for (sums, less) in self.0.iter_mut().flatten().zip(other.0.iter().flatten()) {
            *sums = if sums.rows == less.rows { Sums::default() } else { *sums - *less };
        }
    }

    /// The cut that gains most, the first of equals. `total` is the sums of all rows. `None` if no cut gains enough.
    pub(crate) fn best_cut(&self, total: Sums) -> Option<Cut> {
        let mut best: Option<Cut> = None;
        for (feature, bins) in self.0.iter().enumerate() {
            let gain_min = best.map_or(GAIN_MIN, |cut| cut.gain);
            best = best_of_feature(feature, bins, total, gain_min).or(best);
        }
        best
    }
}

/// The best cut of one feature that gains more than `gain_min`.
fn best_of_feature(feature: usize, bins: &[Sums], total: Sums, gain_min: f64) -> Option<Cut> {
    let (mut best, mut gain_best, mut left) = (None, gain_min, Sums::default());
    for (bin, sums) in bins.iter().enumerate() {
        left += *sums;
        let right = total - left;
        if left.rows < ROWS_MIN || right.rows < ROWS_MIN {
            continue;
        }
        let gain = left.strength() + right.strength() - total.strength();
        if gain > gain_best {
            gain_best = gain;
            best = Some(Cut { gain, feature, bin, left, right: Sums::default() });
        }
    }
    let right_of = |cut: Cut| {
        bins.iter().skip(cut.bin + 1).fold(Sums::default(), |mut sum, sums| {
            sum += *sums;
            sum
        })
    };
    // Summed rather than subtracted: a difference would carry the rounding of the whole.
    best.map(|cut| Cut { right: right_of(cut), ..cut })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_cuts_is_taken_and_small_leaves_are_not() {
        let mut histogram = Histogram::new();
        let mut total = Sums::default();
        for row in 0..100_u8 {
            let is_left = row < 40;
            let sums = Sums { gradient: if is_left { 1.0 } else { -1.0 }, curvature: 0.25, rows: 1 };
            let mut bins = [0; FEATURES];
            bins[2] = if is_left { 3 } else { 9 };
            bins[5] = bins[2];
            histogram.add(&bins, sums);
            total += sums;
        }
        let cut = histogram.best_cut(total).unwrap();
        assert_eq!((cut.feature, cut.bin, cut.left.rows, cut.right.rows), (2, 3, 40, 60));
        let few = Sums { rows: 29, ..total };
        assert_eq!(histogram.best_cut(few), None);
    }
}
