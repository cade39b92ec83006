//! Skewed amounts, log-normal or gamma. Each user has a level and a spread of their own; injected outliers are a multiple of the level.
//!
//! Users are drawn evenly, and times are those of a Poisson process at the given rate, as in `uniform`.

use std::ops::Range;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1, Gamma, LogNormal};

use super::spender::scale_law;
use super::{Generated, Kind, Scenario, ScenarioSettings, US_PER_MS, US_PER_SECOND, cents, exact, user_id, whole_us};

/// Standard deviation of the logarithm of one user's log-normal amounts; each user has one from this range.
const LOG_NORMAL_SPREADS: Range<f64> = 0.4..0.8;
/// Log-normal outliers, as a multiple of the user's median.
const LOG_NORMAL_FACTORS: Range<f64> = 5.0..20.0;
/// Shape of one user's gamma amounts. Their coefficient of variation is one over its root: 1 down to 0.41.
const GAMMA_SHAPES: Range<f64> = 1.0..6.0;
/// Gamma outliers, as a multiple of the user's mean.
const GAMMA_FACTORS: Range<f64> = 3.0..10.0;
const INJECTED_SHARE: f64 = 0.01;
const MERCHANTS: u32 = 100;

/// The transactions of [`Scenario::LogNormal`] and [`Scenario::Gamma`].
#[derive(Debug)]
pub struct Skewed {
    random: ChaCha8Rng,
    users: Vec<Spending>,
    factors: Range<f64>,
    gap_mean_us: f64,
    time_us: f64,
    transactions: u64,
}

/// How much one user spends.
#[derive(Debug, Clone, Copy)]
struct Spending {
    /// The median or the mean: what [`Self::spread`] is relative to.
    level: f64,
    spread: Spread,
}

#[derive(Debug, Clone, Copy)]
enum Spread {
    /// With the median 1.
    LogNormal(LogNormal<f64>),
    /// With the mean 1.
    Gamma(Gamma<f64>),
}

impl Skewed {
    pub(crate) fn new(settings: &ScenarioSettings) -> anyhow::Result<Self> {
        let is_gamma = settings.scenario == Scenario::Gamma;
        let mut random = ChaCha8Rng::seed_from_u64(settings.seed);
        let users = (0..settings.users.max(1)).map(|_| Spending::draw(is_gamma, &mut random));
        let users = users.collect::<Result<_, _>>()?;
        Ok(Self {
            random,
            users,
            factors: if is_gamma { GAMMA_FACTORS } else { LOG_NORMAL_FACTORS },
            gap_mean_us: US_PER_SECOND / settings.rate_per_second,
            time_us: exact(settings.start_ms * US_PER_MS),
            transactions: 0,
        })
    }

    fn amount(&mut self, spending: &Spending, is_injected: bool) -> f64 {
        let relative = if is_injected {
            self.random.random_range(self.factors.clone())
        } else {
            spending.spread.sample(&mut self.random)
        };
        cents(spending.level * relative).max(0.01)
    }
}

impl Spending {
    fn draw(is_gamma: bool, random: &mut ChaCha8Rng) -> anyhow::Result<Self> {
        let level = scale_law()?.sample(random);
        let spread = if is_gamma {
            let shape = random.random_range(GAMMA_SHAPES);
            Spread::Gamma(Gamma::new(shape, 1.0 / shape)?)
        } else {
            Spread::LogNormal(LogNormal::new(0.0, random.random_range(LOG_NORMAL_SPREADS))?)
        };
        Ok(Self { level, spread })
    }
}

impl Spread {
    fn sample(&self, random: &mut ChaCha8Rng) -> f64 {
        match self {
            Self::LogNormal(law) => law.sample(random),
            Self::Gamma(law) => law.sample(random),
        }
    }
}

impl Iterator for Skewed {
    type Item = Generated;

    fn next(&mut self) -> Option<Generated> {
        let index = self.random.random_range(0..self.users.len());
        let spending = *self.users.get(index)?;
        let is_injected = self.random.random_bool(INJECTED_SHARE);
        self.transactions += 1;
        let generated = Generated {
            user_id: user_id(u32::try_from(index).ok()? + 1),
            amount: self.amount(&spending, is_injected),
            timestamp: whole_us(self.time_us).div_euclid(US_PER_MS),
            transaction_id: format!("txn_{:09}", self.transactions),
            merchant_id: format!("merchant_{}", self.random.random_range(1..=MERCHANTS)),
            kind: is_injected.then_some(Kind::Injected),
        };
        let gap: f64 = Exp1.sample(&mut self.random);
        self.time_us += gap * self.gap_mean_us;
        Some(generated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::settings;

    /// The amounts of one user with the median or mean 100, without the injected ones, in ascending order.
    fn usual(scenario: Scenario, spread: Spread) -> Vec<f64> {
        let mut skewed = Skewed::new(&ScenarioSettings { users: 1, ..settings(scenario) }).unwrap();
        skewed.users = vec![Spending { level: 100.0, spread }];
        let mut usual: Vec<_> = skewed.take(100_000).filter(|g| g.kind.is_none()).map(|g| g.amount).collect();
        usual.sort_by(f64::total_cmp);
        usual
    }

    /// Bounds are five standard errors of a share of 99,000 amounts: 0.0079 at one half, 0.0058 at a sixth.
    fn assert_share_below(amounts: &[f64], bound: f64, share: f64, error: f64) {
        let [below, all] = [amounts.partition_point(|amount| *amount < bound), amounts.len()]
            .map(|count| f64::from(u32::try_from(count).unwrap()));
        assert!((below / all - share).abs() < error, "{} below {bound}, not {share}", below / all);
    }

    #[test]
    fn log_normal_amounts_have_their_median_and_spread() {
        let amounts = usual(Scenario::LogNormal, Spread::LogNormal(LogNormal::new(0.0, 0.5).unwrap()));
        assert_share_below(&amounts, 100.0, 0.5, 0.0079);
        assert_share_below(&amounts, 100.0 * (-0.5_f64).exp(), 0.1587, 0.0058);
    }

    #[test]
    fn gamma_amounts_have_their_mean_and_shape() {
        // Of shape 1 the gamma distribution is the exponential one: half are below ln 2 of the mean, a sixth below −ln(5/6) of it.
        let amounts = usual(Scenario::Gamma, Spread::Gamma(Gamma::new(1.0, 1.0).unwrap()));
        assert_share_below(&amounts, 100.0 * std::f64::consts::LN_2, 0.5, 0.0079);
        assert_share_below(&amounts, 100.0 * 1.2_f64.ln(), 1.0 / 6.0, 0.0058);
    }

    #[test]
    fn outliers_are_a_multiple_of_the_users_level_and_one_in_a_hundred() {
        for (scenario, factors) in [(Scenario::LogNormal, LOG_NORMAL_FACTORS), (Scenario::Gamma, GAMMA_FACTORS)] {
            let mut skewed = Skewed::new(&settings(scenario)).unwrap();
            let users = skewed.users.clone();
            let injected: Vec<_> = skewed.by_ref().take(100_000).filter(|g| g.kind.is_some()).collect();
            // Five standard errors of a binomial: 5·√(100,000·0.01·0.99) = 157.
            assert!((843..1_157).contains(&injected.len()), "{}", injected.len());
            for g in injected {
                let number: usize = g.user_id.strip_prefix("user").unwrap().parse().unwrap();
                let factor = g.amount / users[number - 1].level;
                assert!(factor > factors.start - 0.01 && factor < factors.end + 0.01, "{factor}");
            }
        }
    }
}
