//! The flags that select transactions of a scenario.

use clap::Args;
use clap::builder::TypedValueParser;
use scenarios::{Scenario, Selection};

use crate::choice::one_of;
use crate::parse::seconds;

/// Which transactions to generate: shared by `generate` and `send`.
#[derive(Debug, Clone, Args)]
pub struct SelectionOptions {
    /// Distinct users.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub users: u32,
    /// Number of transactions [default: 100000, unless there is a duration].
    #[arg(long)]
    pub records: Option<u64>,
    /// Length of the scenario in event time, such as 90d, 12h or 30min.
    #[arg(long, value_parser = seconds)]
    pub duration: Option<f64>,
    /// The same seed gives the same transactions.
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
}

impl SelectionOptions {
    /// What the flags select.
    #[must_use]
    pub const fn selection(&self) -> Selection {
        let Self { users, records, duration, seed } = *self;
        Selection { users, records, duration_seconds: duration, seed }
    }
}

/// A parser for the name of a scenario.
pub(crate) fn scenario() -> impl TypedValueParser<Value = Scenario> {
    let help = |scenario| match scenario {
        Scenario::Uniform => "Amounts uniform in 10 to 500, and 2 % outliers of 5,000 to 50,000",
        Scenario::Retail => "Card spending: own scale, merchants and rhythm per user, pay days, drift, new users",
        Scenario::Fraud => {
            "Card spending with fraud: leaked cards in bursts at new merchants, card testing, slow ramps"
        }
        Scenario::LogNormal => {
            "Log-normal amounts of widely spread users, and 1 % outliers of 5 to 20 times the median"
        }
        Scenario::Gamma => "Gamma-distributed amounts, and 1 % outliers of 3 to 10 times the mean",
        Scenario::Handbook => {
            "The Fraud Detection Handbook's simulator; the rate says how long its day is: 2 transactions a user"
        }
    };
    one_of(Scenario::ALL.map(|scenario| (scenario, scenario.as_str(), help(scenario))))
}
