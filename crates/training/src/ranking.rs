//! Transactions ranked by a score, and how much fraud is on top.

use serde::Serialize;

use crate::budget::Budget;
use crate::{float, length};

/// A part of the archive, ranked. Fraud that was not judged cannot be found: it counts as missed.
#[derive(Debug, Clone)]
pub struct Ranking {
    /// Score and whether it is fraud, highest first.
    scored: Vec<(f64, bool)>,
    /// Frauds among the first n + 1.
    hits: Vec<u32>,
    transactions: u64,
    frauds: u64,
}

/// What a budget of alerts finds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AtBudget {
    /// Alerts per 1,000 transactions, at most.
    pub budget: Budget,
    /// Alerts. Fewer than the budget allows if scores are equal there.
    pub alerts: u64,
    /// Alerts that are fraud.
    pub true_alerts: u64,
    /// Share of the alerts that are fraud; `None` without an alert.
    pub precision: Option<f64>,
    /// Share of the fraud that is alerted; `None` without fraud.
    pub recall: Option<f64>,
}

impl Ranking {
    /// Ranks judged transactions by score. `transactions` and `frauds` count all of the part, judged or not.
    #[must_use]
    pub fn new(scored: impl IntoIterator<Item = (f64, bool)>, transactions: u64, frauds: u64) -> Self {
        let mut scored: Vec<(f64, bool)> = scored.into_iter().collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut found = 0;
        let hits = scored.iter().map(|(_, is_fraud)| {
            found += u32::from(*is_fraud);
            found
        });
        Self { hits: hits.collect(), scored, transactions, frauds }
    }

    /// Share of fraud among what ranks at least as high as a score. 0 if nothing does.
    #[must_use]
    pub fn precision_from(&self, score: f64) -> f64 {
        let ranked = self.scored.partition_point(|(other, _)| *other >= score);
        let hits = ranked.checked_sub(1).and_then(|last| self.hits.get(last));
        hits.map_or(0.0, |hits| f64::from(*hits) / length(ranked))
    }

    /// The average precision: the mean over all frauds of the precision down to each, 0 for one that was not judged. 0 without fraud.
    /// Equal scores rank alike, as in scikit-learn; E. Zhang, Y. Zhang, "Average precision", Encyclopedia of Database Systems (2009).
    #[must_use]
    pub fn average_precision(&self) -> f64 {
        let frauds = self.scored.iter().filter(|(_, is_fraud)| *is_fraud);
        frauds.map(|(score, _)| self.precision_from(*score)).sum::<f64>() / float(self.frauds.max(1))
    }

    /// Transactions that share the highest score.
    #[must_use]
    pub fn equals_on_top(&self) -> u64 {
        let top = self.scored.first().map(|(score, _)| *score);
        let equals = self.scored.iter().take_while(|(score, _)| Some(*score) == top);
        equals.fold(0, |equals, _| equals + 1)
    }

    /// The lowest threshold whose alerts, the scores above it, stay within a budget. 0 if nothing is ranked.
    #[must_use]
    pub fn threshold(&self, budget: Budget) -> f64 {
        let refused = self.scored.get(budget.alerts(self.transactions));
        let below_all = || self.scored.last().map_or(0.0, |(score, _)| score.next_down());
        refused.map_or_else(below_all, |(score, _)| *score)
    }

    /// Alerts above a threshold, and those that are fraud.
    #[must_use]
    pub fn above(&self, threshold: f64) -> (u64, u64) {
        let alerts = self.scored.iter().take_while(|(score, _)| *score > threshold);
        alerts.fold((0, 0), |(alerts, hits), (_, is_fraud)| (alerts + 1, hits + u64::from(*is_fraud)))
    }

    /// What a budget finds.
    #[must_use]
    pub fn at(&self, budget: Budget) -> AtBudget {
        let (alerts, true_alerts) = self.above(self.threshold(budget));
        let share = |of: u64| (of > 0).then(|| float(true_alerts) / float(of));
        AtBudget { budget, alerts, true_alerts, precision: share(alerts), recall: share(self.frauds) }
    }

    /// Transactions of the part, judged or not.
    #[must_use]
    pub const fn transactions(&self) -> u64 {
        self.transactions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_precision_is_that_of_the_ranks() {
        // scikit-learn: average_precision_score([1, 0, 1, 0], [4, 3, 2, 1]) = 0.8333…
        let scored = [(2.0, true), (4.0, true), (1.0, false), (3.0, false)];
        assert!((Ranking::new(scored, 4, 2).average_precision() - 5.0 / 6.0).abs() < 1e-12);
        // One more fraud that was not judged.
        assert!((Ranking::new(scored, 5, 3).average_precision() - 5.0 / 9.0).abs() < 1e-12);
        // Equal scores are one step: the order within them must not matter.
        let equal = [(1.0, true), (1.0, false), (1.0, false), (1.0, false)];
        assert_eq!(Ranking::new(equal, 4, 1).average_precision(), 0.25);
        assert_eq!(Ranking::new([], 0, 0).average_precision(), 0.0);
    }

    #[test]
    fn a_budget_is_never_exceeded() {
        let scored = (0..1_000_u32).map(|rank| (f64::from(rank / 2), rank % 4 == 3));
        let ranking = Ranking::new(scored, 2_000, 300);
        let at = ranking.at(Budget(1.0));
        assert_eq!((at.alerts, at.true_alerts, at.precision), (2, 1, Some(0.5)));
        assert_eq!(at.recall, Some(1.0 / 300.0));
        // A third alert would have the score of a fourth.
        assert_eq!(ranking.at(Budget(1.5)).alerts, 2);
        assert_eq!(ranking.at(Budget(900.0)).alerts, 1_000);
        assert_eq!(ranking.at(Budget(0.1)).precision, None);
    }
}
