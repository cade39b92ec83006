//! The future part, ranked by a model and by the score alone.

use anomaly_core::profile::{Feature, Model};

use crate::ranking::Ranking;
use crate::report::{AveragePrecision, Part};
use crate::{Row, Split, float};

/// Both rankings of the same transactions.
#[derive(Debug)]
pub(crate) struct Rankings<'a> {
    pub(crate) model: Ranking,
    pub(crate) score: Ranking,
    trees: &'a Model,
}

impl<'a> Rankings<'a> {
    pub(crate) fn new(trees: &'a Model, rows: &[Row], split: Split) -> Self {
        let future = Part::of(split.future(rows));
        let ranking = |score: &dyn Fn(&Row) -> f64| {
            let judged = split.future(rows).filter(|row| row.is_judged);
            Ranking::new(judged.map(|row| (score(row), row.is_fraud)), future.transactions, future.frauds)
        };
        Self { model: ranking(&|row| log_odds(trees, row)), score: ranking(&score), trees }
    }

    /// The average precision of both. It is a mean over frauds, so the error of the difference is that of a mean of paired
    /// differences: their standard deviation / √frauds. Frauds that were not judged differ by 0.
    pub(crate) fn average_precision<'r>(&self, future: impl Iterator<Item = &'r Row>, frauds: u64) -> AveragePrecision {
        let (model, score) = (self.model.average_precision(), self.score.average_precision());
        let (mean, frauds) = (model - score, float(frauds.max(1)));
        let differences = future.filter(|row| row.is_judged && row.is_fraud).map(|row| self.difference(row));
        let squares = differences.map(|difference| difference * difference).sum::<f64>();
        let variance = (squares / frauds - mean * mean).max(0.0);
        AveragePrecision { model, score, difference_error: libm::sqrt(variance / frauds) }
    }

    /// How much purer the model's ranking is down to this row.
    fn difference(&self, row: &Row) -> f64 {
        self.model.precision_from(log_odds(self.trees, row)) - self.score.precision_from(score(row))
    }
}

fn log_odds(model: &Model, row: &Row) -> f64 {
    model.log_odds(&row.features)
}

fn score(row: &Row) -> f64 {
    Feature::Score.value(&row.features)
}
