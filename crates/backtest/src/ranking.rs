//! Judged transactions in the order of how far beyond usual they are: what a rule would find with as many alerts as another.

use anomaly_core::{Assessment, Direction};

use super::summary::Knobs;

/// A hundred bins for each sigma up to here, then two hundred for each factor of e.
const LINEAR_TO: f64 = 10.0;
const PER_SIGMA: f64 = 100.0;
const PER_E_FOLD: f64 = 200.0;
/// Up to 1e9 sigmas.
const BINS: usize = 4_700;

/// Counts by rank. Its size does not depend on the input.
#[derive(Debug)]
pub(crate) struct Ranking {
    all: Vec<u64>,
    labelled: Vec<u64>,
}

impl Default for Ranking {
    fn default() -> Self {
        Self { all: vec![0; BINS], labelled: vec![0; BINS] }
    }
}

impl Ranking {
    pub(crate) fn add(&mut self, assessment: &Assessment, knobs: &Knobs, is_labelled: bool) {
        let rank = rank(assessment, knobs.sigmas);
        // What is below the usual is no anomaly of a rule that looks upward.
        let bin = bin(if knobs.direction == Direction::Both { rank.abs() } else { rank.max(0.0) });
        for (counts, counts_it) in [(&mut self.all, true), (&mut self.labelled, is_labelled)] {
            if let Some(count) = counts.get_mut(bin).filter(|_| counts_it) {
                *count += 1;
            }
        }
    }

    /// The highest-ranking transactions, as many as there are `alerts` or, where several have the same rank, the nearest more: how many,
    /// and how many of them are labelled.
    pub(crate) fn top(&self, alerts: u64) -> (u64, u64) {
        let (mut taken, mut labelled) = (0, 0);
        for (all, with_label) in self.all.iter().zip(&self.labelled).rev() {
            if taken >= alerts {
                break;
            }
            taken += all;
            labelled += with_label;
        }
        (taken, labelled)
    }
}

/// The sigmas at which the transaction would just be an anomaly: the score of `profile`, and that of the others scaled to the threshold,
/// which takes more of their sigmas while there are few observations.
fn rank(assessment: &Assessment, sigmas: f64) -> f64 {
    if assessment.explanation.is_some() {
        return assessment.score;
    }
    let reach = assessment.threshold - assessment.baseline.mean;
    if reach == 0.0 { assessment.score } else { assessment.score * assessment.baseline.stddev / reach.abs() * sigmas }
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ranks are positive, and `as` saturates"
)]
fn bin(rank: f64) -> usize {
    let bin =
        if rank <= LINEAR_TO { rank * PER_SIGMA } else { LINEAR_TO * PER_SIGMA + (rank / LINEAR_TO).ln() * PER_E_FOLD };
    (bin as usize).min(BINS - 1)
}

#[cfg(test)]
mod tests {
    use anomaly_core::Baseline;

    use super::*;

    #[test]
    fn the_highest_are_taken_first() {
        let mut ranking = Ranking::default();
        let knobs = Knobs {
            sigmas: 2.5,
            window_seconds: 300,
            min_observations: 9,
            stddev_floor_ratio: 0.05,
            direction: Direction::Up,
            amount_unit: 0.01,
        };
        for (score, is_labelled) in [(-60.0, false), (2.0, false), (3.0, true), (50.0, false), (1e9, true)] {
            let baseline = Baseline { count: 9, mean: 0.0, stddev: 1.0 };
            let assessment = Assessment { baseline, threshold: 2.5, score, explanation: None, second: None };
            ranking.add(&assessment, &knobs, is_labelled);
        }
        assert_eq!([0, 1, 2, 3, 9].map(|alerts| ranking.top(alerts)), [(0, 0), (1, 1), (2, 1), (3, 2), (5, 2)]);
    }
}
