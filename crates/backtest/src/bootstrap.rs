//! How sure the difference of two rules is: the bootstrap by user (B. Efron, "Bootstrap methods: another look at the jackknife", The
//! Annals of Statistics 7, 1979). Users are drawn, not transactions: the alerts of one user are not independent.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::summary::Difference;

/// Draws of a whole set of users, fewer if there are very many users.
const DRAWS_MAX: usize = 1_000;
const DRAWS_MIN: usize = 100;
const USERS_DRAWN_MAX: usize = 20_000_000;
/// The same result for the same input.
const SEED: u64 = 0x5167_6D61;
/// Of 95 %.
const TAIL: f64 = 0.025;

/// One user's counts under one rule.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) alerts: u64,
    pub(crate) true_alerts: u64,
}

/// One user's counts under both rules. Only users with a label or an alert matter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) labelled: u64,
    pub(crate) first: Tally,
    pub(crate) second: Tally,
}

/// F1 of the second rule less that of the first, with its interval of 95 %.
pub(crate) fn f1_difference(users: &[Pair]) -> Difference {
    let observed = difference(users.iter());
    if users.is_empty() {
        return Difference { observed, low: observed, high: observed };
    }
    let draws = (USERS_DRAWN_MAX / users.len()).clamp(DRAWS_MIN, DRAWS_MAX);
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut draw = || difference((0..users.len()).filter_map(|_| users.get(random.random_range(0..users.len()))));
    let mut differences: Vec<f64> = (0..draws).map(|_| draw()).collect();
    differences.sort_by(f64::total_cmp);
    Difference { observed, low: quantile(&differences, TAIL), high: quantile(&differences, 1.0 - TAIL) }
}

fn difference<'a>(users: impl Iterator<Item = &'a Pair>) -> f64 {
    let (mut labelled, mut first, mut second) = (0, Tally::default(), Tally::default());
    for user in users {
        labelled += user.labelled;
        first.add(user.first);
        second.add(user.second);
    }
    second.f1(labelled) - first.f1(labelled)
}

impl Tally {
    const fn add(&mut self, other: Self) {
        self.alerts += other.alerts;
        self.true_alerts += other.true_alerts;
    }

    #[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a ratio needs no more than 53 bits")]
    fn f1(self, labelled: u64) -> f64 {
        let both = self.alerts + labelled;
        if both == 0 { 0.0 } else { 2.0 * self.true_alerts as f64 / both as f64 }
    }
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a thousand draws"
)]
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let index = ((sorted.len().saturating_sub(1)) as f64 * share).round() as usize;
    sorted.get(index).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(count: u64, first_finds: u64, second_finds: u64) -> Vec<Pair> {
        let tally = |true_alerts| Tally { alerts: true_alerts, true_alerts };
        let user = |i: u64| Pair {
            labelled: 1,
            first: tally(u64::from(i % 10 < first_finds)),
            second: tally(u64::from(i % 10 < second_finds)),
        };
        (0..count).map(user).collect()
    }

    #[test]
    fn a_large_difference_of_many_users_is_not_noise_and_a_small_one_of_few_is() {
        let large = f1_difference(&users(1_000, 4, 9));
        assert!(large.low > 0.3 && large.high < 0.5, "{large:?}");
        // Recall .4 and .9: F1 = 2r / (r + 1).
        assert!((large.observed - (1.8 / 1.9 - 0.8 / 1.4)).abs() < 1e-12);
        let small = f1_difference(&users(20, 5, 6));
        assert!(small.low <= 0.0 && small.high > 0.0, "{small:?}");
        assert_eq!(f1_difference(&users(20, 5, 6)), small, "the same for the same input");
    }
}
