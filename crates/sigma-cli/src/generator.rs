//! Generated transactions, seeded and labelled. `docs/scenarios.md` has the distributions and where they come from.
//!
//! The same settings give the same transactions, in the order of event time. Memory is bounded by users, not by transactions.

mod fraud;
mod recipe;
mod retail;
mod rhythm;
mod spender;

use serde::Serialize;

pub use fraud::Kind;

/// Microseconds in a second: the generator's clock, so that 10,000 transactions a second keep apart.
const US_PER_SECOND: f64 = 1_000_000.0;
const US_PER_MS: i64 = 1_000;
const US_PER_DAY: f64 = 86_400.0 * US_PER_SECOND;

/// What the transactions are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Scenario {
    /// The generator that the detector was specified with: amounts from 10 to 500, and 2 % from 5,000 to 50,000.
    Recipe,
    /// Card spending: every user at an own scale, daily and weekly rhythm, pay days, drift, level shifts, new users.
    Retail,
    /// The same with fraud: leaked cards, card testing, slow ramps.
    Fraud,
}

/// What is generated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// What the transactions are like.
    pub scenario: Scenario,
    /// The same seed gives the same transactions.
    pub seed: u64,
    /// Distinct users, at least 1.
    pub users: u32,
    /// Transactions per second of event time, all users together, on average over the horizon.
    pub rate_per_second: f64,
    /// Event time of the beginning, in ms since the epoch.
    pub start_ms: i64,
    /// How long the scenario is meant to last, in seconds: new users and fraud are spread over it. It goes on for as long as it
    /// is asked.
    pub horizon_seconds: f64,
}

/// One generated transaction: the stream's record, and what the generator knows about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Generated {
    /// `user001` and so on.
    pub user_id: String,
    /// Two decimals.
    pub amount: f64,
    /// Event time in ms since the epoch.
    pub timestamp: i64,
    /// The producer's id. Unique, but for `recipe`, whose six digits repeat.
    pub transaction_id: String,
    /// `merchant_1` and so on.
    pub merchant_id: String,
    /// What is wrong with it; not part of the record.
    #[serde(skip)]
    pub kind: Option<Kind>,
}

/// An endless sequence of transactions.
#[derive(Debug)]
pub enum Generator {
    /// Of [`Scenario::Recipe`].
    Recipe(Box<recipe::Recipe>),
    /// Of the others.
    Retail(Box<retail::Retail>),
}

impl Generator {
    /// At its beginning.
    ///
    /// # Errors
    /// If a distribution refuses its parameters, which the constants of this module exclude.
    pub fn new(settings: &Settings) -> anyhow::Result<Self> {
        Ok(match settings.scenario {
            Scenario::Recipe => Self::Recipe(Box::new(recipe::Recipe::new(settings))),
            Scenario::Retail | Scenario::Fraud => Self::Retail(Box::new(retail::Retail::new(settings)?)),
        })
    }
}

impl Iterator for Generator {
    type Item = Generated;

    fn next(&mut self) -> Option<Generated> {
        match self {
            Self::Recipe(recipe) => recipe.next(),
            Self::Retail(retail) => retail.next(),
        }
    }
}

/// To two decimals, as money has.
fn cents(amount: f64) -> f64 {
    (amount * 100.0).round() / 100.0
}

/// `user001` and so on.
fn user_id(number: u32) -> String {
    format!("user{number:03}")
}

/// Whole µs. Times and gaps are below 2^53 µs, the year 2255, and saturate above.
#[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "saturates, see above")]
fn whole_us(us: f64) -> i64 {
    us as i64
}

/// The inverse of [`whole_us`], exact to the year 2255.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "exact, see above")]
fn exact(us: i64) -> f64 {
    us as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const START_MS: i64 = 1_760_000_100_000;

    pub(super) fn settings(scenario: Scenario) -> Settings {
        let horizon_seconds = 56.0 * 86_400.0;
        Settings { scenario, seed: 7, users: 200, rate_per_second: 0.01, start_ms: START_MS, horizon_seconds }
    }

    #[test]
    fn a_seed_gives_the_same_transactions() {
        for scenario in [Scenario::Recipe, Scenario::Retail, Scenario::Fraud] {
            let take = |seed| {
                let settings = Settings { seed, ..settings(scenario) };
                Generator::new(&settings).unwrap().take(2_000).collect::<Vec<_>>()
            };
            assert_eq!(take(1), take(1));
            assert_ne!(take(1), take(2));
        }
    }

    #[test]
    fn transactions_come_in_the_order_of_event_time_from_the_start_on() {
        for scenario in [Scenario::Recipe, Scenario::Retail, Scenario::Fraud] {
            for rate_per_second in [1.0 / 86_400.0, 1.0, 10_000.0] {
                let settings = Settings { rate_per_second, ..settings(scenario) };
                let times: Vec<_> = Generator::new(&settings).unwrap().take(5_000).map(|g| g.timestamp).collect();
                assert!(times.is_sorted() && times[0] >= START_MS, "{scenario:?} {rate_per_second}");
            }
        }
    }
}
