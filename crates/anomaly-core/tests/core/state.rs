//! The state machine, one rule for each test.

use std::borrow::Cow;

use anomaly_core::{Position, Rule, RuleKind, RuleSettings, ShardId, Transaction, UserState, Verdict, Windowed};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use statrs::distribution::{ContinuousCDF, Normal};

struct User {
    rule: Rule,
    state: UserState,
}

impl User {
    fn new() -> Self {
        let rule = Rule::new(RuleSettings::default()).unwrap();
        Self { state: UserState::new(&rule), rule }
    }

    fn step(&mut self, shard: &str, sequence: u64, amount: f64, event_time_ms: i64, id: Option<&str>) -> Verdict {
        let shard: ShardId = shard.parse().unwrap();
        let position = Position { sequence_number: sequence.to_string().parse().unwrap(), sub_sequence: 0 };
        let transaction = Transaction {
            user_id: Cow::Borrowed("user001"),
            amount,
            event_time_ms,
            transaction_id: id.map(Cow::Borrowed),
            merchant_id: None,
        };
        self.state.step(&shard, position, &transaction, &self.rule)
    }

    fn warm(&mut self) {
        for i in 0..20 {
            self.step("shardId-000000000000", i, 100.0 + (i % 7) as f64, 1_000_000 + i as i64 * 1_000, None);
        }
    }
}

fn windowed(state: &UserState) -> &Windowed {
    state.memory().windowed().unwrap()
}

const SHARD: &str = "shardId-000000000000";

#[test]
fn a_warm_user_is_judged_and_a_new_one_is_not() {
    let mut user = User::new();
    assert_eq!(user.step(SHARD, 1, 100.0, 1_000_000, None), Verdict::WarmingUp);
    user.warm();
    assert!(matches!(user.step(SHARD, 99, 100.0, 1_020_000, None), Verdict::Normal(_)));
    assert!(matches!(user.step(SHARD, 100, 9_000.0, 1_020_000, None), Verdict::Anomaly(..)));
}

/// A number from the normal distribution with mean 100 and standard deviation 10.
fn normal(random: &mut ChaCha8Rng) -> f64 {
    Normal::new(100.0, 10.0).unwrap().inverse_cdf(random.random_range(f64::EPSILON..1.0))
}

#[test]
fn usual_amounts_alert_as_rarely_as_sigma_promises_from_the_first_judgement_on() {
    const USERS: u32 = 20_000;
    const TRANSACTIONS: usize = 17;
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let (mut judged, mut alerts) = ([0_u32; TRANSACTIONS], [0_u32; TRANSACTIONS]);
    for _ in 0..USERS {
        let mut user = User::new();
        for i in 0..TRANSACTIONS {
            let verdict = user.step(SHARD, i as u64, normal(&mut random), 1_000_000 + i as i64 * 1_000, None);
            judged[i] += u32::from(matches!(verdict, Verdict::Normal(_) | Verdict::Anomaly(..)));
            alerts[i] += u32::from(matches!(verdict, Verdict::Anomaly(..)));
        }
    }
    assert_eq!((judged[8], judged[9]), (0, USERS), "nine are needed; the tenth is judged");
    let promised = 1.0 - Normal::standard().cdf(2.5);
    // Four standard errors.
    let tolerance = 4.0 * (promised / f64::from(USERS)).sqrt();
    for i in [9, 10, 12, 16] {
        let rate = f64::from(alerts[i]) / f64::from(USERS);
        assert!((rate - promised).abs() < tolerance, "transaction {}: {rate} instead of {promised}", i + 1);
    }
}

#[test]
fn a_refund_does_not_blind_the_rule() {
    let mut user = User::new();
    user.warm();
    assert!(matches!(user.step(SHARD, 100, -50_000.0, 1_020_000, None), Verdict::Normal(_)));
    assert!(matches!(user.step(SHARD, 101, 1_000.0, 1_020_001, None), Verdict::Anomaly(..)));
}

#[test]
fn an_outlier_does_not_hide_the_next_one() {
    let mut user = User::new();
    user.warm();
    for i in 0..5 {
        let verdict = user.step(SHARD, 100 + i, 9_000.0, 1_020_000 + i as i64, None);
        assert!(matches!(verdict, Verdict::Anomaly(..)), "outlier {i}");
    }
}

#[test]
fn a_redelivered_sequence_number_changes_nothing() {
    let mut user = User::new();
    user.warm();
    let before = user.state.clone();
    assert_eq!(user.step(SHARD, 19, 9_000.0, 1_030_000, None), Verdict::Duplicate);
    assert_eq!(user.state, before);
}

#[test]
fn a_producers_retry_is_a_duplicate_even_from_another_shard() {
    let mut user = User::new();
    user.step(SHARD, 1, 50.0, 1_000_000, Some("txn_1"));
    assert_eq!(user.step("shardId-000000000001", 9, 50.0, 1_000_100, Some("txn_1")), Verdict::Duplicate);
    assert_eq!(user.step(SHARD, 2, 51.0, 1_000_100, Some("txn_1")), Verdict::WarmingUp, "another amount");
    assert_eq!(user.step(SHARD, 3, 50.0, 1_000_100, None), Verdict::WarmingUp, "without an id it is not recognised");
}

#[test]
fn a_producers_retry_stays_a_duplicate_when_its_transaction_is_no_longer_recent() {
    let mut user = User::new();
    user.step(SHARD, 1, 50.0, 1_000_000, Some("txn_1"));
    assert_eq!(user.step("shardId-000000000001", 9, 50.0, 1_000_000, Some("txn_1")), Verdict::Duplicate);
    for i in 0..16 {
        user.step(SHARD, 10 + i, 60.0, 1_000_000, Some(&format!("other_{i}")));
    }
    assert_eq!(user.step("shardId-000000000001", 9, 50.0, 1_000_000, Some("txn_1")), Verdict::Duplicate);
}

#[test]
fn positions_of_different_shards_do_not_compare() {
    let mut user = User::new();
    user.step("shardId-000000000000", 1_000, 50.0, 1_000_000, None);
    assert_eq!(user.step("shardId-000000000001", 5, 50.0, 1_000_000, None), Verdict::WarmingUp);
    assert_eq!(user.step("shardId-000000000000", 1_000, 50.0, 1_000_000, None), Verdict::Duplicate);
}

#[test]
fn a_late_transaction_is_not_folded_in_and_is_late_only_once() {
    let mut user = User::new();
    user.warm();
    let before = user.state.clone();
    assert_eq!(user.step(SHARD, 50, 9_000.0, 1_019_000 - 300_000, None), Verdict::Late);
    assert_eq!(user.state.memory(), before.memory());
    assert_eq!(user.step(SHARD, 50, 9_000.0, 1_019_000 - 300_000, None), Verdict::Duplicate);
}

#[test]
fn a_backfill_in_order_is_not_late() {
    let mut user = User::new();
    for i in 0..20 {
        let verdict = user.step(SHARD, i, 100.0 + (i % 5) as f64, i as i64 * 86_400_000, None);
        assert_ne!(verdict, Verdict::Late);
    }
}

#[test]
fn another_window_length_restarts_the_window_and_keeps_the_rest() {
    let mut user = User::new();
    user.warm();
    let long_term = windowed(&user.state).long_term;
    user.rule = Rule::new(RuleSettings { window_seconds: 3_600, ..RuleSettings::default() }).unwrap();
    assert!(matches!(user.step(SHARD, 20, 101.0, 1_020_000, None), Verdict::Normal(_)));
    assert_eq!(windowed(&user.state).window.before(1_020_000).count, 1);
    assert_eq!(windowed(&user.state).long_term.count, long_term.count + 1);
    assert_eq!(user.step(SHARD, 20, 101.0, 1_020_000, None), Verdict::Duplicate);
}

/// `plain` judges by the window alone and feeds the long-term baseline all the same, for the day on which the rule is switched.
#[test]
fn an_outlier_under_plain_does_not_blind_adaptive() {
    let settings = |kind| Rule::new(RuleSettings { kind, ..RuleSettings::default() }).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut user = User::new();
    user.rule = settings(RuleKind::Plain);
    let minute = |i: u64| 1_000_000 + i64::try_from(i).unwrap() * 60_000;
    for i in 0..400 {
        let amount = if i == 380 { 1e6 } else { normal(&mut random) };
        user.step(SHARD, i, amount, minute(i), None);
    }
    user.rule = settings(RuleKind::Adaptive);
    for i in 400..455 {
        user.step(SHARD, i, normal(&mut random), minute(i), None);
    }
    assert!(matches!(user.step(SHARD, 455, 550.0, minute(455), None), Verdict::Anomaly(..)), "45 standard deviations");
}
