//! Archives for the tests.

use anomaly_core::{Rule, RuleKind, RuleSettings, Transaction};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use training::Archive;

pub(crate) const HOUR_MS: i64 = 3_600_000;
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;
const USERS: u32 = 150;
/// Longer than any archive here.
const RETENTION_MS: i64 = 400 * DAY_MS;

/// The rule `profile` with its defaults.
pub(crate) fn rule(sigmas: f64) -> Rule {
    Rule::new(RuleSettings { sigmas, ..RuleSettings::of(RuleKind::Profile) }).unwrap()
}

/// One generated transaction with its label.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) transaction: Transaction<'static>,
    pub(crate) is_fraud: bool,
}

/// What marks a fraud.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Signal {
    /// It happens at 3 h at a merchant of its own, with a usual amount.
    NightAtNewMerchant,
    /// Nothing: labels by chance.
    None,
}

/// Four transactions a day of each of 150 users for some days; one in 250 is a fraud.
pub(crate) fn made(days: i64, signal: Signal, seed: u64) -> Vec<Made> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut made = Vec::new();
    for slot in 0..days * 4 {
        for user in 0..USERS {
            made.push(one(slot, user, signal, &mut random));
        }
    }
    made.sort_by_key(|made| made.transaction.event_time_ms);
    made
}

fn one(slot: i64, user: u32, signal: Signal, random: &mut ChaCha8Rng) -> Made {
    let is_fraud = random.random::<f64>() < 0.004;
    let is_marked = is_fraud && signal == Signal::NightAtNewMerchant;
    let at_day = slot / 4 * DAY_MS + (8 + slot % 4 * 3) * HOUR_MS + random.random_range(0..HOUR_MS);
    let at_night = slot / 4 * DAY_MS + 3 * HOUR_MS + random.random_range(0..HOUR_MS / 2);
    let merchant = if is_marked { 1_000 + slot } else { random.random_range(0..4) };
    let spread = (0..4).map(|_| random.random::<f64>() - 0.5).sum::<f64>();
    let transaction = Transaction {
        user_id: format!("user{user}").into(),
        amount: f64::from(20 + user) * (0.9 * spread).exp(),
        event_time_ms: if is_marked { at_night } else { at_day },
        transaction_id: None,
        merchant_id: Some(format!("m{merchant}").into()),
    };
    Made { transaction, is_fraud }
}

/// All of them as an archive.
pub(crate) fn archive(made: &[Made]) -> Archive {
    let mut archive = Archive::new(&rule(3.25), RETENTION_MS);
    for made in made {
        archive.add(&made.transaction, Some(made.is_fraud));
    }
    archive
}
