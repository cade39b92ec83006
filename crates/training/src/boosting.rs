//! Gradient-boosted trees on the logistic loss: J. H. Friedman, "Greedy function approximation: a gradient boosting machine", The Annals
//! of Statistics 29 (2001); leaf values and gains with second derivatives and L2 as in T. Chen, C. Guestrin, "A scalable tree
//! boosting system", KDD 2016. Cuts are sought among binned values only.

use anomaly_core::profile::Tree;

use crate::bins::Bins;
use crate::histogram::Sums;
use crate::tree::Growth;
use crate::{Row, length};

/// Trees of a model.
pub const ROUNDS: u32 = 60;

/// A sum of trees.
#[derive(Debug, Clone, PartialEq)]
pub struct Boosted {
    /// Log-odds before any tree: of the share of fraud.
    pub base: f64,
    /// The trees, over [`anomaly_core::profile::Feature::ALL`].
    pub trees: Vec<Tree>,
}

/// Grows [`ROUNDS`] trees. `rows` has to hold both fraud and others. Calls `on_tree` after each.
#[must_use]
pub fn boost(rows: &[&Row], mut on_tree: impl FnMut()) -> Boosted {
    let bins = Bins::new(rows);
    let frauds = length(rows.iter().filter(|row| row.is_fraud).count());
    let share = frauds / length(rows.len());
    let base = libm::log(share / (1.0 - share));
    let mut log_odds = vec![base; rows.len()];
    let mut gradients = vec![Sums::default(); rows.len()];
    let mut trees = Vec::new();
    for _ in 0..ROUNDS {
        derive(&mut gradients, &log_odds, rows);
        let growth = Growth::new(&bins, &gradients);
        log_odds.iter_mut().zip(growth.values()).for_each(|(log_odds, value)| *log_odds += value);
        trees.push(growth.into_tree());
        on_tree();
    }
    Boosted { base, trees }
}

/// The derivatives of the logistic loss by the log-odds: p − y, and p·(1 − p).
fn derive(gradients: &mut [Sums], log_odds: &[f64], rows: &[&Row]) {
    for ((sums, log_odds), row) in gradients.iter_mut().zip(log_odds).zip(rows) {
        let p = 1.0 / (1.0 + libm::exp(-log_odds));
        let label = f64::from(u8::from(row.is_fraud));
        *sums = Sums { gradient: p - label, curvature: p * (1.0 - p), rows: 1 };
    }
}
