//! Unusual amounts in quick succession weigh more than the same amounts far apart.

use serde::{Deserialize, Serialize};

/// What is left of the heat at the next transaction.
const KEPT: f64 = 0.95;
/// Scores from which a transaction heats, and the most that one adds.
const HEATS_FROM: f64 = 2.0;
const HEATS_MAX: f64 = 3.0;
/// Score from which heat is added.
const ADDED_FROM: f64 = 1.5;
const WEIGHT: f64 = 0.5;
/// 3 / (1 − 0.95), with room for rounding.
const SUM_MAX: f64 = 61.0;

/// Recent excess over the usual, fading by the transaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Heat(f64);

impl Heat {
    /// Lets one transaction pass. Returns what is left.
    pub(super) fn cool(&mut self) -> f64 {
        self.0 *= KEPT;
        self.0
    }

    /// What the heat adds to a score.
    pub(super) fn bonus(self, score: f64) -> f64 {
        if score > ADDED_FROM { WEIGHT * libm::log1p(self.0) } else { 0.0 }
    }

    /// Adds a judged transaction.
    pub(super) fn add(&mut self, score: f64) {
        self.0 += (score - HEATS_FROM).clamp(0.0, HEATS_MAX);
    }

    /// Whether transactions can have produced it.
    pub(super) fn is_sound(self) -> bool {
        (0.0..=SUM_MAX).contains(&self.0)
    }
}
