//! Stored bytes: either refused, or exactly what the codec writes for a state on which every rule still computes finite numbers.

use std::borrow::Cow;
use std::sync::OnceLock;

use anomaly_core::{
    AMOUNT_ABSOLUTE_MAX, ModelMode, Position, Rule, RuleKind, RuleSettings, ShardId, Transaction, UserState, Verdict,
    codec,
};

use super::ARRIVAL_MS;

pub(super) fn run(input: &[u8]) {
    let Ok(state) = codec::decode(input) else { return };
    assert_eq!(codec::encode(&state), input, "one state has two encodings");
    for rule in rules() {
        assert_finite(state.clone(), rule);
    }
}

fn rules() -> &'static [Rule] {
    static RULES: OnceLock<Vec<Rule>> = OnceLock::new();
    let rule = |kind| Rule::new(RuleSettings::of(kind)).unwrap();
    let model = || serde_json::from_str(include_str!("../../../../data/parity/profile/model.json")).unwrap();
    RULES.get_or_init(|| {
        let second = rule(RuleKind::Adaptive).with_second_opinion(rule(RuleKind::Profile));
        let trained = rule(RuleKind::Profile).with_model(model(), ModelMode::Alert);
        RuleKind::ALL.map(rule).into_iter().chain([second, trained]).collect()
    })
}

/// Steps through transactions near the newest one of the state, and far from it.
fn assert_finite(mut state: UserState, rule: &Rule) {
    let shard: ShardId = "shardId-000000000042".parse().unwrap();
    let newest = state.memory().newest_event_time_ms().unwrap_or(ARRIVAL_MS);
    let times = [newest, newest - 299_999, newest + 1, newest + 10_000, newest + 299_999, newest + 1_000_000, 0];
    let amounts = [100.0, AMOUNT_ABSOLUTE_MAX, -AMOUNT_ABSOLUTE_MAX, 0.0, f64::MIN_POSITIVE];
    for (number, (time, amount)) in times.into_iter().flat_map(|time| amounts.map(|amount| (time, amount))).enumerate()
    {
        let position =
            Position { sequence_number: format!("9{}{number:02}", "0".repeat(126)).parse().unwrap(), sub_sequence: 0 };
        let transaction = transaction(time.clamp(0, anomaly_core::EVENT_TIME_MS_MAX), amount, number);
        if let Verdict::Normal(a) | Verdict::Anomaly(a, _) = state.step(&shard, position, &transaction, rule) {
            let numbers = [a.baseline.mean, a.baseline.stddev, a.threshold, a.score];
            assert!(numbers.iter().all(|x| x.is_finite()), "{a:?}");
        }
        assert_eq!(state.step(&shard, position, &transaction, rule), Verdict::Duplicate);
    }
    let bytes = codec::encode(&state);
    assert_eq!(codec::decode(&bytes).as_ref(), Ok(&state));
}

fn transaction(event_time_ms: i64, amount: f64, number: usize) -> Transaction<'static> {
    let transaction_id = Some(Cow::Owned(format!("txn_{number}")));
    Transaction { user_id: Cow::Borrowed("u"), amount, event_time_ms, transaction_id, merchant_id: None }
}
