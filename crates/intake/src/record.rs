//! One payload → one transaction, or the reason why not.

use std::collections::BTreeMap;

use anomaly_core::{RawTransaction, RejectReason, Transaction};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// Largest payload of one transaction. The contract's record has 150 bytes; a quarter of a mebibyte leaves room for any
/// unknown fields and still fits a quarantine message whole.
pub const RECORD_BYTES_MAX: usize = 256 * 1024;

/// Decodes and validates a payload that arrived at `arrival_time_ms`.
///
/// # Errors
/// The reason why the record belongs in quarantine. Every payload has one outcome or the other.
pub fn decode(payload: &[u8], arrival_time_ms: i64, clock_skew_ms_max: i64) -> Result<Transaction<'_>, RejectReason> {
    if payload.len() > RECORD_BYTES_MAX {
        return Err(RejectReason::RecordTooLarge);
    }
    let text = std::str::from_utf8(payload).map_err(|_| RejectReason::NotUtf8)?;
    let raw = fields(text).ok_or_else(|| reason(text))?;
    Transaction::validate(raw, arrival_time_ms, clock_skew_ms_max)
}

/// The fields of an object. (serde would also accept a list of the right values.)
fn fields(text: &str) -> Option<RawTransaction<'_>> {
    let is_object = text.trim_ascii_start().starts_with('{');
    serde_json::from_str(text).ok().filter(|_| is_object)
}

/// Why a text is not a transaction. Only bad records pay for this second look, field by field.
fn reason(text: &str) -> RejectReason {
    let Ok(fields) = serde_json::from_str::<BTreeMap<String, &RawValue>>(text) else {
        let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
        return if is_json { RejectReason::WrongType } else { RejectReason::NotJson };
    };
    let required: [(&str, Check); 3] = [("userId", string), ("amount", amount), ("timestamp", timestamp)];
    let optional: [(&str, Check); 2] = [("transactionId", optional_string), ("merchantId", optional_string)];
    if required.iter().any(|(name, _)| !fields.contains_key(*name)) {
        return RejectReason::MissingField;
    }
    let checked = required.iter().chain(&optional).filter_map(|(name, check)| check(fields.get(*name)?.get()));
    // Every field is present and valid, so the text itself is not: a name occurs twice, or an escape is malformed.
    checked.min().unwrap_or(RejectReason::NotJson)
}

/// Checks the JSON text of one field; returns what is wrong with it.
type Check = fn(&str) -> Option<RejectReason>;

fn string(json: &str) -> Option<RejectReason> {
    (!json.starts_with('"')).then_some(RejectReason::WrongType)
}

fn optional_string(json: &str) -> Option<RejectReason> {
    if json == "null" { None } else { string(json) }
}

fn amount(json: &str) -> Option<RejectReason> {
    match json.parse::<f64>() {
        Ok(number) if number.is_finite() => None,
        Ok(_) => Some(RejectReason::AmountNotFinite),
        Err(_) => Some(RejectReason::WrongType),
    }
}

fn timestamp(json: &str) -> Option<RejectReason> {
    let digits = json.strip_prefix('-').unwrap_or(json);
    if json == "-0" {
        // serde_json reads it as a float, so that its sign is kept.
        Some(RejectReason::WrongType)
    } else if json.parse::<i64>().is_ok() {
        None
    } else if digits.bytes().all(|c| c.is_ascii_digit()) {
        Some(RejectReason::TimestampOutOfRange)
    } else {
        Some(RejectReason::WrongType)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_760_000_100_000;

    fn reject(payload: &[u8]) -> Option<RejectReason> {
        decode(payload, NOW, 300_000).err()
    }

    #[test]
    fn the_contracts_record_is_a_transaction() {
        let payload = br#"{"userId":"user001","amount":123.45,"timestamp":1760000100000,"transactionId":"txn_123456",
            "merchantId":"merchant_12","note":{"unknown":[1]}}"#;
        let transaction = decode(payload, NOW, 0).unwrap();
        assert_eq!(transaction.user_id, "user001");
        assert_eq!(transaction.amount, 123.45);
        assert_eq!(transaction.event_time_ms, NOW);
        assert_eq!(transaction.transaction_id.as_deref(), Some("txn_123456"));
        assert!(matches!(transaction.user_id, std::borrow::Cow::Borrowed(_)));
        assert!(matches!(transaction.merchant_id, Some(std::borrow::Cow::Borrowed("merchant_12"))));
    }

    #[test]
    fn an_optional_field_may_be_null_or_absent() {
        for payload in [
            br#"{"userId":"u","amount":-1,"timestamp":0,"transactionId":null}"#.as_slice(),
            br#"{"userId":"u","amount":0.1e-3,"timestamp":0}"#,
        ] {
            assert_eq!(reject(payload), None);
        }
    }

    #[test]
    fn every_bad_payload_has_its_reason() {
        use RejectReason as R;
        let long_id = format!(r#"{{"userId":"{}","amount":1,"timestamp":1}}"#, "x".repeat(257));
        let too_large = " ".repeat(RECORD_BYTES_MAX + 1);
        let deep =
            format!(r#"{{"userId":"u","amount":{}1{},"timestamp":1}}"#, "[".repeat(100_000), "]".repeat(100_000));
        let cases: &[(R, &[u8])] = &[
            (R::NotUtf8, b"\xFF\xFE"),
            (R::NotUtf8, b"{\"userId\":\"\xC3\x28\",\"amount\":1,\"timestamp\":1}"),
            (R::NotJson, b""),
            (R::NotJson, b"hello"),
            (R::NotJson, b"{\"userId\":\"u\",\"amount\":1,\"timestamp\":1} trailing"),
            (R::NotJson, b"\xEF\xBB\xBF{\"userId\":\"u\",\"amount\":1,\"timestamp\":1}"),
            (R::NotJson, br#"{"userId":"u","amount":NaN,"timestamp":1}"#),
            (R::NotJson, br#"{"userId":"u","amount":Infinity,"timestamp":1}"#),
            (R::NotJson, br#"{"userId":"u","userId":"v","amount":1,"timestamp":1}"#),
            (R::NotJson, br#"{"userId":"\ud800","amount":1,"timestamp":1}"#),
            (R::MissingField, b"{}"),
            (R::MissingField, br#"{"userId":"u","timestamp":1}"#),
            (R::MissingField, br#"{"amount":1,"timestamp":1}"#),
            (R::MissingField, br#"{"userId":"u","amount":1}"#),
            (R::WrongType, b"[1,2]"),
            (R::WrongType, br#"["u",1,0]"#),
            (R::WrongType, b"null"),
            (R::WrongType, br#"{"userId":7,"amount":1,"timestamp":1}"#),
            (R::WrongType, br#"{"userId":"u","amount":"1","timestamp":1}"#),
            (R::WrongType, br#"{"userId":"u","amount":null,"timestamp":1}"#),
            (R::WrongType, br#"{"userId":"u","amount":1,"timestamp":1.5}"#),
            (R::WrongType, br#"{"userId":"u","amount":1,"timestamp":-0}"#),
            (R::WrongType, br#"{"userId":"u","amount":1,"timestamp":1,"merchantId":5}"#),
            (R::WrongType, deep.as_bytes()),
            (R::UserIdInvalid, br#"{"userId":"","amount":1,"timestamp":1}"#),
            (R::UserIdInvalid, br#"{"userId":"a\u0000b","amount":1,"timestamp":1}"#),
            (R::UserIdInvalid, "{\"userId\":\"\u{FFFE}\",\"amount\":1,\"timestamp\":1}".as_bytes()),
            (R::UserIdInvalid, long_id.as_bytes()),
            (R::AmountNotFinite, br#"{"userId":"u","amount":1e400,"timestamp":1}"#),
            (R::AmountOutOfRange, br#"{"userId":"u","amount":1e300,"timestamp":1}"#),
            (R::AmountOutOfRange, br#"{"userId":"u","amount":-1000000000001,"timestamp":1}"#),
            (R::TimestampOutOfRange, br#"{"userId":"u","amount":1,"timestamp":-1}"#),
            (R::TimestampOutOfRange, br#"{"userId":"u","amount":1,"timestamp":99999999999999999999}"#),
            (R::TimestampOutOfRange, br#"{"userId":"u","amount":1,"timestamp":1760000400001}"#),
            (R::RecordTooLarge, too_large.as_bytes()),
        ];
        for (expected, payload) in cases {
            let shown = String::from_utf8_lossy(&payload[..payload.len().min(80)]);
            assert_eq!(reject(payload), Some(*expected), "{shown}");
        }
    }
}
