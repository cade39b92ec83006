//! A lasting change of a user's level.
//!
//! The rule clamps outliers before it folds them in, so a user who moves to a new level for good would alert for a long time: the
//! baseline creeps there in clamped steps. A run of ten anomalies on one side is therefore taken for a new level, and the user starts
//! over from there. Two usual transactions take one anomaly back, so that a few anomalies among usual transactions never are.

/// Anomalies on one side that make a new level.
pub(crate) const RUN_ANOMALIES: i8 = 10;
/// A run is counted in halves: two usual transactions take back one anomaly.
const HALVES: i8 = 2;

/// A run of anomalies on one side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Run {
    /// Twice the anomalies that are not taken back: positive above the baseline, negative below.
    pub(crate) halves: i8,
}

impl Run {
    /// Adds an anomaly above the baseline, or below it. Returns whether the run is a new level.
    pub(crate) fn add_anomaly(&mut self, is_above: bool) -> bool {
        let step = if is_above { HALVES } else { -HALVES };
        // An anomaly on the other side ends the run and begins another.
        self.halves = if self.halves.signum() * step.signum() < 0 { step } else { self.halves + step };
        !self.is_possible()
    }

    /// Adds a usual transaction.
    pub(crate) const fn add_usual(&mut self) {
        self.halves -= self.halves.signum();
    }

    /// Whether a state can hold this run: one that is longer has become a new level.
    pub(crate) const fn is_possible(self) -> bool {
        self.halves.unsigned_abs() < (RUN_ANOMALIES * HALVES).unsigned_abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_anomalies_on_one_side_are_a_new_level() {
        let mut run = Run::default();
        assert!((1..10).all(|_| !run.add_anomaly(true)));
        assert!(run.add_anomaly(true));
    }

    #[test]
    fn two_usual_transactions_take_one_anomaly_back() {
        let mut run = Run::default();
        for _ in 0..1_000 {
            assert!(!run.add_anomaly(true));
            run.add_usual();
            run.add_usual();
        }
        assert_eq!(run, Run::default());
        run.add_usual();
        assert_eq!(run, Run::default(), "there is nothing to take back");
    }

    #[test]
    fn an_anomaly_on_the_other_side_begins_another_run() {
        let mut run = Run::default();
        assert!((1..10).all(|_| !run.add_anomaly(true)));
        assert!((0..9).all(|_| !run.add_anomaly(false)));
        assert!(run.add_anomaly(false));
    }
}
