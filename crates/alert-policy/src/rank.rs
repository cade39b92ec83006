//! The order of a summary: the most severe first, then the largest score, then the user with the most anomalies.

use anomaly_core::Severity;

/// Largest score that a key tells apart.
const SCORE_MAX: f64 = 9_999_999.0;
/// Most repeats that a key tells apart.
const REPEATS_MAX: u32 = 999;

/// An alert's place in a summary.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rank {
    /// How urgent it is.
    pub priority: Severity,
    /// Magnitude of the score.
    pub score: f64,
    /// Anomalies of the user in the seven days before.
    pub repeats: u32,
}

impl Rank {
    /// A text that sorts as the rank does, up to a hundredth of the score: `3-0000012.34-002`.
    #[must_use]
    pub fn key(&self) -> String {
        let score = if self.score.is_finite() { self.score.abs().min(SCORE_MAX) } else { SCORE_MAX };
        format!("{}-{score:010.2}-{:03}", digit(self.priority), self.repeats.min(REPEATS_MAX))
    }

    /// Reads a key. `None` if the text is not a key.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        let mut parts = key.splitn(3, '-');
        let mut next = || parts.next();
        let priority = [Severity::Warning, Severity::High, Severity::Critical];
        let (digits, score, repeats) = (next()?, next()?, next()?);
        let priority = priority.into_iter().find(|priority| digit(*priority).to_string() == digits)?;
        Some(Self { priority, score: score.parse().ok()?, repeats: repeats.parse().ok()? })
    }
}

const fn digit(priority: Severity) -> u8 {
    match priority {
        Severity::Warning => 1,
        Severity::High => 2,
        Severity::Critical => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_ranks_do() {
        let rank = |priority, score, repeats| Rank { priority, score, repeats };
        let ascending = [
            rank(Severity::Warning, 2.5, 0),
            rank(Severity::Warning, 4.0, 7),
            rank(Severity::High, 5.0, 0),
            rank(Severity::High, 5.0, 2),
            rank(Severity::Critical, 10.0, 0),
            rank(Severity::Critical, 1e6, 0),
        ];
        assert!(ascending.windows(2).all(|pair| pair[0].key() < pair[1].key()));
        assert!(ascending.iter().all(|rank| Rank::from_key(&rank.key()) == Some(*rank)));
    }

    #[test]
    fn any_score_has_a_key_and_other_texts_have_no_rank() {
        for score in [f64::NAN, f64::INFINITY, 1e300, -12.0] {
            let rank = Rank { priority: Severity::High, score, repeats: u32::MAX };
            assert!(Rank::from_key(&rank.key()).is_some(), "{score}");
        }
        for text in ["", "3", "9-1-1", "x-1.0-1"] {
            assert_eq!(Rank::from_key(text), None, "{text}");
        }
    }
}
