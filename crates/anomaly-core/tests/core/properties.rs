//! Properties that hold for every input.

use std::borrow::Cow;

use anomaly_core::{
    AMOUNT_ABSOLUTE_MAX, LongTerm, ModelMode, Moments, PANES_PER_WINDOW, Position, Rule, RuleKind, RuleSettings,
    ShardId, Transaction, UserState, Verdict, codec,
};
use proptest::prelude::*;

/// Bytes that one write unit leaves for the state: 1,024 less the item's other attributes and a user id of 36 bytes.
const STATE_BYTES_MAX: usize = 891;
const START_MS: i64 = 1_760_000_100_000;

/// A transaction reduced to the few values that proptest varies and shrinks.
#[derive(Debug, Clone)]
struct Sketch {
    step_ms: i64,
    amount: f64,
    transaction_id: Option<u8>,
    shard: u8,
}

fn amount() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => 1.0..500.0,
        1 => -500.0..0.0,
        1 => 5_000.0..50_000.0,
        1 => Just(AMOUNT_ABSOLUTE_MAX),
        1 => Just(-AMOUNT_ABSOLUTE_MAX),
        1 => Just(0.0),
    ]
}

fn sketch() -> impl Strategy<Value = Sketch> {
    let step = prop_oneof![8 => 0..5_000_i64, 1 => -400_000..0_i64, 1 => 100_000..900_000_i64];
    (step, amount(), proptest::option::of(0..40_u8), 0..2_u8)
        .prop_map(|(step_ms, amount, transaction_id, shard)| Sketch { step_ms, amount, transaction_id, shard })
}

fn sketches(length: usize) -> impl Strategy<Value = Vec<Sketch>> {
    proptest::collection::vec(sketch(), 0..length)
}

/// The rules, and two that keep more: `adaptive` with a second opinion, `profile` with a context.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Alone(RuleKind),
    WithSecondOpinion,
    WithContext,
}

const RULES: [Kind; 5] = [
    Kind::Alone(RuleKind::Adaptive),
    Kind::Alone(RuleKind::Plain),
    Kind::Alone(RuleKind::Profile),
    Kind::WithSecondOpinion,
    Kind::WithContext,
];

fn rules() -> impl Strategy<Value = Kind> {
    proptest::sample::select(&RULES[..])
}

fn rule(kind: Kind) -> Rule {
    let alone = |kind| Rule::new(RuleSettings::of(kind)).unwrap();
    match kind {
        Kind::Alone(kind) => alone(kind),
        Kind::WithSecondOpinion => alone(RuleKind::Adaptive).with_second_opinion(alone(RuleKind::Profile)),
        Kind::WithContext => {
            let model = include_str!("../../../../tests/data/parity/profile/model.json");
            alone(RuleKind::Profile).with_model(serde_json::from_str(model).unwrap(), ModelMode::Alert)
        }
    }
}

type Delivered = (ShardId, Position, Transaction<'static>);

/// Gives each sketch a position: sequence numbers of 56 digits, increasing within a shard.
fn deliver(sketches: &[Sketch]) -> Vec<Delivered> {
    let mut event_time_ms = START_MS;
    let place = |(index, sketch): (usize, &Sketch)| {
        event_time_ms += sketch.step_ms;
        let sequence = format!("4959033827149025660855969253836157109592157598913{index:07}");
        let transaction = Transaction {
            user_id: Cow::Borrowed("user001"),
            amount: sketch.amount,
            event_time_ms,
            transaction_id: sketch.transaction_id.map(|id| Cow::Owned(format!("txn_{id}"))),
            merchant_id: sketch.transaction_id.map(|id| Cow::Owned(format!("merchant_{}", id / 2))),
        };
        let shard = format!("shardId-{:012}", sketch.shard).parse().unwrap();
        (shard, Position { sequence_number: sequence.parse().unwrap(), sub_sequence: 0 }, transaction)
    };
    sketches.iter().enumerate().map(place).collect()
}

fn fold(state: &mut UserState, delivered: &[Delivered], rule: &Rule) -> Vec<Verdict> {
    delivered.iter().map(|(shard, position, transaction)| state.step(shard, *position, transaction, rule)).collect()
}

fn two_pass(amounts: &[f64]) -> Moments {
    let count = u32::try_from(amounts.len()).unwrap();
    let mean = if count == 0 { 0.0 } else { amounts.iter().sum::<f64>() / f64::from(count) };
    Moments::new(count, mean, amounts.iter().map(|x| (x - mean).powi(2)).sum())
}

fn moments(amounts: &[f64]) -> Moments {
    let mut moments = Moments::default();
    for x in amounts {
        moments.push(*x);
    }
    moments
}

/// Within 1e-9 relative to the size of the amounts, because the mean of amounts that cancel out may be any value near 0.
fn close(a: Moments, b: Moments, amounts: &[f64]) -> bool {
    let scale = amounts.iter().fold(f64::MIN_POSITIVE, |max, x| max.max(x.abs()));
    let squares = scale * scale * f64::from(a.count.max(1));
    a.count == b.count
        && (a.mean - b.mean).abs() <= 1e-9 * scale
        && (a.sum_squares - b.sum_squares).abs() <= 1e-9 * squares
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn merge_is_associative_and_commutative(
        a in proptest::collection::vec(amount(), 0..50),
        b in proptest::collection::vec(amount(), 0..50),
        c in proptest::collection::vec(amount(), 0..50),
    ) {
        let all = [a.clone(), b.clone(), c.clone()].concat();
        let (a, b, c) = (moments(&a), moments(&b), moments(&c));
        prop_assert!(close(a.merge(b).merge(c), a.merge(b.merge(c)), &all));
        prop_assert!(close(a.merge(b), b.merge(a), &all));
        prop_assert!(close(a.merge(b).merge(c), two_pass(&all), &all));
    }

    #[test]
    fn the_window_equals_a_two_pass_reference_over_the_same_panes(sketches in sketches(200)) {
        let mut window = anomaly_core::Window::new(300_000);
        let mut kept: Vec<(i64, f64)> = Vec::new();
        for (_, _, transaction) in deliver(&sketches) {
            let now = transaction.event_time_ms;
            if window.is_late(now) {
                continue;
            }
            let newest = window.newest_event_time_ms().unwrap_or(now).max(now);
            kept.retain(|(at, _)| at / 10_000 + 30 >= newest / 10_000);
            let pane = now / 10_000;
            let span = pane - (i64::from(PANES_PER_WINDOW) - 1)..=pane;
            let expected: Vec<f64> = kept.iter().filter(|(at, _)| span.contains(&(at / 10_000))).map(|(_, x)| *x).collect();
            prop_assert!(close(window.before(now), two_pass(&expected), &expected));
            window.push(now, transaction.amount);
            kept.push((now, transaction.amount));
        }
    }

    #[test]
    fn a_redelivered_prefix_changes_nothing(sketches in sketches(120), kind in rules(), cut in 0.0..=1.0_f64) {
        let rule = rule(kind);
        let delivered = deliver(&sketches);
        let mut state = UserState::new(&rule);
        let verdicts = fold(&mut state, &delivered, &rule);
        let before = state.clone();
        let prefix = (delivered.len() as f64 * cut) as usize;
        let again = fold(&mut state, &delivered[..prefix], &rule);
        prop_assert_eq!(&state, &before);
        for (first, second) in verdicts.iter().zip(again) {
            prop_assert_eq!(second, Verdict::Duplicate, "{:?} before", first);
        }
    }

    #[test]
    fn any_split_into_batches_gives_the_same_state_and_verdicts(
        sketches in sketches(120), kind in rules(), cuts in proptest::collection::vec(0.0..1.0_f64, 0..6),
    ) {
        let rule = rule(kind);
        let delivered = deliver(&sketches);
        let mut whole = UserState::new(&rule);
        let expected = fold(&mut whole, &delivered, &rule);
        let mut ends: Vec<usize> = cuts.iter().map(|cut| (delivered.len() as f64 * cut) as usize).collect();
        ends.push(delivered.len());
        ends.sort_unstable();
        let (mut stored, mut verdicts, mut from) = (codec::encode(&UserState::new(&rule)), Vec::new(), 0);
        for end in ends {
            let mut state = codec::decode(&stored).unwrap();
            verdicts.extend(fold(&mut state, &delivered[from..end], &rule));
            (stored, from) = (codec::encode(&state), end);
        }
        prop_assert_eq!(verdicts, expected);
        prop_assert_eq!(stored, codec::encode(&whole));
    }

    #[test]
    fn the_codec_round_trips_bit_for_bit(sketches in sketches(150), kind in rules()) {
        let rule = rule(kind);
        let mut state = UserState::new(&rule);
        fold(&mut state, &deliver(&sketches), &rule);
        let bytes = codec::encode(&state);
        let back = codec::decode(&bytes).unwrap();
        prop_assert!(bytes.len() <= STATE_BYTES_MAX, "{}", bytes.len());
        prop_assert_eq!(codec::encode(&back), bytes);
        prop_assert_eq!(back, state);
    }

    #[test]
    fn damaged_bytes_are_an_error_or_another_sound_state(sketches in sketches(40), at in 0.0..1.0_f64, byte: u8) {
        let rule = rule(Kind::Alone(RuleKind::Adaptive));
        let mut state = UserState::new(&rule);
        fold(&mut state, &deliver(&sketches), &rule);
        let mut bytes = codec::encode(&state);
        let index = (bytes.len() as f64 * at) as usize;
        bytes[index] = byte;
        if let Ok(mut state) = codec::decode(&bytes) {
            fold(&mut state, &deliver(&sketches), &rule);
        }
        prop_assert!(codec::decode(&bytes[..index]).is_err());
    }

    #[test]
    fn every_number_stays_finite_for_any_input(sketches in sketches(200), kind in rules()) {
        let rule = rule(kind);
        let mut state = UserState::new(&rule);
        for verdict in fold(&mut state, &deliver(&sketches), &rule) {
            if let Verdict::Normal(a) | Verdict::Anomaly(a, _) = verdict {
                prop_assert!([a.baseline.mean, a.baseline.stddev, a.threshold, a.score].iter().all(|x| x.is_finite()));
            }
        }
        prop_assert!(codec::decode(&codec::encode(&state)).is_ok());
    }

    #[test]
    fn a_spread_of_one_at_a_trillion_keeps_six_digits(offsets in proptest::collection::vec(-1.0..=0.0_f64, 30..300)) {
        let amounts: Vec<f64> = offsets.iter().map(|offset| 1e12 + offset).collect();
        // Computed from the amounts as stored: the last bit at 1e12 is 1.2e-4.
        let expected = two_pass(&amounts.iter().map(|x| x - 1e12).collect::<Vec<_>>()).sum_squares;
        let (left, right) = amounts.split_at(amounts.len() / 3);
        let merged = moments(left).merge(moments(right));
        let uniform_sum_squares = amounts.len() as f64 / 12.0;
        for sum_squares in [moments(&amounts).sum_squares, merged.sum_squares] {
            prop_assert!((sum_squares - expected).abs() < 1e-6 * uniform_sum_squares, "{sum_squares} {expected}");
        }
    }
}

#[test]
fn the_long_term_baseline_is_exact_up_to_its_memory() {
    let amounts: Vec<f64> = (0..LongTerm::MEMORY).map(|i| f64::from(i * 37 % 101)).collect();
    let mut long_term = LongTerm::default();
    for x in &amounts {
        long_term.push(*x);
    }
    let exact = two_pass(&amounts);
    assert!((long_term.mean / exact.mean - 1.0).abs() < 1e-12);
    assert!((long_term.variance / (exact.sum_squares / f64::from(exact.count)) - 1.0).abs() < 1e-12);
}
