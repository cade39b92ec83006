//! What a verdict of `profile` is made of, and what a second rule says beside the first.

use crate::Severity;
use crate::profile::{Judgement, Opinion};

use super::{Assessment, Baseline, THRESHOLD_MAX};

/// The parts of a score under `profile`. They add up to it, except below the usual (`DIRECTION=both`), where `own` is the score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Explanation {
    /// The amount on the user's own scale, in sigmas.
    pub own: f64,
    /// What a habit of loud amounts takes back: 0 or negative.
    pub habit: f64,
    /// What recent unusual amounts add.
    pub heat: f64,
    /// What being loud for everybody adds.
    pub population: f64,
    /// Whether with this amount the user is at a new level.
    pub is_new_level: bool,
    /// The opinion of the trained model, if there is one.
    pub model: Option<Opinion>,
}

/// What the other rule says of an amount.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SecondOpinion {
    /// Its score.
    pub score: f64,
    /// Its threshold, as an amount.
    pub threshold: f64,
    /// How it would have alerted, if it would have.
    pub severity: Option<Severity>,
}

impl SecondOpinion {
    pub(crate) const fn new(assessment: &Assessment, severity: Option<Severity>) -> Self {
        Self { score: assessment.score, threshold: assessment.threshold, severity }
    }
}

impl Assessment {
    /// A judgement of `profile` in the words of every rule: the mean is what is usual, and the standard deviation is such that the
    /// threshold is `sigmas` of them away.
    pub(crate) fn of_profile(judgement: &Judgement, sigmas: f64) -> Self {
        let told = |amount: f64| amount.clamp(-THRESHOLD_MAX, THRESHOLD_MAX);
        let (mean, threshold) = (told(judgement.usual), told(judgement.threshold));
        let stddev = (threshold - mean).abs() / sigmas;
        Self {
            baseline: Baseline { count: judgement.count, mean, stddev },
            threshold,
            score: judgement.score,
            explanation: Some(Explanation {
                own: judgement.own,
                habit: judgement.habit,
                heat: judgement.heat,
                population: judgement.population,
                is_new_level: judgement.is_new_level,
                model: judgement.model,
            }),
            second: None,
        }
    }
}
