//! Features as the numbers of the bins between cuts: a byte each.

use anomaly_core::profile::{Feature, Features};

use crate::Row;
use crate::cuts::{CUTS_MAX, cuts};

/// Features of a row.
pub(crate) const FEATURES: usize = Feature::ALL.len();
/// Most bins of a feature.
pub(crate) const BINS_MAX: usize = CUTS_MAX + 1;

/// A row's bins. A value is at most cut n exactly if its bin is at most n.
pub(crate) type RowBins = [u8; FEATURES];

/// All rows, binned.
#[derive(Debug)]
pub(crate) struct Bins {
    /// By feature, in the order of [`Feature::ALL`].
    pub(crate) cuts: Vec<Vec<f64>>,
    pub(crate) rows: Vec<RowBins>,
}

impl Bins {
    /// Bins rows with cuts of their own.
    pub(crate) fn new(rows: &[&Row]) -> Self {
        let cuts: Vec<Vec<f64>> = Feature::ALL.iter().map(|feature| cuts_of(*feature, rows)).collect();
        let rows = rows.iter().map(|row| bins(&row.features, &cuts)).collect();
        Self { cuts, rows }
    }
}

fn cuts_of(feature: Feature, rows: &[&Row]) -> Vec<f64> {
    let (fraud, others): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.is_fraud);
    let values = |rows: Vec<&Row>| rows.iter().map(|row| feature.value(&row.features)).collect();
    cuts(values(fraud), values(others))
}

fn bins(features: &Features, cuts: &[Vec<f64>]) -> RowBins {
    let mut bins = [0; FEATURES];
    for ((bin, value), cuts) in bins.iter_mut().zip(features).zip(cuts) {
        let place = cuts.partition_point(|cut| cut < value);
        *bin = u8::try_from(place).unwrap_or(u8::MAX);
    }
    bins
}
