//! A model from labelled transactions, if it is worth one.

use anomaly_core::profile::{Feature, MODEL_VERSION, Model, ModelJson};

use crate::archive::{Archive, Row};
use crate::boosting::{Boosted, boost};
use crate::budget::Budget;
use crate::error::TrainingError;
use crate::rankings::Rankings;
use crate::report::{AveragePrecision, Part, Report};
use crate::split::{MS_PER_DAY, Split};

/// Standard errors by which a model has to be better: 1 useless model in 40 passes.
const ERRORS_MIN: f64 = 2.0;

/// What can be chosen of a training.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct FitSettings {
    /// The alerts that the model's threshold allows, on the future part.
    pub budget: Budget,
}

/// A model with its figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The model.
    pub model: ModelJson,
    /// What it was trained on, and what it finds.
    pub report: Report,
}

/// Trains on the earlier part of an archive, and measures on the future. Calls `on_tree` after each of [`crate::ROUNDS`] trees.
///
/// # Errors
/// If there is nothing to learn from or to measure with, or if the model is not better than the score alone, beyond chance.
pub fn fit(archive: &Archive, settings: FitSettings, on_tree: impl FnMut()) -> Result<Fitted, TrainingError> {
    if !archive.has_label() {
        return Err(TrainingError::NoLabel);
    }
    let rows = archive.rows();
    let split = Split::of(rows)?;
    require_both_classes(rows, split)?;
    let judged: Vec<&Row> = split.training(rows).filter(|row| row.is_judged).collect();
    let json = json(boost(&judged, on_tree));
    let trees = Model::try_from(json.clone())?;
    let rankings = Rankings::new(&trees, rows, split);
    let report = Report::new(rows, split, archive.has_population(), settings.budget, &rankings);
    require_better(&report)?;
    let model = ModelJson { threshold: rankings.model.threshold(settings.budget), ..json };
    Ok(Fitted { model, report })
}

fn json(Boosted { base, trees }: Boosted) -> ModelJson {
    ModelJson { version: MODEL_VERSION, features: Feature::ALL.to_vec(), base, threshold: 0.0, trees, trained: None }
}

fn require_both_classes(rows: &[Row], split: Split) -> Result<(), TrainingError> {
    let (training, future) = (Part::of(split.training(rows)), Part::of(split.future(rows)));
    let judged = training.judged;
    if training.frauds_judged == 0 {
        let days = (split.trained_until_ms - split.first_ms) / MS_PER_DAY;
        return Err(TrainingError::NoFraudInTraining { judged, days });
    }
    if training.frauds_judged == judged {
        return Err(TrainingError::OnlyFraudInTraining { judged });
    }
    if future.frauds_judged == 0 {
        let days = (split.last_ms - split.future_from_ms) / MS_PER_DAY;
        return Err(TrainingError::NoFraudInFuture { judged: future.judged, days });
    }
    Ok(())
}

/// Chance alone makes every second useless model a little better than the score.
fn require_better(report: &Report) -> Result<(), TrainingError> {
    let AveragePrecision { model, score, difference_error } = report.average_precision;
    if model - score > ERRORS_MIN * difference_error {
        return Ok(());
    }
    let (frauds, frauds_future) = (report.training.frauds_judged, report.future.frauds);
    Err(TrainingError::NotBetter { model, score, error: difference_error, frauds, frauds_future })
}
