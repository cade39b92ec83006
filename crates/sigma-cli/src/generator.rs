//! The recipe's transaction generator, seeded, with labels.
//!
//! Users are drawn evenly; amounts are uniform in 10 to 500, and 2 % of them, the injected anomalies, uniform in 5,000 to
//! 50,000. Times are those of a Poisson process at the given rate.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

const USUAL_AMOUNTS: std::ops::Range<f64> = 10.0..500.0;
const INJECTED_AMOUNTS: std::ops::Range<f64> = 5_000.0..50_000.0;
const INJECTED_SHARE: f64 = 0.02;
const MS_PER_SECOND: f64 = 1_000.0;

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
    /// `txn_` and six digits, not unique.
    pub transaction_id: String,
    /// `merchant_1` to `merchant_100`.
    pub merchant_id: String,
    /// Whether it is an injected anomaly; not part of the record.
    #[serde(skip)]
    pub is_injected: bool,
}

/// An endless sequence of transactions.
#[derive(Debug)]
pub struct Generator {
    random: ChaCha8Rng,
    users: u32,
    rate_per_second: f64,
    time_ms: f64,
}

impl Generator {
    /// The same seed gives the same transactions. `rate_per_second` is of event time.
    #[must_use]
    pub fn new(seed: u64, users: u32, rate_per_second: f64, start_ms: i64) -> Self {
        // A time in ms since the epoch is exact in an f64 until the year 287,396.
        #[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "exact, see above")]
        let time_ms = start_ms as f64;
        Self { random: ChaCha8Rng::seed_from_u64(seed), users: users.max(1), rate_per_second, time_ms }
    }

    fn amount(&mut self, is_injected: bool) -> f64 {
        let range = if is_injected { INJECTED_AMOUNTS } else { USUAL_AMOUNTS };
        (self.random.random_range(range) * 100.0).round() / 100.0
    }

    /// The gap to the next transaction, exponentially distributed.
    fn gap_ms(&mut self) -> f64 {
        let uniform: f64 = self.random.random_range(f64::MIN_POSITIVE..1.0);
        -uniform.ln() * MS_PER_SECOND / self.rate_per_second
    }
}

impl Iterator for Generator {
    type Item = Generated;

    fn next(&mut self) -> Option<Generated> {
        let is_injected = self.random.random_bool(INJECTED_SHARE);
        #[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "a time in ms fits")]
        let timestamp = self.time_ms as i64;
        let generated = Generated {
            user_id: format!("user{:03}", self.random.random_range(1..=self.users)),
            amount: self.amount(is_injected),
            timestamp,
            transaction_id: format!("txn_{:06}", self.random.random_range(100_000..1_000_000)),
            merchant_id: format!("merchant_{}", self.random.random_range(1..=100)),
            is_injected,
        };
        self.time_ms += self.gap_ms();
        Some(generated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_transactions() {
        let take = |seed| Generator::new(seed, 5, 10.0, 0).take(100).collect::<Vec<_>>();
        assert_eq!(take(1), take(1));
        assert_ne!(take(1), take(2));
    }

    #[test]
    fn amounts_rate_and_share_are_the_recipes() {
        let generated: Vec<_> = Generator::new(7, 5, 10.0, 0).take(100_000).collect();
        let injected = generated.iter().filter(|g| g.is_injected).count();
        assert!((1_800..2_200).contains(&injected), "{injected}");
        assert!(generated.iter().all(|g| g.is_injected == (g.amount >= 5_000.0) && g.amount >= 10.0));
        let seconds = generated.last().unwrap().timestamp / 1_000;
        assert!((9_800..10_200).contains(&seconds), "{seconds}");
        assert!((1..=5).all(|user| generated.iter().any(|g| g.user_id == format!("user00{user}"))));
    }
}
