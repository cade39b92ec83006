//! The split by time: learn from the past, measure on the future.

use crate::{Row, TrainingError};

/// The last part of the archive's span of event time that a model is measured on.
pub const FUTURE_SHARE: f64 = 0.3;
/// Between training and future, in ms: seven days. A fraud that goes on for days would otherwise be in both.
pub const GAP_MS: i64 = 7 * MS_PER_DAY;
/// The training part has to be at least as long as the gap.
const TRAINING_MS_MIN: i64 = GAP_MS;
pub(crate) const MS_PER_DAY: i64 = 86_400_000;

/// Event times in ms since the epoch: training lasts from `first_ms` to before `trained_until_ms`, the future from `future_from_ms` to
/// `last_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    /// The earliest event time.
    pub first_ms: i64,
    /// From here on nothing is learnt.
    pub trained_until_ms: i64,
    /// From here on it is the future.
    pub future_from_ms: i64,
    /// The latest event time.
    pub last_ms: i64,
}

impl Split {
    /// Splits the span of some rows.
    ///
    /// # Errors
    /// [`TrainingError::ShortSpan`] if there is less than a week to learn from.
    pub fn of(rows: &[Row]) -> Result<Self, TrainingError> {
        let times = || rows.iter().map(|row| row.event_time_ms);
        let (first_ms, last_ms) = times().min().zip(times().max()).unwrap_or_default();
        let future_ms = share_of(last_ms - first_ms);
        let future_from_ms = last_ms - future_ms;
        let trained_until_ms = future_from_ms - GAP_MS;
        if trained_until_ms - first_ms < TRAINING_MS_MIN {
            let days = |ms: i64| ms / MS_PER_DAY;
            return Err(TrainingError::ShortSpan { days: days(last_ms - first_ms), days_min: DAYS_MIN });
        }
        Ok(Self { first_ms, trained_until_ms, future_from_ms, last_ms })
    }

    /// The rows to learn from.
    pub fn training<'a>(&self, rows: &'a [Row]) -> impl Iterator<Item = &'a Row> + use<'a> {
        let until = self.trained_until_ms;
        rows.iter().filter(move |row| row.event_time_ms < until)
    }

    /// The rows to measure on.
    pub fn future<'a>(&self, rows: &'a [Row]) -> impl Iterator<Item = &'a Row> + use<'a> {
        let from = self.future_from_ms;
        rows.iter().filter(move |row| row.event_time_ms >= from)
    }
}

/// Gap and least training in whole days, of which they are 70 %.
const DAYS_MIN: i64 = 20;

/// [`FUTURE_SHARE`] of a span.
fn share_of(span_ms: i64) -> i64 {
    span_ms / 10 * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(days: i64) -> Vec<Row> {
        let row = |hour| Row { features: [0.0; 10], event_time_ms: hour * 3_600_000, is_judged: true, is_fraud: false };
        (0..=days * 24).map(row).collect()
    }

    #[test]
    fn the_last_three_tenths_are_the_future_after_a_week_of_nothing() {
        let rows = rows(100);
        let split = Split::of(&rows).unwrap();
        assert_eq!((split.trained_until_ms / MS_PER_DAY, split.future_from_ms / MS_PER_DAY), (63, 70));
        assert_eq!((split.training(&rows).count(), split.future(&rows).count()), (63 * 24, 30 * 24 + 1));
    }

    #[test]
    fn less_than_twenty_days_are_too_short() {
        assert!(Split::of(&rows(20)).is_ok());
        assert_eq!(Split::of(&rows(19)), Err(TrainingError::ShortSpan { days: 19, days_min: 20 }));
        assert!(Split::of(&[]).is_err());
    }
}
