//! The simulator of the *Fraud Detection Handbook* (Y.-A. Le Borgne and others, chapter 3), with its constants.
//!
//! It goes by days. How long a day is follows from the rate: the average customer pays twice a day. `docs/scenarios.md` says what differs
//! from the handbook's own program.

mod customer;
mod terminals;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use customer::{Customer, PAYMENTS_A_DAY_MEAN};
use terminals::Terminal;

use super::{Generated, Kind, ScenarioSettings, US_PER_MS, US_PER_SECOND, exact, user_id, whole_us};

/// Amounts above this are fraud, whoever pays them.
const LARGE_AMOUNT: f64 = 220.0;
/// Terminals that are compromised each day, and for how many days they stay so.
const TERMINALS_A_DAY: u32 = 2;
const TERMINAL_DAYS: u32 = 28;
/// Cards that are leaked each day, as a share of the customers (3 of 5,000), and for how many days they are used.
const LEAKED_SHARE_A_DAY: f64 = 3.0 / 5_000.0;
const LEAKED_DAYS: u32 = 14;
/// A leaked card: the thief's share of the payments, and the factor on their amounts.
const THIEF_SHARE: f64 = 1.0 / 3.0;
const LEAKED_FACTOR: f64 = 5.0;

/// The transactions of [`Scenario::Handbook`](crate::Scenario::Handbook).
#[derive(Debug)]
pub struct Handbook {
    random: ChaCha8Rng,
    customers: Vec<Customer>,
    /// Compromised terminals with the day on which each no longer is.
    compromised: Vec<(Terminal, u32)>,
    start_us: f64,
    day_length_us: f64,
    /// The number of the next day.
    day: u32,
    /// The rest of the current day, the next one last.
    rest: Vec<Payment>,
    transactions: u64,
}

#[derive(Debug, Clone, Copy)]
struct Payment {
    time_us: i64,
    customer: u32,
    amount: f64,
    terminal: Terminal,
    kind: Option<Kind>,
}

impl Handbook {
    pub(crate) fn new(settings: &ScenarioSettings) -> anyhow::Result<Self> {
        let mut random = ChaCha8Rng::seed_from_u64(settings.seed);
        let users = settings.users.max(1);
        let customers = (0..users).map(|_| Customer::draw(&mut random)).collect::<Result<_, _>>()?;
        Ok(Self {
            random,
            customers,
            compromised: Vec::new(),
            start_us: exact(settings.start_ms * US_PER_MS),
            day_length_us: f64::from(users) * PAYMENTS_A_DAY_MEAN / settings.rate_per_second * US_PER_SECOND,
            day: 0,
            rest: Vec::new(),
            transactions: 0,
        })
    }

    /// Draws the next day.
    fn turn(&mut self) {
        self.compromise();
        self.leak();
        let begin_us = self.start_us + f64::from(self.day) * self.day_length_us;
        for (number, customer) in (0..).zip(&self.customers) {
            for _ in 0..customer.payments(&mut self.random) {
                let time_us = whole_us(begin_us + self.day_length_us * customer::time_of_day(&mut self.random));
                let terminal = customer.visit(&mut self.random);
                let is_compromised = self.compromised.iter().any(|(compromised, _)| *compromised == terminal);
                let (amount, kind) = judged(customer, self.day, is_compromised, &mut self.random);
                self.rest.push(Payment { time_us, customer: number, amount, terminal, kind });
            }
        }
        self.rest.sort_by_key(|payment| std::cmp::Reverse((payment.time_us, payment.customer)));
        self.day = self.day.saturating_add(1);
    }

    /// Draws the terminals that are compromised from today on.
    fn compromise(&mut self) {
        self.compromised.retain(|(_, end_day)| *end_day > self.day);
        for _ in 0..TERMINALS_A_DAY {
            self.compromised.push((Terminal::any(&mut self.random), self.day.saturating_add(TERMINAL_DAYS)));
        }
    }

    /// Draws the customers whose card is leaked from today on.
    fn leak(&mut self) {
        for customer in &mut self.customers {
            if self.random.random_bool(LEAKED_SHARE_A_DAY) {
                customer.leaked_until_day = self.day.saturating_add(LEAKED_DAYS);
            }
        }
    }
}

/// Draws an amount, and says in which way the payment is fraud. As in the handbook, a later kind replaces an earlier one.
fn judged(customer: &Customer, day: u32, is_compromised: bool, random: &mut ChaCha8Rng) -> (f64, Option<Kind>) {
    let amount = customer.amount(random);
    if day < customer.leaked_until_day && random.random_bool(THIEF_SHARE) {
        return (super::cents(amount * LEAKED_FACTOR), Some(Kind::LeakedCard));
    }
    let large = (amount > LARGE_AMOUNT).then_some(Kind::LargeAmount);
    (amount, if is_compromised { Some(Kind::CompromisedTerminal) } else { large })
}

impl Iterator for Handbook {
    type Item = Generated;

    fn next(&mut self) -> Option<Generated> {
        // The average customer pays twice a day, so it takes few days until someone does.
        while self.rest.is_empty() {
            self.turn();
        }
        let payment = self.rest.pop()?;
        self.transactions += 1;
        Some(Generated {
            user_id: user_id(payment.customer + 1),
            amount: payment.amount,
            timestamp: payment.time_us.div_euclid(US_PER_MS),
            transaction_id: format!("txn_{:09}", self.transactions),
            merchant_id: payment.terminal.id(),
            kind: payment.kind,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::tests::settings;
    use crate::{START_MS, Scenario};

    const DAY_MS: i64 = 86_400_000;
    const DAYS: i64 = 60;

    /// 2,000 customers with real days.
    fn generate() -> Vec<Generated> {
        let rate_per_second = 2_000.0 * 2.0 / 86_400.0;
        let settings = ScenarioSettings { users: 2_000, rate_per_second, ..settings(Scenario::Handbook) };
        let end_ms = START_MS + DAYS * DAY_MS;
        Handbook::new(&settings).unwrap().take_while(|g| g.timestamp < end_ms).collect()
    }

    fn share(part: usize, whole: usize) -> f64 {
        let [part, whole] = [part, whole].map(|count| f64::from(u32::try_from(count).unwrap()));
        part / whole
    }

    #[test]
    fn the_rate_says_how_long_a_day_is_and_nobody_pays_at_night() {
        let generated = generate();
        // 2,000 rates uniform in 0 to 4, of variance 4/3 each: the mean is 2 ± 0.129, five standard errors.
        let a_day = share(generated.len(), 2_000) / 60.0;
        assert!((a_day - 2.0).abs() < 0.129, "{a_day}");
        let at_noon = |g: &&Generated| ((g.timestamp - START_MS).rem_euclid(DAY_MS) - DAY_MS / 2).abs() < 20_000_000;
        // 68.3 % of a normal distribution are within one standard deviation; 3.1 % are outside the day and drawn again.
        let noon = share(generated.iter().filter(at_noon).count(), generated.len());
        assert!((noon - 0.683 / 0.969).abs() < 0.005, "{noon}");
    }

    #[test]
    fn each_kind_of_fraud_is_as_frequent_as_the_handbooks() {
        let generated = generate();
        // Past the 28th day as many terminals are compromised as there will ever be.
        let settled: Vec<_> = generated.iter().filter(|g| g.timestamp > START_MS + 28 * DAY_MS).collect();
        let mut kinds: BTreeMap<Kind, usize> = BTreeMap::new();
        settled.iter().filter_map(|g| g.kind).for_each(|kind| *kinds.entry(kind).or_default() += 1);
        let expected = [Kind::LeakedCard, Kind::LargeAmount, Kind::CompromisedTerminal];
        assert_eq!(kinds.keys().copied().collect::<Vec<_>>(), expected);
        // 56 of 10,000 terminals; a third of the payments of 14·3 in 5,000 customers. Both depend on who is drawn: within a fifth.
        assert!((share(kinds[&Kind::CompromisedTerminal], settled.len()) / 0.0056 - 1.0).abs() < 0.2, "{kinds:?}");
        assert!((share(kinds[&Kind::LeakedCard], settled.len()) / 0.0028 - 1.0).abs() < 0.2, "{kinds:?}");
        let of = |kind| generated.iter().filter(move |g| g.kind == Some(kind));
        assert!(of(Kind::LargeAmount).all(|g| g.amount > LARGE_AMOUNT));
        assert!(generated.iter().all(|g| g.kind.is_some() || g.amount <= LARGE_AMOUNT));
    }

    #[test]
    fn a_terminal_is_compromised_for_28_days_and_a_card_leaked_for_14() {
        let generated = generate();
        let day = |g: &Generated| (g.timestamp - START_MS).div_euclid(DAY_MS);
        let mut leaked: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
        for g in generated.iter().filter(|g| g.kind == Some(Kind::LeakedCard)) {
            leaked.entry(&g.user_id).or_default().insert(day(g));
        }
        let lengths: Vec<_> = leaked.values().map(|days| days.last().unwrap() - days.first().unwrap()).collect();
        // A card that is leaked twice is the exception: 36 are leaked in 60 days, of 2,000.
        assert!(lengths.iter().filter(|length| **length >= i64::from(LEAKED_DAYS)).count() <= 3, "{lengths:?}");
        let compromised = |g: &&Generated| g.kind == Some(Kind::CompromisedTerminal);
        let (busiest, _) = generated.iter().filter(compromised).fold(("", 0), |(id, most), g| {
            let count = generated.iter().filter(compromised).filter(|other| other.merchant_id == g.merchant_id).count();
            if count > most { (&g.merchant_id, count) } else { (id, most) }
        });
        let at: Vec<_> = generated.iter().filter(|g| g.merchant_id == busiest).collect();
        let days: BTreeSet<_> = at.iter().filter(|g| compromised(g)).map(|g| day(g)).collect();
        let (first, last) = (*days.first().unwrap(), *days.last().unwrap());
        assert!(last - first < 28);
        assert!(at.iter().filter(|g| (first..=last).contains(&day(g))).all(|g| g.kind.is_some()));
    }
}
