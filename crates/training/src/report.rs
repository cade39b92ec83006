//! The figures of a training.

use serde::Serialize;

use crate::budget::{BUDGETS, Budget};
use crate::ranking::{AtBudget, Ranking};
use crate::rankings::Rankings;
use crate::{Row, Split};

/// Below this many frauds the figures are mostly chance.
const FRAUDS_MIN: u64 = 50;

/// What a model was trained on, and what it found in the future. Goes into the model's file as `trained`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Transactions of the archive.
    pub transactions: u64,
    /// Those labelled as fraud.
    pub frauds: u64,
    /// Earliest event time, in ms since the epoch.
    pub first_event_time_ms: i64,
    /// The event time up to which the model learnt (exclusive).
    pub trained_until_ms: i64,
    /// The event time from which it is measured.
    pub future_from_ms: i64,
    /// Latest event time.
    pub last_event_time_ms: i64,
    /// What it learnt from.
    pub training: Part,
    /// What it is measured on.
    pub future: Part,
    /// Whether the score counts what is loud for everybody: the model then needs the same population table.
    pub has_population: bool,
    /// Of the model and of the score alone, on the future.
    pub average_precision: AveragePrecision,
    /// The budget that the model's threshold is made for, in alerts per 1,000 transactions.
    pub budget: Budget,
    /// The model at several budgets, on the future.
    pub model: Performance,
    /// The rule's score alone at the same budgets.
    pub score: Performance,
    /// What to keep in mind.
    pub warnings: Vec<Warning>,
}

/// A part of the archive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Transactions.
    pub transactions: u64,
    /// Those that the rule judged.
    pub judged: u64,
    /// Those labelled as fraud.
    pub frauds: u64,
    /// Judged ones labelled as fraud.
    pub frauds_judged: u64,
}

/// The average precision of both.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AveragePrecision {
    /// Of the model.
    pub model: f64,
    /// Of the rule's score.
    pub score: f64,
    /// Standard error of their difference, from the differences of the single frauds.
    pub difference_error: f64,
}

/// What is found at [`BUDGETS`].
pub type Performance = [AtBudget; BUDGETS.len()];

/// What to keep in mind about a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Warning {
    /// Few frauds to learn from.
    FewFraudsInTraining {
        /// How many.
        frauds: u64,
    },
    /// Few frauds to measure with.
    FewFraudsInFuture {
        /// How many.
        frauds: u64,
    },
    /// At the threshold nothing of the future part alerts: the budget is below one alert, or below the transactions that share the
    /// highest log-odds.
    NoAlert {
        /// Transactions that share the highest log-odds.
        equals: u64,
    },
}

impl Part {
    /// Counts rows.
    pub(crate) fn of<'a>(rows: impl Iterator<Item = &'a Row>) -> Self {
        rows.fold(Self::default(), |part, row| Self {
            transactions: part.transactions + 1,
            judged: part.judged + u64::from(row.is_judged),
            frauds: part.frauds + u64::from(row.is_fraud),
            frauds_judged: part.frauds_judged + u64::from(row.is_fraud && row.is_judged),
        })
    }
}

impl Report {
    pub(crate) fn new(rows: &[Row], split: Split, has_population: bool, budget: Budget, by: &Rankings) -> Self {
        let all = Part::of(rows.iter());
        let (training, future) = (Part::of(split.training(rows)), Part::of(split.future(rows)));
        let Rankings { model, score, .. } = by;
        Self {
            transactions: all.transactions,
            frauds: all.frauds,
            first_event_time_ms: split.first_ms,
            trained_until_ms: split.trained_until_ms,
            future_from_ms: split.future_from_ms,
            last_event_time_ms: split.last_ms,
            training,
            future,
            has_population,
            average_precision: by.average_precision(split.future(rows), future.frauds),
            budget,
            model: BUDGETS.map(|budget| model.at(budget)),
            score: BUDGETS.map(|budget| score.at(budget)),
            warnings: warnings(training, future, budget, model),
        }
    }
}

fn warnings(training: Part, future: Part, budget: Budget, model: &Ranking) -> Vec<Warning> {
    let few = |frauds: u64, warning: Warning| (frauds < FRAUDS_MIN).then_some(warning);
    let learnt = Warning::FewFraudsInTraining { frauds: training.frauds_judged };
    let measured = Warning::FewFraudsInFuture { frauds: future.frauds };
    let none = (model.at(budget).alerts == 0).then_some(Warning::NoAlert { equals: model.equals_on_top() });
    [few(training.frauds_judged, learnt), few(future.frauds, measured), none].into_iter().flatten().collect()
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::FewFraudsInTraining { frauds } => {
                write!(f, "the model learnt from {frauds} frauds: below {FRAUDS_MIN} it is mostly noise")
            }
            Self::FewFraudsInFuture { frauds } => {
                write!(f, "the figures come from {frauds} frauds: below {FRAUDS_MIN} they are mostly noise")
            }
            Self::NoAlert { equals } => {
                write!(
                    f,
                    "the budget is less than the {equals} transactions that share the highest log-odds, so at the threshold nothing \
                     alerts: choose a larger budget"
                )
            }
        }
    }
}
