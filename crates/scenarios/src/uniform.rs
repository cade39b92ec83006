//! Uniform amounts with injected outliers: the generator that the detector was specified with.
//!
//! Users are drawn evenly. Amounts are uniform in 10 to 500; 2 % of them, the injected anomalies, are uniform in 5,000 to 50,000.
//! Times are those of a Poisson process at the given rate.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Generated, Kind, ScenarioSettings, cents, user_id};

const USUAL_AMOUNTS: std::ops::Range<f64> = 10.0..500.0;
const INJECTED_AMOUNTS: std::ops::Range<f64> = 5_000.0..50_000.0;
const INJECTED_SHARE: f64 = 0.02;
const MS_PER_SECOND: f64 = 1_000.0;

/// The transactions of [`Scenario::Uniform`](crate::Scenario::Uniform).
#[derive(Debug)]
pub struct Uniform {
    random: ChaCha8Rng,
    users: u32,
    rate_per_second: f64,
    time_ms: f64,
}

impl Uniform {
    pub(crate) fn new(settings: &ScenarioSettings) -> Self {
        let ScenarioSettings { seed, users, rate_per_second, start_ms, .. } = *settings;
        let time_ms = super::exact(start_ms);
        Self { random: ChaCha8Rng::seed_from_u64(seed), users: users.max(1), rate_per_second, time_ms }
    }

    fn amount(&mut self, is_injected: bool) -> f64 {
        let range = if is_injected { INJECTED_AMOUNTS } else { USUAL_AMOUNTS };
        cents(self.random.random_range(range))
    }

    /// Draws the gap to the next transaction, which is exponentially distributed.
    fn gap_ms(&mut self) -> f64 {
        let uniform: f64 = self.random.random_range(f64::MIN_POSITIVE..1.0);
        -uniform.ln() * MS_PER_SECOND / self.rate_per_second
    }
}

impl Iterator for Uniform {
    type Item = Generated;

    fn next(&mut self) -> Option<Generated> {
        let is_injected = self.random.random_bool(INJECTED_SHARE);
        let timestamp = super::whole_us(self.time_ms);
        let generated = Generated {
            user_id: user_id(self.random.random_range(1..=self.users)),
            amount: self.amount(is_injected),
            timestamp,
            transaction_id: format!("txn_{:06}", self.random.random_range(100_000..1_000_000)),
            merchant_id: format!("merchant_{}", self.random.random_range(1..=100)),
            kind: is_injected.then_some(Kind::Injected),
        };
        self.time_ms += self.gap_ms();
        Some(generated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scenario;

    #[test]
    fn amounts_rate_and_share_are_as_specified() {
        let settings = ScenarioSettings {
            scenario: Scenario::Uniform,
            seed: 7,
            users: 5,
            rate_per_second: 10.0,
            start_ms: 0,
            horizon_seconds: 1e4,
        };
        let generated: Vec<_> = Uniform::new(&settings).take(100_000).collect();
        let injected = generated.iter().filter(|g| g.kind.is_some()).count();
        // Five standard errors of a binomial: 5·√(100,000·0.02·0.98) = 221; of the time: 5·√100,000/10 = 158 s.
        assert!((1_779..2_221).contains(&injected), "{injected}");
        assert!(generated.iter().all(|g| g.kind.is_some() == (g.amount >= 5_000.0) && g.amount >= 10.0));
        let seconds = generated.last().unwrap().timestamp / 1_000;
        assert!((9_842..10_158).contains(&seconds), "{seconds}");
        assert!((1..=5).all(|user| generated.iter().any(|g| g.user_id == format!("user00{user}"))));
    }
}
