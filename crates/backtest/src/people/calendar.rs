//! Messages by day. Days are those of UTC and of the alert's event time.

use std::collections::BTreeMap;

use alert_policy::Disposition;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The days that have an alert.
#[derive(Debug)]
pub(super) struct Calendar {
    /// Between summaries; 0 for none.
    digest_ms: i64,
    days: BTreeMap<i64, Day>,
}

/// One day.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Day {
    /// Alerts of every disposition.
    pub(super) alerts: u64,
    pub(super) pages: u32,
    /// Bit n: the period that begins at hour n of the day has a summary.
    summary_hours: u32,
}

impl Day {
    /// Summaries of the periods that begin on this day.
    pub(super) fn summaries(self) -> u64 {
        u64::from(self.summary_hours.count_ones())
    }

    /// Messages to a person.
    pub(super) fn messages(self) -> u64 {
        u64::from(self.pages) + self.summaries()
    }
}

impl Calendar {
    pub(super) fn new(digest_hours: u32) -> Self {
        Self { digest_ms: i64::from(digest_hours) * HOUR_MS, days: BTreeMap::new() }
    }

    /// Pages on the day of this time.
    pub(super) fn pages(&self, time_ms: i64) -> u32 {
        self.days.get(&number(time_ms)).map_or(0, |day| day.pages)
    }

    pub(super) fn count(&mut self, disposition: Disposition, time_ms: i64) {
        let day = self.days.entry(number(time_ms)).or_default();
        day.alerts += 1;
        match disposition {
            Disposition::Page => day.pages += 1,
            Disposition::Digest => self.wait(time_ms),
            Disposition::Silent | Disposition::Shadow => {}
        }
    }

    /// An alert waits for the summary of its period. Periods are counted from the epoch.
    fn wait(&mut self, time_ms: i64) {
        let begin_ms = time_ms - time_ms.rem_euclid(self.digest_ms.max(HOUR_MS));
        let hour = begin_ms.rem_euclid(DAY_MS) / HOUR_MS;
        self.days.entry(number(begin_ms)).or_default().summary_hours |= 1 << hour;
    }

    /// The days, by their numbers since the epoch.
    pub(super) fn days(&self) -> impl Iterator<Item = (i64, Day)> {
        self.days.iter().map(|(number, day)| (*number, *day))
    }
}

/// Number of the day of a time, from 0 for the day of the epoch.
pub(super) const fn number(time_ms: i64) -> i64 {
    time_ms.div_euclid(DAY_MS)
}

/// When a day begins.
pub(super) const fn start_ms(number: i64) -> i64 {
    number.saturating_mul(DAY_MS)
}
