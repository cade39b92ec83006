//! `profile` as a rule of the state machine: switching, both directions, sizes, and what it keeps beside another rule.

use std::borrow::Cow;

use anomaly_core::{
    Direction, ModelMode, Position, Rule, RuleKind, RuleSettings, Severity, ShardId, Transaction, UserState, Verdict,
    codec,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use statrs::distribution::{ContinuousCDF, Normal};

const START_MS: i64 = 1_760_000_100_000;
/// Bytes that one write unit leaves for the state: 1,024 less the item's other attributes and a user id of 36 bytes.
const STATE_BYTES_MAX: usize = 891;

fn alone(kind: RuleKind) -> Rule {
    Rule::new(RuleSettings::of(kind)).unwrap()
}

fn with_second_opinion() -> Rule {
    alone(RuleKind::Adaptive).with_second_opinion(alone(RuleKind::Profile))
}

fn with_model(mode: ModelMode) -> Rule {
    let model = include_str!("../../../../tests/data/parity/profile/model.json");
    alone(RuleKind::Profile).with_model(serde_json::from_str(model).unwrap(), mode)
}

/// A user who pays once a minute.
#[derive(Clone)]
struct User {
    state: UserState,
    sequence: u64,
}

impl User {
    fn new(rule: &Rule) -> Self {
        Self { state: UserState::new(rule), sequence: 0 }
    }

    fn pay(&mut self, amount: f64, rule: &Rule) -> Verdict {
        self.sequence += 1;
        let shard: ShardId = "shardId-000000000000".parse().unwrap();
        let sequence = format!("4959033827149025660855969253836157109592157598913{:07}", self.sequence);
        let position = Position { sequence_number: sequence.parse().unwrap(), sub_sequence: 0 };
        let transaction = Transaction {
            user_id: Cow::Borrowed("user001"),
            amount,
            event_time_ms: START_MS + i64::try_from(self.sequence).unwrap() * 60_000,
            transaction_id: Some(Cow::Owned(format!("txn_{}", self.sequence))),
            merchant_id: Some(Cow::Owned(format!("merchant_{}", self.sequence % 40))),
        };
        self.state.step(&shard, position, &transaction, rule)
    }

    /// How many of the payments alert.
    fn pay_all(&mut self, amounts: &[f64], rule: &Rule) -> usize {
        amounts.iter().filter(|amount| is_anomaly(&self.pay(**amount, rule))).count()
    }
}

fn is_anomaly(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Anomaly(..))
}

/// Log-normal amounts around 40.
fn amounts(seed: u64, count: usize) -> Vec<f64> {
    use rand::RngExt;
    let (mut random, normal) = (ChaCha8Rng::seed_from_u64(seed), Normal::standard());
    let mut draw = || normal.inverse_cdf(random.random_range(f64::EPSILON..1.0));
    (0..count).map(|_| (40.0 * (0.5 * draw()).exp() * 100.0).round() / 100.0).collect()
}

#[test]
fn a_switch_keeps_what_the_other_rule_learnt() {
    let (adaptive, profile) = (alone(RuleKind::Adaptive), alone(RuleKind::Profile));
    for (before, after) in [(&adaptive, &profile), (&profile, &adaptive), (&adaptive, &with_second_opinion())] {
        let (mut switched, mut settled) = (0, 0);
        for seed in 0..20 {
            let (past, future) = (amounts(seed, 300), amounts(1_000 + seed, 100));
            let (mut new, mut old) = (User::new(before), User::new(after));
            new.pay_all(&past, before);
            old.pay_all(&past, after);
            assert!(is_anomaly(&new.clone().pay(2_000.0, after)), "at once, seed {seed}");
            switched += new.pay_all(&future, after);
            settled += old.pay_all(&future, after);
        }
        let kinds = (before.settings().kind, after.settings().kind);
        println!("{kinds:?}: {switched} alerts after the switch, {settled} without one");
        assert!(
            switched <= 2 * settled.max(10),
            "{kinds:?}: {switched} alerts after the switch, {settled} without one"
        );
    }
}

#[test]
fn too_little_is_not_taken_over() {
    let (adaptive, profile) = (alone(RuleKind::Adaptive), alone(RuleKind::Profile));
    for past in [vec![40.0; 5], vec![-40.0; 50], vec![0.0; 50]] {
        let mut user = User::new(&adaptive);
        user.pay_all(&past, &adaptive);
        assert_eq!(user.pay(40.0, &profile), Verdict::WarmingUp, "{past:?}");
    }
}

#[test]
fn both_directions_alert_on_what_is_far_too_small() {
    let up = alone(RuleKind::Profile);
    let both = Rule::new(RuleSettings { direction: Direction::Both, ..RuleSettings::of(RuleKind::Profile) }).unwrap();
    let mut user = User::new(&up);
    user.pay_all(&amounts(3, 200), &up);
    assert!(!is_anomaly(&user.clone().pay(0.02, &up)));
    for amount in [0.02, -500.0] {
        let Verdict::Anomaly(assessment, _) = user.clone().pay(amount, &both) else { panic!("{amount} is no anomaly") };
        assert!(assessment.score < -3.25, "{assessment:?}");
        assert!(assessment.threshold < assessment.baseline.mean && amount < assessment.threshold, "{assessment:?}");
        let explanation = assessment.explanation.unwrap();
        assert_eq!(assessment.score, explanation.own);
    }
    let Verdict::Anomaly(above, _) = user.clone().pay(2_000.0, &both) else { panic!("2,000 is no anomaly") };
    assert!(above.score > 3.25);
    // A lasting lower level is learnt like a higher one.
    assert!(user.pay_all(&[0.5; 100], &both) <= 12);
}

#[test]
fn both_directions_know_a_user_whose_amounts_are_negative() {
    let both = Rule::new(RuleSettings { direction: Direction::Both, ..RuleSettings::of(RuleKind::Profile) }).unwrap();
    let mut user = User::new(&both);
    let debits: Vec<f64> = amounts(9, 200).iter().map(|amount| -50.0 - amount / 8.0).collect();
    let alerts = user.pay_all(&debits, &both);
    assert!(alerts <= 4, "{alerts}");
    for amount in [-50_000.0, 5_000.0] {
        let Verdict::Anomaly(assessment, _) = user.clone().pay(amount, &both) else { panic!("{amount} is no anomaly") };
        assert!((-70.0..-50.0).contains(&assessment.baseline.mean), "{assessment:?}");
    }
}

#[test]
fn refunds_among_payments_are_not_taken_over() {
    let (adaptive, profile) = (alone(RuleKind::Adaptive), alone(RuleKind::Profile));
    let mut user = User::new(&adaptive);
    let past: Vec<f64> = (0..200).map(|i| if i % 2 == 0 { 100.0 } else { -99.9 }).collect();
    user.pay_all(&past, &adaptive);
    let alerts = user.pay_all(&past, &profile);
    assert!(alerts <= 5, "{alerts} alerts after the switch");
    let mut cents = User::new(&adaptive);
    cents.pay_all(&[0.001; 100], &adaptive);
    assert_eq!(cents.pay_all(&[0.001; 100], &profile), 0);
}

#[test]
fn a_switch_of_the_second_opinion_keeps_the_newest_event_time() {
    let (adaptive, both) = (alone(RuleKind::Adaptive), with_second_opinion());
    let mut user = User::new(&adaptive);
    user.pay_all(&amounts(10, 50), &adaptive);
    user.sequence = 20;
    user.state = codec::decode(&codec::encode(&user.state)).unwrap();
    let shard: ShardId = "shardId-000000000001".parse().unwrap();
    let position = Position { sequence_number: "1".parse().unwrap(), sub_sequence: 0 };
    let late = Transaction {
        user_id: Cow::Borrowed("user001"),
        amount: 1.0,
        event_time_ms: START_MS,
        transaction_id: None,
        merchant_id: None,
    };
    assert_eq!(user.state.step(&shard, position, &late, &both), Verdict::Late);
}

#[test]
fn the_parts_add_up_and_a_new_level_is_told() {
    let rule = alone(RuleKind::Profile);
    let mut user = User::new(&rule);
    user.pay_all(&amounts(4, 100), &rule);
    let mut levels = 0;
    for amount in amounts(5, 30).iter().map(|amount| amount * 30.0) {
        let (Verdict::Normal(assessment) | Verdict::Anomaly(assessment, _)) = user.pay(amount, &rule) else { continue };
        let explanation = assessment.explanation.unwrap();
        let sum = explanation.own + explanation.habit + explanation.heat + explanation.population;
        assert!((assessment.score - sum).abs() < 1e-12);
        let by_mean = assessment.baseline.mean + 3.25 * assessment.baseline.stddev;
        assert!((by_mean / assessment.threshold - 1.0).abs() < 1e-12);
        levels += usize::from(explanation.is_new_level);
    }
    assert_eq!(levels, 1);
}

#[test]
fn severities_begin_at_five_and_eight() {
    let rule = alone(RuleKind::Profile);
    let of = |score| rule.severity(score);
    assert_eq!(
        [3.3, 5.0, 7.9, 8.0, -9.0].map(of).map(Severity::as_str),
        ["warning", "high", "high", "critical", "critical"]
    );
    assert_eq!(alone(RuleKind::Adaptive).severity(8.0), Severity::High);
}

#[test]
fn a_model_annotates_unless_it_may_alert() {
    let (annotating, alerting) = (with_model(ModelMode::Annotate), with_model(ModelMode::Alert));
    let (mut annotated, mut alerted, mut plain) =
        (User::new(&annotating), User::new(&alerting), User::new(&alone(RuleKind::Profile)));
    let payments: Vec<f64> =
        amounts(6, 400).into_iter().enumerate().map(|(i, x)| if i % 37 == 36 { x * 8.0 } else { x }).collect();
    let with_annotation = annotated.pay_all(&payments, &annotating);
    assert_eq!(with_annotation, plain.pay_all(&payments, &alone(RuleKind::Profile)), "an opinion changes no verdict");
    assert!(alerted.pay_all(&payments, &alerting) >= with_annotation);
    let Verdict::Anomaly(assessment, _) = annotated.pay(5_000.0, &annotating) else { panic!("no anomaly") };
    assert!(assessment.explanation.unwrap().model.is_some());
}

#[test]
fn the_second_opinion_is_what_the_other_rule_says_alone() {
    let (both, profile) = (with_second_opinion(), alone(RuleKind::Profile));
    let (mut with_second, mut second) = (User::new(&both), User::new(&profile));
    for amount in amounts(7, 200) {
        let (first, other) = (with_second.pay(amount, &both), second.pay(amount, &profile));
        let (Verdict::Normal(first) | Verdict::Anomaly(first, _)) = first else { continue };
        let opinion = first.second.unwrap();
        assert_eq!(opinion.severity.is_some(), is_anomaly(&other));
        let (Verdict::Normal(other) | Verdict::Anomaly(other, _)) = other else { panic!("{other:?}") };
        assert_eq!((opinion.score, opinion.threshold), (other.score, other.threshold));
    }
}

/// Full states: every pane, four shards, sixteen recent transactions, 32 merchants.
#[test]
fn every_memory_fits_one_write_unit() {
    for (name, rule, bytes_max) in [
        ("profile", alone(RuleKind::Profile), 400),
        ("profile with a context", with_model(ModelMode::Annotate), 640),
        ("adaptive with a second opinion", with_second_opinion(), STATE_BYTES_MAX),
    ] {
        let mut user = User::new(&rule);
        for (place, amount) in amounts(8, 3_000).into_iter().enumerate() {
            let shard: ShardId = format!("shardId-{:012}", place % 4).parse().unwrap();
            let sequence = format!("4959033827149025660855969253836157109592157598913{place:07}");
            let position = Position { sequence_number: sequence.parse().unwrap(), sub_sequence: u32::MAX };
            let transaction = Transaction {
                user_id: Cow::Borrowed("u"),
                amount,
                event_time_ms: START_MS + i64::try_from(place).unwrap() * 1_000,
                transaction_id: Some(Cow::Owned(format!("txn_{place}"))),
                merchant_id: Some(Cow::Owned(format!("merchant_{}", place % 40))),
            };
            user.state.step(&shard, position, &transaction, &rule);
        }
        let bytes = codec::encode(&user.state);
        println!("{name}: {} bytes", bytes.len());
        assert!(bytes.len() <= bytes_max, "{name}: {} bytes", bytes.len());
        assert_eq!(codec::decode(&bytes).as_ref(), Ok(&user.state));
    }
}
