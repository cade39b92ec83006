//! A budget of alerts.

use serde::Serialize;

use crate::{float, floor};

/// Alerts per 1,000 transactions.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Budget(pub f64);

/// The budgets that a model is measured at.
pub const BUDGETS: [Budget; 4] = [Budget(0.1), Budget(0.5), Budget(1.0), Budget(5.0)];

impl Budget {
    /// The most alerts that it allows for this many transactions.
    #[must_use]
    pub fn alerts(self, transactions: u64) -> usize {
        // The addend keeps 0.1 per 1,000 of 30,000 from being 2.9999….
        floor((self.0 * float(transactions) / 1_000.0 + 1e-9).max(0.0))
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_rounded_down_to_whole_alerts() {
        for (budget, transactions, alerts) in [(1.0, 2_999, 2), (0.1, 30_000, 3), (0.1, 9_999, 0), (5.0, 0, 0)] {
            assert_eq!(Budget(budget).alerts(transactions), alerts, "{budget} of {transactions}");
        }
    }
}
