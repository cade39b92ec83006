//! The transactions: card spending of a population, some of whom meet a thief.

use std::iter::Peekable;

use event_source::kinesis::Placed;
use scenarios::{Generated, Generator, START_MS, Scenario, ScenarioSettings};

use super::charts::Charts;
use crate::demo::truth::{Fold, Judged};

const SECONDS_PER_DAY: f64 = 86_400.0;
const DAY_MS: i64 = 86_400_000;
/// Attacks begin between a fifth and four fifths of these days, and then as often again.
const HORIZON_DAYS: f64 = 100.0;
/// A shard of a stream before this one: its positions are those of no record to come.
const HISTORY_SHARD: &str = "shardId-999999999999";

/// Who pays.
#[derive(Debug, Clone, Copy)]
pub(super) struct Population {
    pub(super) seed: u64,
    pub(super) users: u32,
    /// Transactions a day of an average user.
    pub(super) per_day: f64,
    /// Days before the page's first: users are known when it opens.
    pub(super) history_days: i64,
}

impl Population {
    /// That of the page.
    pub(super) const fn of_page(seed: u64) -> Self {
        Self { seed, users: 5_000, per_day: 3.0, history_days: 30 }
    }
}

/// Generated transactions, in order of event time.
pub(super) struct Traffic(Peekable<Generator>);

impl Traffic {
    /// What they pay. The page's time begins at [`START_MS`].
    pub(super) fn new(population: Population) -> anyhow::Result<Self> {
        let Population { seed, users, per_day, history_days } = population;
        let generator = Generator::new(&ScenarioSettings {
            scenario: Scenario::Fraud,
            seed,
            users,
            rate_per_second: f64::from(users) * per_day / SECONDS_PER_DAY,
            start_ms: START_MS - history_days * DAY_MS,
            horizon_seconds: HORIZON_DAYS * SECONDS_PER_DAY,
        })?;
        Ok(Self(generator.peekable()))
    }

    /// The next transaction up to this event time.
    pub(super) fn next_until(&mut self, event_time_ms: i64) -> Option<Generated> {
        self.0.next_if(|generated| generated.timestamp <= event_time_ms)
    }

    /// What happened before the page's time, judged by the rule alone.
    pub(super) fn history(&mut self, fold: &mut Fold, charts: &mut Charts) -> anyhow::Result<()> {
        let mut records: u64 = 0;
        while let Some(generated) = self.next_until(START_MS) {
            records += 1;
            let placed = Placed { shard_id: HISTORY_SHARD.to_owned(), sequence_number: records.to_string() };
            let Judged { verdict, .. } = fold.step(&generated, &placed)?;
            charts.add(&generated, &verdict);
        }
        charts.show_busiest();
        Ok(())
    }
}
