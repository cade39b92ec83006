//! A customer of the handbook: where the customer lives, how much and how often the customer pays.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, Normal, Poisson, StandardNormal};

use super::terminals::{Terminal, any_cell};
use crate::{cents, whole_us};

/// Mean amount of a customer; each has one from this range.
const MEAN_AMOUNTS: std::ops::Range<f64> = 5.0..100.0;
/// Standard deviation of a customer's amounts, as a share of the mean.
const SPREAD: f64 = 0.5;
/// Payments a day: each customer has a mean from 0 to this.
const PAYMENTS_A_DAY_MAX: f64 = 4.0;
/// The mean over customers.
pub(super) const PAYMENTS_A_DAY_MEAN: f64 = PAYMENTS_A_DAY_MAX / 2.0;
/// Standard deviation of the time of day, which is centred on noon: 20,000 s, as a share of the day.
const TIME_OF_DAY_SD: f64 = 20_000.0 / 86_400.0;

#[derive(Debug, Clone, Copy)]
pub(super) struct Customer {
    home: [i16; 2],
    mean_amount: f64,
    amounts: Normal<f64>,
    payments: Poisson<f64>,
    /// The card is leaked before this day.
    pub(super) leaked_until_day: u32,
}

impl Customer {
    pub(super) fn draw(random: &mut impl Rng) -> anyhow::Result<Self> {
        let mean_amount = random.random_range(MEAN_AMOUNTS);
        Ok(Self {
            home: any_cell(random),
            mean_amount,
            amounts: Normal::new(mean_amount, mean_amount * SPREAD)?,
            payments: Poisson::new(random.random_range(f64::MIN_POSITIVE..PAYMENTS_A_DAY_MAX))?,
            leaked_until_day: 0,
        })
    }

    /// Draws the number of payments of a day.
    pub(super) fn payments(&self, random: &mut impl Rng) -> i64 {
        whole_us(self.payments.sample(random))
    }

    /// Draws an amount. A negative one is drawn again, evenly from 0 to twice the mean.
    pub(super) fn amount(&self, random: &mut impl Rng) -> f64 {
        let amount: f64 = self.amounts.sample(random);
        cents(if amount < 0.0 { random.random_range(0.0..2.0 * self.mean_amount) } else { amount })
    }

    /// Draws where the customer pays.
    pub(super) fn visit(&self, random: &mut impl Rng) -> Terminal {
        Terminal::near(self.home, random)
    }
}

/// Draws when in a day a payment is, from 0 to 1.
pub(super) fn time_of_day(random: &mut impl Rng) -> f64 {
    // 97 % are within the day.
    loop {
        let noise: f64 = StandardNormal.sample(random);
        let time = 0.5 + noise * TIME_OF_DAY_SD;
        if (0.0..1.0).contains(&time) {
            return time;
        }
    }
}
