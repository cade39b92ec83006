//! One user of `retail`: how much the user spends, how that changes over time, and where.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, Exp1, LogNormal, StandardNormal};

use super::merchants::{Favourites, Merchant, MerchantLaws};
use super::rhythm::{PAY_BURST_AMOUNT, Rhythm};
use super::{US_PER_DAY, cents, exact};

/// Median over users of their median amount.
const SCALE_MEDIAN: f64 = 40.0;
/// Standard deviation over users of the logarithm of their median amount.
const SCALE_LOG_SD: f64 = 0.8;
/// Standard deviation of the logarithm of one user's amounts; each user has one from this range.
const SPREAD_LOG_SD: std::ops::Range<f64> = 0.3..0.7;
/// Standard deviation over users of the logarithm of their rate.
const ACTIVITY_LOG_SD: f64 = 0.7;
/// Standard deviation of the peak hour over users, in hours.
const LATE_HOURS_SD: f64 = 1.5;
/// Drift: standard deviation of the logarithm of the level after one day; it grows with the root of time.
const DRIFT_LOG_SD_PER_DAY: f64 = 0.01;
/// Mean time between two level shifts of a user.
const SHIFT_INTERVAL_DAYS: f64 = 180.0;
/// Factor of a level shift, up or down.
const SHIFT_FACTOR: std::ops::Range<f64> = 1.5..3.0;

/// The distributions that all users share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Laws {
    scale: LogNormal<f64>,
    activity: LogNormal<f64>,
    merchants: MerchantLaws,
}

impl Laws {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            scale: scale_law()?,
            activity: LogNormal::new(0.0, ACTIVITY_LOG_SD)?,
            merchants: MerchantLaws::new()?,
        })
    }
}

/// The distribution over users of their median amount.
pub(crate) fn scale_law() -> anyhow::Result<LogNormal<f64>> {
    Ok(LogNormal::new(SCALE_MEDIAN.ln(), SCALE_LOG_SD)?)
}

/// The state of a user between two transactions.
#[derive(Debug, Clone)]
pub(crate) struct Spender {
    /// The user's weight in the rate of all users.
    pub(crate) activity: f64,
    pub(crate) rhythm: Rhythm,
    pub(crate) favourites: Favourites,
    log_level: f64,
    spread: f64,
    last_us: i64,
    shift_us: f64,
}

impl Spender {
    pub(crate) fn draw(laws: &Laws, start_us: i64, random: &mut impl Rng) -> Self {
        let late: f64 = StandardNormal.sample(random);
        Self {
            activity: laws.activity.sample(random),
            rhythm: Rhythm { hours_late: late * LATE_HOURS_SD, pay_phase: random.random_range(0.0..1.0) },
            favourites: Favourites::draw(&laws.merchants, random),
            log_level: laws.scale.sample(random).ln(),
            spread: random.random_range(SPREAD_LOG_SD),
            last_us: start_us,
            shift_us: exact(start_us) + shift_gap_us(random),
        }
    }

    /// The median amount now.
    pub(crate) fn level(&self) -> f64 {
        self.log_level.exp()
    }

    /// Draws a usual amount at `time_us`, which must not be before that of the last call.
    pub(crate) fn spend(&mut self, time_us: i64, random: &mut impl Rng) -> f64 {
        self.age(time_us, random);
        let noise: f64 = StandardNormal.sample(random);
        let flush = if self.rhythm.is_flush(time_us) { PAY_BURST_AMOUNT } else { 1.0 };
        cents((self.log_level + self.spread * noise).exp() * flush).max(0.01)
    }

    /// Draws where the user pays.
    pub(crate) fn visit(&self, laws: &Laws, random: &mut impl Rng) -> Merchant {
        self.favourites.visit(&laws.merchants, random)
    }

    /// Applies drift and level shifts since the last transaction.
    fn age(&mut self, time_us: i64, random: &mut impl Rng) {
        let days = exact(time_us - self.last_us) / US_PER_DAY;
        let drift: f64 = StandardNormal.sample(random);
        self.log_level += drift * DRIFT_LOG_SD_PER_DAY * days.max(0.0).sqrt();
        self.last_us = time_us;
        if exact(time_us) >= self.shift_us {
            let shift = random.random_range(SHIFT_FACTOR).ln();
            self.log_level += if random.random_bool(0.5) { shift } else { -shift };
            self.shift_us = exact(time_us) + shift_gap_us(random);
        }
    }
}

fn shift_gap_us(random: &mut impl Rng) -> f64 {
    let gap: f64 = Exp1.sample(random);
    gap * SHIFT_INTERVAL_DAYS * US_PER_DAY
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Mean and standard deviation.
    fn moments(values: &[f64]) -> (f64, f64) {
        let count = f64::from(u32::try_from(values.len()).unwrap());
        let mean = values.iter().sum::<f64>() / count;
        (mean, (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt())
    }

    /// Within five standard errors of a normal sample: 5·s/√n for the mean, 5·s/√(2n) for the standard deviation.
    fn assert_normal(values: &[f64], mean: f64, sd: f64) {
        let (measured_mean, measured_sd) = moments(values);
        let error = 5.0 * sd / f64::from(u32::try_from(values.len()).unwrap()).sqrt();
        assert!((measured_mean - mean).abs() < error, "mean {measured_mean}, not {mean} ± {error}");
        assert!((measured_sd - sd).abs() < error / 2.0_f64.sqrt(), "sd {measured_sd}, not {sd}");
    }

    #[test]
    fn the_scale_of_users_is_log_normal() {
        let (laws, mut random) = (Laws::new().unwrap(), ChaCha8Rng::seed_from_u64(1));
        let mut draw = || Spender::draw(&laws, 0, &mut random).log_level;
        let logs: Vec<f64> = (0..20_000).map(|_| draw()).collect();
        assert_normal(&logs, SCALE_MEDIAN.ln(), SCALE_LOG_SD);
        // A normal distribution has 2.28 % above two standard deviations: five standard errors are 0.53 %.
        let above = logs.iter().filter(|log| **log > SCALE_MEDIAN.ln() + 2.0 * SCALE_LOG_SD).count();
        assert!((349..=563).contains(&above), "{above}");
    }

    #[test]
    fn the_amounts_of_a_user_are_log_normal_around_the_users_level() {
        let (laws, mut random) = (Laws::new().unwrap(), ChaCha8Rng::seed_from_u64(2));
        let mut spender = Spender::draw(&laws, 0, &mut random);
        // Half a pay cycle from pay day. No time passes, so nothing drifts. The level is far above a cent, so rounding does not
        // matter.
        spender.rhythm.pay_phase = 0.5;
        spender.log_level = 1_000.0_f64.ln();
        let logs: Vec<f64> = (0..20_000).map(|_| spender.spend(0, &mut random).ln()).collect();
        assert_normal(&logs, 1_000.0_f64.ln(), spender.spread);
    }

    #[test]
    fn the_level_drifts_with_the_root_of_time() {
        let (laws, mut random) = (Laws::new().unwrap(), ChaCha8Rng::seed_from_u64(3));
        let mut drift = || {
            let mut spender = Spender { shift_us: f64::INFINITY, ..Spender::draw(&laws, 0, &mut random) };
            let before = spender.log_level;
            spender.age(super::super::whole_us(100.0 * US_PER_DAY), &mut random);
            spender.log_level - before
        };
        let drifts: Vec<f64> = (0..20_000).map(|_| drift()).collect();
        assert_normal(&drifts, 0.0, DRIFT_LOG_SD_PER_DAY * 10.0);
    }
}
