//! What a state takes in memory. A step of one user among a million waits for memory, and each allocation is a wait of its own.

use std::borrow::Cow;

use anomaly_core::{ModelMode, Position, Rule, RuleKind, RuleSettings, ShardId, Transaction, UserState, codec};

/// Seven cache lines of 64 bytes.
const STATE_BYTES_MAX: usize = 448;
const START_MS: i64 = 1_760_000_100_000;

fn alone(kind: RuleKind) -> Rule {
    Rule::new(RuleSettings::of(kind)).unwrap()
}

/// A user with a transaction at a merchant every 5 s, so that every pane and every list fills up.
fn busy_user(rule: &Rule, shards: usize) -> UserState {
    user(rule, shards, 5_000)
}

/// A user with a transaction at a merchant every `gap_ms`.
fn user(rule: &Rule, shards: usize, gap_ms: i64) -> UserState {
    let mut state = UserState::new(rule);
    for place in 0..200_usize {
        let shard: ShardId = format!("shardId-{:012}", place % shards).parse().unwrap();
        let sequence = format!("4959033827149025660855969253836157109592157598913{place:07}");
        let position = Position { sequence_number: sequence.parse().unwrap(), sub_sequence: 0 };
        let transaction = Transaction {
            user_id: Cow::Borrowed("u"),
            amount: 100.0,
            event_time_ms: START_MS + i64::try_from(place).unwrap() * gap_ms,
            transaction_id: Some(Cow::Owned(format!("txn_{place}"))),
            merchant_id: Some(Cow::Owned(format!("merchant_{place}"))),
        };
        state.step(&shard, position, &transaction, rule);
    }
    state
}

/// How many allocations a state keeps, and their bytes.
fn kept(make: impl FnOnce() -> UserState) -> (i64, i64) {
    let mut state = None;
    let memory = allocation_counter::measure(|| state = Some(make()));
    drop(state);
    (memory.count_current, memory.bytes_current)
}

#[test]
fn a_state_is_seven_cache_lines() {
    let bytes = size_of::<UserState>();
    println!("{bytes} bytes");
    assert!(bytes <= STATE_BYTES_MAX, "{bytes}");
}

#[test]
fn a_user_in_one_shard_needs_one_allocation_at_most() {
    let model = include_str!("../../../../tests/data/parity/profile/model.json");
    let with_context = alone(RuleKind::Profile).with_model(serde_json::from_str(model).unwrap(), ModelMode::Alert);
    let with_second_opinion = alone(RuleKind::Adaptive).with_second_opinion(alone(RuleKind::Profile));
    for (name, rule, allocations_max) in [
        ("adaptive", alone(RuleKind::Adaptive), 1),
        ("plain", alone(RuleKind::Plain), 1),
        ("profile", alone(RuleKind::Profile), 0),
        ("profile with a context", with_context, 1),
        ("adaptive with a second opinion, which is a second memory", with_second_opinion, 2),
    ] {
        let busy = busy_user(&rule, 1);
        let stored = codec::encode(&busy);
        for (what, (allocations, bytes)) in [
            ("new", kept(|| UserState::new(&rule))),
            ("stepped", kept(|| busy_user(&rule, 1))),
            ("copied", kept(|| busy.clone())),
            ("read", kept(|| codec::decode(&stored).unwrap())),
        ] {
            println!("{name}, {what}: {allocations} allocations of {bytes} bytes");
            assert!(allocations <= allocations_max, "{name}, {what}: {allocations} allocations of {bytes} bytes");
        }
    }
}

#[test]
fn a_user_with_few_transactions_in_a_window_needs_no_allocation() {
    for kind in RuleKind::ALL {
        assert_eq!(kept(|| user(&alone(kind), 1, 100_000)).0, 0, "{kind:?}");
    }
}

#[test]
fn a_user_in_more_shards_needs_one_allocation_more() {
    let rule = alone(RuleKind::Profile);
    assert_eq!(kept(|| busy_user(&rule, 4)).0, 1);
}
