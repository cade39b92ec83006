//! Generated transactions, seeded and labelled. `docs/scenarios.md` has the distributions and their sources.
//!
//! The same settings give the same transactions, in order of event time. Memory grows with the users, not with the transactions.
//!
//! [`Generator`] is an endless sequence, [`Selection`] ends it, [`RowWriter`] writes it as JSONL or CSV.
//!
//! Deliberately absent: the command line, and AWS.

mod fraud;
mod handbook;
mod merchants;
mod retail;
mod rhythm;
mod rows;
mod selection;
mod skewed;
mod spender;
mod uniform;

use serde::Serialize;

pub use fraud::Kind;
pub use rows::{RowFormat, RowWriter, labelled_json};
pub use selection::Selection;

/// Event time at which a scenario begins by default: 2025-10-09T08:55:00Z.
pub const START_MS: i64 = 1_760_000_100_000;

/// Microseconds in a second. The generator's clock counts them, so that 10,000 transactions a second stay apart.
const US_PER_SECOND: f64 = 1_000_000.0;
const US_PER_MS: i64 = 1_000;
const US_PER_DAY: f64 = 86_400.0 * US_PER_SECOND;

/// A model that transactions are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scenario {
    /// Amounts uniform in 10 to 500, and 2 % outliers uniform in 5,000 to 50,000.
    Uniform,
    /// Card spending: each user has a scale, favourite merchants, a daily and weekly rhythm, pay days, drift and level shifts; new
    /// users appear.
    Retail,
    /// Card spending with fraud: leaked cards, card testing, slow ramps.
    Fraud,
    /// Log-normal amounts of widely spread users, and 1 % outliers of 5 to 20 times the user's median.
    LogNormal,
    /// Gamma-distributed amounts, and 1 % outliers of 3 to 10 times the user's mean.
    Gamma,
    /// The simulator of the *Fraud Detection Handbook*: normal amounts, large ones, compromised terminals, leaked cards.
    Handbook,
}

impl Scenario {
    /// Every scenario.
    pub const ALL: [Self; 6] = [Self::Uniform, Self::Retail, Self::Fraud, Self::LogNormal, Self::Gamma, Self::Handbook];

    /// The name on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Retail => "retail",
            Self::Fraud => "fraud",
            Self::LogNormal => "lognormal",
            Self::Gamma => "gamma",
            Self::Handbook => "handbook",
        }
    }
}

/// The settings of a [`Generator`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScenarioSettings {
    /// The model that transactions are drawn from.
    pub scenario: Scenario,
    /// The same seed gives the same transactions.
    pub seed: u64,
    /// Distinct users, at least 1.
    pub users: u32,
    /// Transactions per second of event time, all users together, on average over the horizon.
    pub rate_per_second: f64,
    /// Event time at which the scenario begins, in ms since the epoch.
    pub start_ms: i64,
    /// Intended length of the scenario, in seconds: new users and fraud are spread over it. The generator itself never ends.
    /// Only `retail` and `fraud` depend on it.
    pub horizon_seconds: f64,
}

/// One generated transaction: the fields of the stream's record, and its label.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Generated {
    /// `user001` and so on.
    pub user_id: String,
    /// Rounded to two decimals.
    pub amount: f64,
    /// Event time in ms since the epoch.
    pub timestamp: i64,
    /// The producer's id. Unique, except in `uniform`, whose six digits repeat.
    pub transaction_id: String,
    /// `merchant_1` and so on.
    pub merchant_id: String,
    /// How it is anomalous; `None` if it is not. Not part of the record.
    #[serde(skip)]
    pub kind: Option<Kind>,
}

/// An endless sequence of transactions.
#[derive(Debug)]
pub enum Generator {
    /// [`Scenario::Uniform`].
    Uniform(Box<uniform::Uniform>),
    /// [`Scenario::Retail`] and [`Scenario::Fraud`].
    Retail(Box<retail::Retail>),
    /// [`Scenario::LogNormal`] and [`Scenario::Gamma`].
    Skewed(Box<skewed::Skewed>),
    /// [`Scenario::Handbook`].
    Handbook(Box<handbook::Handbook>),
}

impl Generator {
    /// The sequence that these settings give, from its first transaction on.
    ///
    /// # Errors
    /// If a distribution refuses its parameters. The constants of this crate exclude that.
    pub fn new(settings: &ScenarioSettings) -> anyhow::Result<Self> {
        Ok(match settings.scenario {
            Scenario::Uniform => Self::Uniform(Box::new(uniform::Uniform::new(settings))),
            Scenario::Retail | Scenario::Fraud => Self::Retail(Box::new(retail::Retail::new(settings)?)),
            Scenario::LogNormal | Scenario::Gamma => Self::Skewed(Box::new(skewed::Skewed::new(settings)?)),
            Scenario::Handbook => Self::Handbook(Box::new(handbook::Handbook::new(settings)?)),
        })
    }
}

impl Iterator for Generator {
    type Item = Generated;

    fn next(&mut self) -> Option<Generated> {
        match self {
            Self::Uniform(uniform) => uniform.next(),
            Self::Retail(retail) => retail.next(),
            Self::Skewed(skewed) => skewed.next(),
            Self::Handbook(handbook) => handbook.next(),
        }
    }
}

/// Rounds an amount to two decimals.
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

    pub(crate) fn settings(scenario: Scenario) -> ScenarioSettings {
        let horizon_seconds = 56.0 * 86_400.0;
        ScenarioSettings { scenario, seed: 7, users: 200, rate_per_second: 0.01, start_ms: START_MS, horizon_seconds }
    }

    #[test]
    fn a_seed_gives_the_same_transactions() {
        for scenario in Scenario::ALL {
            let take = |seed| {
                let settings = ScenarioSettings { seed, ..settings(scenario) };
                Generator::new(&settings).unwrap().take(2_000).collect::<Vec<_>>()
            };
            assert_eq!(take(1), take(1));
            assert_ne!(take(1), take(2));
        }
    }

    #[test]
    fn transactions_are_in_order_of_event_time_and_not_before_the_start() {
        for scenario in Scenario::ALL {
            for rate_per_second in [1.0 / 86_400.0, 1.0, 10_000.0] {
                let settings = ScenarioSettings { rate_per_second, ..settings(scenario) };
                let times: Vec<_> = Generator::new(&settings).unwrap().take(5_000).map(|g| g.timestamp).collect();
                assert!(times.is_sorted() && times[0] >= START_MS, "{scenario:?} {rate_per_second}");
            }
        }
    }
}
