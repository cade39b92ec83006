//! What can be set without labels: the tail of all users' amounts, and the threshold that keeps a budget.

use std::ops::Bound;

use anomaly_core::knobs;
use anomaly_core::profile::{Feature, Features, Model, Population};
use serde::Serialize;

use crate::archive::{Archive, Row};
use crate::budget::Budget;
use crate::error::TrainingError;
use crate::length;
use crate::quantile::quantile;
use crate::ranking::Ranking;

/// Upper tails, and the standard deviations beyond which a normal distribution has them (SciPy: `norm.isf`).
const TAILS: [(f64, f64); 9] = [
    (0.5, 0.0),
    (0.25, 0.674_489_750_196_081_7),
    (0.1, 1.281_551_565_544_600_4),
    (0.05, 1.644_853_626_951_472_2),
    (0.02, 2.053_748_910_631_823),
    (0.01, 2.326_347_874_040_840_8),
    (0.005, 2.575_829_303_548_900_4),
    (0.002, 2.878_161_739_095_483_4),
    (0.001, 3.090_232_306_167_813_7),
];
/// Amounts beyond a knot that make it more than chance.
const BEYOND_MIN: f64 = 20.0;
/// Three knots, the least that a table has, need this many amounts: [`BEYOND_MIN`] in the tail of 0.1.
const TRANSACTIONS_MIN: u64 = 200;
/// The part of the archive that the thresholds are for: its last fifth, by arrival.
const LAST_PART: usize = 5;
/// Steps of SIGMAS in one: two decimals.
const HUNDREDTHS: u32 = 100;

/// The population table as JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Knots {
    /// ln amount, ascending.
    pub ln: Vec<f64>,
    /// Standard deviations, ascending.
    pub z: Vec<f64>,
}

/// The result.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Calibration {
    /// Transactions of the archive.
    pub transactions: u64,
    /// Transactions of its last fifth, which the thresholds are for.
    pub measured_on: u64,
    /// Alerts per 1,000 transactions, at most.
    pub budget: Budget,
    /// The table.
    pub population: Knots,
    /// Thresholds if the detector does not use the table.
    pub without_population: Thresholds,
    /// Thresholds if it does.
    pub with_population: Thresholds,
}

/// The thresholds that would have kept the budget, and their alerts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Thresholds {
    /// SIGMAS of `profile`: two decimals, within the knob's range.
    pub sigmas: f64,
    /// Alerts at these SIGMAS on the last fifth.
    pub alerts: u64,
    /// Log-odds of the model, if there is one.
    pub model_threshold: Option<f64>,
    /// The model's own alerts at that threshold.
    pub model_alerts: Option<u64>,
}

impl Calibration {
    /// Whether even the highest SIGMAS gives more alerts than the budget, with the table or without it.
    #[must_use]
    pub fn exceeds_budget(&self) -> bool {
        let allowed = u64::try_from(self.budget.alerts(self.measured_on)).unwrap_or(u64::MAX);
        self.without_population.alerts > allowed || self.with_population.alerts > allowed
    }
}

/// Calibrates on an archive that was read without a population table.
///
/// # Errors
/// [`TrainingError::FewTransactions`] below 200 transactions.
pub fn calibrate(archive: &Archive, budget: Budget, model: Option<&Model>) -> Result<Calibration, TrainingError> {
    let rows = archive.rows();
    let knots = knots(rows)?;
    let population = Population::new(&knots.ln, &knots.z)?;
    let last = rows.get(rows.len() - rows.len() / LAST_PART..).unwrap_or_default();
    let count = |rows: &[Row]| u64::try_from(rows.len()).unwrap_or(u64::MAX);
    Ok(Calibration {
        transactions: count(rows),
        measured_on: count(last),
        budget,
        without_population: thresholds(last, budget, model, |features| *features),
        with_population: thresholds(last, budget, model, |features| raised(features, &population)),
        population: knots,
    })
}

/// The quantiles of ln amount over all transactions.
fn knots(rows: &[Row]) -> Result<Knots, TrainingError> {
    let mut amounts: Vec<f64> = rows.iter().map(|row| Feature::LnAmount.value(&row.features)).collect();
    amounts.sort_unstable_by(f64::total_cmp);
    let transactions = u64::try_from(amounts.len()).unwrap_or(u64::MAX);
    if transactions < TRANSACTIONS_MIN {
        return Err(TrainingError::FewTransactions { transactions, transactions_min: TRANSACTIONS_MIN });
    }
    let (ln, z) = TAILS
        .into_iter()
        .filter(|(tail, _)| tail * length(amounts.len()) >= BEYOND_MIN)
        .map(|(tail, z)| (quantile(&amounts, 1.0 - tail), z))
        .unzip();
    Ok(Knots { ln, z })
}

/// The features as they are with a population table: it adds to the score alone.
fn raised(features: &Features, population: &Population) -> Features {
    let bonus = population.bonus(Feature::LnAmount.value(features));
    let mut raised = *features;
    for (feature, value) in Feature::ALL.into_iter().zip(&mut raised) {
        if feature == Feature::Score {
            *value += bonus;
        }
    }
    raised
}

fn thresholds(rows: &[Row], budget: Budget, model: Option<&Model>, with: impl Fn(&Features) -> Features) -> Thresholds {
    let rank = |score: &dyn Fn(&Features) -> f64| {
        let judged = rows.iter().filter(|row| row.is_judged);
        let scored = judged.map(|row| (score(&with(&row.features)), row.is_fraud));
        Ranking::new(scored, u64::try_from(rows.len()).unwrap_or(u64::MAX), 0)
    };
    let scores = rank(&|features| Feature::Score.value(features));
    let sigmas = sigmas_from(scores.threshold(budget));
    let opinions = model.map(|model| rank(&|features| model.log_odds(features)));
    let model_threshold = opinions.as_ref().map(|opinions| opinions.threshold(budget));
    let model_alerts = opinions.as_ref().zip(model_threshold).map(|(opinions, at)| opinions.above(at).0);
    Thresholds { sigmas, alerts: scores.above(sigmas).0, model_threshold, model_alerts }
}

/// The lowest SIGMAS of two decimals that are not below a score; the knob's highest if there are none.
fn sigmas_from(score: f64) -> f64 {
    let highest = match knobs::SIGMAS.max {
        Bound::Included(highest) | Bound::Excluded(highest) => highest,
        Bound::Unbounded => f64::MAX,
    };
    let steps = (1_u32..).map(|step| f64::from(step) / f64::from(HUNDREDTHS)).take_while(|sigmas| *sigmas <= highest);
    { steps }.find(|sigmas| *sigmas >= score).unwrap_or(highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_deviations_are_those_of_the_tails() {
        for (tail, z) in TAILS {
            let share = 0.5 * libm::erfc(z / std::f64::consts::SQRT_2);
            assert!((share - tail).abs() < 1e-12, "{tail}: {share}");
        }
    }

    #[test]
    fn sigmas_are_rounded_up_to_two_decimals_within_the_knobs_range() {
        for (score, sigmas) in [(3.251, 3.26), (3.25, 3.25), (-4.0, 0.01), (6.0, 6.0), (17.3, 6.0)] {
            assert_eq!(sigmas_from(score), sigmas, "{score}");
        }
    }
}
