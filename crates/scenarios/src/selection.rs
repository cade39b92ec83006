//! How much of a scenario to generate.

use std::time::Duration;

use crate::{Generated, Generator, Scenario, ScenarioSettings};

/// Number of records if neither it nor a duration is given.
const RECORDS_DEFAULT: u64 = 100_000;

/// How much of a scenario to generate. It ends with the last record or the end of the duration, whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Selection {
    /// Distinct users.
    pub users: u32,
    /// Number of transactions; `None`: 100,000, or as many as the duration has.
    pub records: Option<u64>,
    /// Event time to generate, in seconds.
    pub duration_seconds: Option<f64>,
    /// The same seed gives the same transactions.
    pub seed: u64,
}

impl Selection {
    /// The approximate number of records at `rate` per second of event time.
    #[must_use]
    pub fn records_expected(&self, rate: f64) -> u64 {
        let in_duration = self.duration_seconds.map(|seconds| whole(seconds * rate));
        self.records_max().unwrap_or(u64::MAX).min(in_duration.unwrap_or(u64::MAX))
    }

    /// The transactions at `rate` per second of event time, from `start_ms` (ms since the epoch) on.
    ///
    /// # Errors
    /// If a distribution refuses its parameters. The constants of the scenarios exclude that.
    pub fn generate(
        &self,
        scenario: Scenario,
        rate: f64,
        start_ms: i64,
    ) -> anyhow::Result<impl Iterator<Item = Generated> + use<>> {
        let records_max = self.records_max();
        let records_seconds = records_max.map_or(f64::INFINITY, |records| exact(records) / rate);
        let settings = ScenarioSettings {
            scenario,
            seed: self.seed,
            users: self.users,
            rate_per_second: rate,
            start_ms,
            horizon_seconds: self.duration_seconds.unwrap_or(f64::INFINITY).min(records_seconds),
        };
        let records_max = records_max.map_or(Ok(usize::MAX), usize::try_from)?;
        let end_ms = self.end_ms(start_ms);
        let is_within = move |generated: &Generated| generated.timestamp < end_ms;
        Ok(Generator::new(&settings)?.take(records_max).take_while(is_within))
    }

    fn records_max(&self) -> Option<u64> {
        self.records.or_else(|| self.duration_seconds.is_none().then_some(RECORDS_DEFAULT))
    }

    /// The event time at which the duration ends.
    fn end_ms(&self, start_ms: i64) -> i64 {
        let duration = self.duration_seconds.map(Duration::try_from_secs_f64);
        let length_ms = duration.and_then(Result::ok).and_then(|length| i64::try_from(length.as_millis()).ok());
        start_ms.saturating_add(length_ms.unwrap_or(i64::MAX))
    }
}

/// Exact below 2^53.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a horizon may be off by a part in 2^53")]
fn exact(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::as_conversions, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn whole(count: f64) -> u64 {
    count as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_begins_at_its_start_and_ends_with_its_duration() {
        let selection = Selection { users: 100, records: None, duration_seconds: Some(14.0 * 86_400.0), seed: 42 };
        let (rate, start_ms) = (500.0 / 86_400.0, 1_767_571_200_000);
        let times: Vec<i64> =
            selection.generate(Scenario::Retail, rate, start_ms).unwrap().map(|one| one.timestamp).collect();
        let (first, last) = (times[0], times[times.len() - 1]);
        assert!(first >= start_ms && last < start_ms + 14 * 86_400_000 && last > start_ms + 13 * 86_400_000);
        // 7,000 expected; the tolerance is that of `the_rate_holds_over_the_horizon`, wider because 100 users are fewer.
        assert!((5_500..8_500).contains(&times.len()), "{}", times.len());
        assert_eq!(selection.records_expected(rate), 7_000);
    }

    #[test]
    fn a_selection_ends_with_its_records_and_their_number_has_a_default() {
        let selection = Selection { users: 5, records: Some(10), duration_seconds: None, seed: 1 };
        assert_eq!(selection.generate(Scenario::Uniform, 10.0, 0).unwrap().count(), 10);
        let default = Selection { records: None, ..selection };
        assert_eq!((selection.records_expected(10.0), default.records_expected(10.0)), (10, RECORDS_DEFAULT));
    }
}
