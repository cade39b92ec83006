//! A payload is either a sound transaction that agrees with the JSON, or rejected for one justified reason.

use anomaly_core::{AMOUNT_ABSOLUTE_MAX, EVENT_TIME_MS_MAX, ID_CHARACTERS_MAX, RejectReason, Transaction};
use intake::record::{RECORD_BYTES_MAX, decode};
use serde_json::Value;

use super::{ARRIVAL_MS, CLOCK_SKEW_MS};

pub(super) fn run(input: &[u8]) {
    let json = serde_json::from_slice::<Value>(input);
    match decode(input, ARRIVAL_MS, CLOCK_SKEW_MS) {
        Ok(transaction) => {
            assert_sound(&transaction);
            // `serde_json::Value` refuses some input that `decode` accepts: nesting below 128 levels, and numbers that no field needs.
            if let Ok(json) = json {
                assert_agrees(&transaction, &json);
            }
        }
        Err(reason) => assert_justified(reason, input, json.ok().as_ref()),
    }
}

pub(super) fn assert_sound(transaction: &Transaction<'_>) {
    assert!(transaction.amount.abs() <= AMOUNT_ABSOLUTE_MAX);
    assert!(transaction.amount != 0.0 || transaction.amount.is_sign_positive());
    assert!((0..=EVENT_TIME_MS_MAX.min(ARRIVAL_MS + CLOCK_SKEW_MS)).contains(&transaction.event_time_ms));
    assert!((1..=ID_CHARACTERS_MAX).contains(&transaction.user_id.chars().count()));
}

fn assert_agrees(transaction: &Transaction<'_>, json: &Value) {
    assert_eq!(Some(transaction.user_id.as_ref()), text(json, "userId"));
    assert_eq!(Some(transaction.amount), number(json, "amount"));
    assert_eq!(Some(transaction.event_time_ms), json.get("timestamp").and_then(Value::as_i64));
    assert_eq!(transaction.transaction_id.as_deref(), text(json, "transactionId"));
    assert_eq!(transaction.merchant_id.as_deref(), text(json, "merchantId"));
}

fn assert_justified(reason: RejectReason, input: &[u8], json: Option<&Value>) {
    assert_eq!(reason == RejectReason::RecordTooLarge, input.len() > RECORD_BYTES_MAX);
    match reason {
        RejectReason::NotUtf8 => assert!(std::str::from_utf8(input).is_err()),
        RejectReason::MissingField => {
            let has = |name: &&str| json.is_none_or(|json| json.get(*name).is_some());
            assert!(json.is_none() || !["userId", "amount", "timestamp"].iter().all(has));
        }
        RejectReason::AmountOutOfRange => {
            assert!(json.is_none_or(|json| number(json, "amount").is_some_and(|x| x.abs() > AMOUNT_ABSOLUTE_MAX)));
        }
        RejectReason::AggregateCorrupt
        | RejectReason::AggregateInLanes
        | RejectReason::Misplaced
        | RejectReason::EnvelopeInvalid
        | RejectReason::StateCorrupt => {
            panic!("{reason} is not a reason to reject a payload")
        }
        _ => {}
    }
}

fn text<'a>(json: &'a Value, name: &str) -> Option<&'a str> {
    json.get(name)?.as_str()
}

fn number(json: &Value, name: &str) -> Option<f64> {
    json.get(name)?.as_f64()
}
