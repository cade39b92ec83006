//! Card spending of many users in order of event time, from a heap of every user's next transaction.
//!
//! Each user is a Poisson process with a rate that the [`rhythm`](super::rhythm) modulates, drawn by thinning (P. A. W. Lewis and
//! G. S. Shedler, Naval Research Logistics Quarterly 26, 1979).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};

use super::fraud::{Attack, Payment};
use super::rhythm::FACTOR_MAX;
use super::spender::{Laws, Spender};
use super::{Generated, Scenario, ScenarioSettings, US_PER_MS, US_PER_SECOND, user_id, whole_us};

/// Share of the users who are absent at the start and appear evenly over the horizon.
const NEW_USERS_SHARE: f64 = 0.2;
/// Share of the horizon for which the average user is present.
const PRESENT_SHARE: f64 = 1.0 - NEW_USERS_SHARE / 2.0;

/// The transactions of [`Scenario::Retail`] and [`Scenario::Fraud`].
#[derive(Debug)]
pub struct Retail {
    random: ChaCha8Rng,
    laws: Laws,
    users: Vec<User>,
    queue: BinaryHeap<Reverse<Next>>,
    /// Transactions per µs and unit of activity.
    rate_per_us: f64,
    transactions: u64,
}

#[derive(Debug)]
struct User {
    spender: Spender,
    attack: Option<Attack>,
}

/// A user's next transaction, ordered by time, then by user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Next {
    time_us: i64,
    user: u32,
    origin: Origin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    /// The user's own, or in its place the thief's.
    Usual,
    /// One that the attack adds.
    Extra,
}

impl Retail {
    pub(crate) fn new(settings: &ScenarioSettings) -> anyhow::Result<Self> {
        let mut random = ChaCha8Rng::seed_from_u64(settings.seed);
        let laws = Laws::new()?;
        let start_us = settings.start_ms * US_PER_MS;
        let mut users = Vec::new();
        for _ in 0..settings.users.max(1) {
            let spender = Spender::draw(&laws, start_us, &mut random);
            let has_fraud = settings.scenario == Scenario::Fraud;
            let attack = if has_fraud { Attack::draw(settings, &spender, &mut random)? } else { None };
            users.push(User { spender, attack });
        }
        let activity: f64 = users.iter().map(|user| user.spender.activity).sum();
        let rate_per_us = settings.rate_per_second / US_PER_SECOND / PRESENT_SHARE / activity;
        let mut retail = Self { random, laws, users, queue: BinaryHeap::new(), rate_per_us, transactions: 0 };
        retail.begin(settings);
        Ok(retail)
    }

    /// Queues every user's first transaction.
    fn begin(&mut self, settings: &ScenarioSettings) {
        let (start_us, horizon_us) = (settings.start_ms * US_PER_MS, settings.horizon_seconds * US_PER_SECOND);
        for (number, user) in (0..).zip(&mut self.users) {
            let is_new = self.random.random_bool(NEW_USERS_SHARE);
            let wait_us = if is_new { whole_us(horizon_us * self.random.random_range(0.0..1.0)) } else { 0 };
            let first_us = next_us(&user.spender, start_us + wait_us, self.rate_per_us, &mut self.random);
            self.queue.push(Reverse(Next { time_us: first_us, user: number, origin: Origin::Usual }));
            let own_gap_us = own_gap_us(&user.spender, self.rate_per_us);
            let random = &mut self.random;
            let extra_us = user.attack.as_mut().and_then(|attack| attack.first_extra_us(first_us, own_gap_us, random));
            if let Some(time_us) = extra_us {
                self.queue.push(Reverse(Next { time_us, user: number, origin: Origin::Extra }));
            }
        }
    }

    /// Draws the next payment, and queues the one that follows it.
    fn take(&mut self, next: Next) -> Option<Payment> {
        let user = self.users.get_mut(usize::try_from(next.user).ok()?)?;
        let (random, rate) = (&mut self.random, self.rate_per_us);
        let (payment, time_us) = match (next.origin, &mut user.attack) {
            (Origin::Extra, Some(attack)) => {
                let own_gap_us = own_gap_us(&user.spender, rate);
                attack.extra(next.time_us, own_gap_us, &mut user.spender, random)
            }
            (Origin::Usual | Origin::Extra, _) => {
                let payment = user.usual(&self.laws, next.time_us, random);
                (payment, next_us(&user.spender, next.time_us, rate, random))
            }
        };
        self.queue.push(Reverse(Next { time_us, ..next }));
        Some(payment)
    }
}

impl User {
    /// Draws a payment at the user's own time and merchant.
    fn usual(&mut self, laws: &Laws, time_us: i64, random: &mut impl Rng) -> Payment {
        let own = self.spender.spend(time_us, random);
        let (amount, kind) = self.attack.as_mut().map_or((own, None), |attack| attack.ramp(time_us, own, random));
        Payment { amount, merchant: self.spender.visit(laws, random), kind }
    }
}

/// The mean time between two of the user's own transactions, in µs.
fn own_gap_us(spender: &Spender, rate_per_us: f64) -> f64 {
    1.0 / (spender.activity * rate_per_us)
}

/// Draws when the user pays next, by thinning: candidates occur at the highest rate, and each is accepted with the probability
/// (rate at its time) / (highest rate).
fn next_us(spender: &Spender, after_us: i64, rate_per_us: f64, random: &mut impl Rng) -> i64 {
    let rate_max = spender.activity * rate_per_us * FACTOR_MAX;
    let mut time_us = super::exact(after_us);
    loop {
        let gap: f64 = Exp1.sample(random);
        time_us += gap / rate_max;
        let candidate_us = whole_us(time_us);
        let share: f64 = random.random_range(0.0..1.0);
        // The clock's range ends here: no later candidate exists.
        if candidate_us == i64::MAX || share * FACTOR_MAX < spender.rhythm.factor(candidate_us) {
            return candidate_us;
        }
    }
}

impl Iterator for Retail {
    type Item = Generated;

    fn next(&mut self) -> Option<Generated> {
        let Reverse(next) = self.queue.pop()?;
        let Payment { amount, merchant, kind } = self.take(next)?;
        self.transactions += 1;
        Some(Generated {
            user_id: user_id(next.user + 1),
            amount,
            timestamp: next.time_us.div_euclid(US_PER_MS),
            transaction_id: format!("txn_{:09}", self.transactions),
            merchant_id: merchant.id(),
            kind,
        })
    }
}

#[cfg(test)]
mod surroundings;

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::tests::settings;
    use crate::{Kind, START_MS};

    const DAY_MS: i64 = 86_400_000;

    fn generate(settings: &ScenarioSettings) -> Vec<Generated> {
        let end_ms = START_MS + whole_us(settings.horizon_seconds * US_PER_SECOND) / US_PER_MS;
        Retail::new(settings).unwrap().take_while(|g| g.timestamp < end_ms).collect()
    }

    #[test]
    fn the_rate_holds_over_the_horizon() {
        // 56 days are whole weeks, so the mean of the rhythm is 1.
        let settings = settings(Scenario::Retail);
        let expected = settings.rate_per_second * settings.horizon_seconds;
        let count = f64::from(u32::try_from(generate(&settings).len()).unwrap());
        // The variance of a Poisson count, plus that of when 20 % of 200 users appear: each contributes its share of the rate,
        // times a uniform number of variance 1/12, with E[activity²] = e^0.49.
        let share = expected / PRESENT_SHARE / 200.0;
        let variance = expected + share * share * 0.49_f64.exp() * 40.0 / 12.0;
        assert!(
            (count - expected).abs() < 5.0 * variance.sqrt(),
            "{count}, not {expected} ± {}",
            5.0 * variance.sqrt()
        );
    }

    #[test]
    fn users_pay_by_day_and_a_fifth_of_them_are_new() {
        let generated = generate(&settings(Scenario::Retail));
        let hour = |g: &Generated| g.timestamp.rem_euclid(DAY_MS) / 3_600_000;
        let count = |hours: std::ops::Range<i64>| generated.iter().filter(|g| hours.contains(&hour(g))).count();
        assert!(count(13..17) > 5 * count(1..5));
        let late = |g: &&Generated| g.timestamp > START_MS + 14 * DAY_MS;
        let seen: BTreeSet<_> = generated.iter().filter(|g| !late(g)).map(|g| &g.user_id).collect();
        let new: BTreeSet<_> =
            generated.iter().filter(late).map(|g| &g.user_id).filter(|id| !seen.contains(id)).collect();
        // Three quarters of 20 % of 200 appear after the first quarter: 30 of them, ± five standard errors of a binomial.
        assert!((5..=57).contains(&new.len()), "{}", new.len());
    }

    #[test]
    fn ids_are_unique() {
        let generated = generate(&settings(Scenario::Retail));
        let ids: BTreeSet<_> = generated.iter().map(|g| &g.transaction_id).collect();
        assert_eq!(ids.len(), generated.len());
    }

    #[test]
    fn retail_has_no_fraud_and_fraud_labels_every_kind_correctly() {
        assert!(generate(&settings(Scenario::Retail)).iter().all(|g| g.kind.is_none()));
        let generated =
            generate(&ScenarioSettings { users: 1_000, rate_per_second: 0.05, ..settings(Scenario::Fraud) });
        let mut kinds: BTreeMap<Kind, Vec<&Generated>> = BTreeMap::new();
        for g in &generated {
            kinds.entry(g.kind.unwrap_or(Kind::Injected)).or_default().push(g);
        }
        let usual = kinds.remove(&Kind::Injected).unwrap();
        let expected = [Kind::LeakedCard, Kind::CardTesting, Kind::CashOut, Kind::SlowRamp];
        assert_eq!(kinds.keys().copied().collect::<Vec<_>>(), expected);
        assert!(kinds[&Kind::CardTesting].iter().all(|g| (0.5..=2.0).contains(&g.amount)));
        assert!(kinds[&Kind::CashOut].len() <= kinds[&Kind::CardTesting].len() / 3);
        // The unlabelled amounts of attacked users are their own: at the median, the thief's are five times as large.
        let median = |mut logs: Vec<f64>| {
            logs.sort_by(f64::total_cmp);
            logs[logs.len() / 2]
        };
        let of = |kind: Kind| kinds[&kind].iter().map(|g| g.user_id.as_str()).collect::<BTreeSet<_>>();
        let leaked = of(Kind::LeakedCard);
        let own = usual.iter().filter(|g| leaked.contains(g.user_id.as_str())).map(|g| g.amount.ln()).collect();
        let stolen = kinds[&Kind::LeakedCard].iter().map(|g| g.amount.ln()).collect();
        let factor = (median(stolen) - median(own)).exp();
        assert!((2.5..10.0).contains(&factor), "{factor}");
    }

    #[test]
    fn cards_are_stolen_after_the_horizon_as_often_as_before_it() {
        let settings = ScenarioSettings {
            horizon_seconds: 100.0 * 86_400.0,
            users: 2_000,
            rate_per_second: 0.005,
            ..settings(Scenario::Fraud)
        };
        let day = |g: &Generated| (g.timestamp - START_MS) / DAY_MS;
        let mut frauds = [0_u32; 5];
        for g in Retail::new(&settings).unwrap().take_while(|g| day(g) < 300).filter(|g| g.kind.is_some()) {
            frauds[usize::try_from(day(&g) / 60).unwrap()] += 1;
        }
        // All attacks begin in 60 days, from day 20 on. Two thirds of them go on for two weeks.
        let [first, more @ ..] = frauds;
        assert!(more.iter().all(|&count| count > first / 2), "{frauds:?}");
    }

    #[test]
    fn an_attack_lasts_at_most_two_weeks() {
        let generated = generate(&ScenarioSettings { horizon_seconds: 112.0 * 86_400.0, ..settings(Scenario::Fraud) });
        let mut spans: BTreeMap<(&str, Kind), (i64, i64)> = BTreeMap::new();
        for g in &generated {
            let Some(kind) = g.kind else { continue };
            let span = spans.entry((&g.user_id, kind)).or_insert((g.timestamp, g.timestamp));
            span.1 = g.timestamp;
        }
        assert!(!spans.is_empty() && spans.values().all(|(first, last)| last - first <= 14 * DAY_MS));
    }
}
