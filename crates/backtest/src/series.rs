//! Transactions of some users over time, thinned out as they arrive.

use anomaly_core::{Assessment, Severity};

use super::flagged::Flagged;
use super::seen::Seen;
use super::summary::{Point, UserSeries};
use super::users::{RECORDED_USERS_MAX, UserNumber};

/// One recorder for each recorded user.
#[derive(Debug, Default)]
pub(crate) struct Series {
    recorders: Vec<Recorder>,
}

#[derive(Debug, Default)]
struct Recorder {
    user: Option<UserNumber>,
    usual: Thinned,
    flagged: Thinned,
}

/// Every n-th of the added points. n doubles whenever they become too many.
#[derive(Debug)]
struct Thinned {
    points: Vec<Point>,
    every: u64,
    /// How many points to skip before the next one is kept.
    skip: u64,
    added: u64,
}

impl Default for Thinned {
    fn default() -> Self {
        Self { points: Vec::new(), every: 1, skip: 0, added: 0 }
    }
}

impl Thinned {
    fn add(&mut self, point: Point, points_max: usize) {
        self.added += 1;
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        if self.points.len() == points_max {
            let mut is_kept = false;
            self.points.retain(|_| {
                is_kept = !is_kept;
                is_kept
            });
            self.every *= 2;
        }
        self.points.push(point);
        self.skip = self.every - 1;
    }
}

impl Series {
    /// Empties a recorder and passes it to another user.
    pub(crate) fn pass(&mut self, recorder: usize, user: UserNumber) {
        if recorder < RECORDED_USERS_MAX && self.recorders.len() <= recorder {
            self.recorders.resize_with(recorder + 1, Recorder::default);
        }
        if let Some(recorder) = self.recorders.get_mut(recorder) {
            *recorder = Recorder { user: Some(user), ..Recorder::default() };
        }
    }

    pub(crate) fn record(
        &mut self,
        recorder: usize,
        seen: &Seen<'_>,
        assessment: Option<&Assessment>,
        severity: Option<Severity>,
    ) {
        let Some(recorder) = self.recorders.get_mut(recorder) else { return };
        let point = Point {
            event_time_ms: seen.transaction.event_time_ms,
            amount: seen.transaction.amount,
            mean: assessment.map(|assessment| assessment.baseline.mean),
            threshold: assessment.map(|assessment| assessment.threshold),
            severity,
            label: seen.label,
        };
        if severity.is_some() {
            recorder.flagged.add(point, UserSeries::FLAGGED_MAX);
        } else {
            recorder.usual.add(point, UserSeries::POINTS_MAX);
        }
    }

    /// Records the flag of a `tumbling` window that has ended, in place of the same transaction's usual point.
    pub(crate) fn record_window(&mut self, recorder: Option<usize>, flagged: &Flagged) {
        let Some(recorder) = recorder.and_then(|recorder| self.recorders.get_mut(recorder)) else { return };
        let point = Point {
            event_time_ms: flagged.event_time_ms,
            amount: flagged.amount,
            mean: Some(flagged.assessment.baseline.mean),
            threshold: Some(flagged.assessment.threshold),
            severity: Some(flagged.severity),
            label: flagged.label,
        };
        recorder.flagged.add(point, UserSeries::FLAGGED_MAX);
        recorder
            .usual
            .points
            .retain(|usual| (usual.event_time_ms, usual.amount) != (point.event_time_ms, point.amount));
    }

    /// The recorded users.
    pub(crate) fn users(&self) -> impl Iterator<Item = UserNumber> {
        self.recorders.iter().filter_map(|recorder| recorder.user)
    }

    /// One user's series.
    pub(crate) fn of(&self, user: UserNumber, user_id: &str, transactions: u64, alerts: u64) -> Option<UserSeries> {
        let recorder = self.recorders.iter().find(|recorder| recorder.user == Some(user))?;
        let mut points: Vec<Point> = recorder.usual.points.iter().chain(&recorder.flagged.points).copied().collect();
        points.sort_by_key(|point| point.event_time_ms);
        let kept = u64::try_from(recorder.flagged.points.len()).unwrap_or(u64::MAX);
        let flagged_left_out = alerts.saturating_sub(kept);
        Some(UserSeries { user_id: user_id.to_owned(), transactions, alerts, flagged_left_out, points })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinned_points_stay_evenly_spread_and_bounded() {
        let mut thinned = Thinned::default();
        for event_time_ms in 0..10_000 {
            let point = Point { event_time_ms, amount: 1.0, mean: None, threshold: None, severity: None, label: None };
            thinned.add(point, 100);
        }
        let times: Vec<i64> = thinned.points.iter().map(|point| point.event_time_ms).collect();
        assert!((50..=100).contains(&times.len()) && times[0] == 0 && times[times.len() - 1] > 9_800, "{times:?}");
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 128), "{times:?}");
        assert_eq!(thinned.added, 10_000);
    }
}
