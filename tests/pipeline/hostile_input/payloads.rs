//! Payloads of single records.

use std::iter::repeat_n;

use anomaly_core::RejectReason::{
    AmountNotFinite, AmountOutOfRange, MissingField, NotJson, NotUtf8, RecordTooLarge, TimestampOutOfRange,
    UserIdInvalid, WrongType,
};

use super::Decision::Rejected;
use super::{Decision, HOSTILE, START_MS, assert_decided, folded};
use crate::fixtures::{DetectorBench, kinesis_event, transaction, warm_up};

type Row = (&'static str, Vec<u8>, Decision);

const DEPTH: usize = 100_000;
const RECORD_BYTES_MAX: usize = 256 * 1024;

/// A record with these JSON texts as its fields.
fn record(user_id: &str, amount: &str, timestamp: &str) -> String {
    format!(r#"{{"userId":{user_id},"amount":{amount},"timestamp":{timestamp}}}"#)
}

/// An ordinary record with this user id, inserted without escaping.
fn of_user(user_id: &str) -> Vec<u8> {
    record(&format!("\"{user_id}\""), "1", "0").into_bytes()
}

fn of_amount(amount: &str) -> Vec<u8> {
    record("\"u\"", amount, "0").into_bytes()
}

fn at(timestamp: impl std::fmt::Display) -> Vec<u8> {
    record("\"u\"", "1", &format!("{timestamp}")).into_bytes()
}

/// An ordinary record with one more field.
fn with_field(field: &str) -> Vec<u8> {
    format!(r#"{{"userId":"u","amount":1,"timestamp":0,{field}}}"#).into_bytes()
}

fn padded(bytes: usize) -> Vec<u8> {
    let mut payload = of_amount("1");
    payload.extend(repeat_n(b' ', bytes - payload.len()));
    payload
}

fn nested(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}

pub(super) fn rows() -> Vec<Row> {
    [texts(), fields(), user_ids(), amounts(), times(), sizes()].concat()
}

fn texts() -> Vec<Row> {
    let ordinary = || of_amount("1");
    let utf16: Vec<u8> = record("\"u\"", "1", "0").encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        ("nothing", vec![], Rejected(NotJson)),
        ("white space", b" \t\r\n".to_vec(), Rejected(NotJson)),
        ("a word", b"hello".to_vec(), Rejected(NotJson)),
        ("half an object", b"{\"userId\":\"u\",\"amount\":".to_vec(), Rejected(NotJson)),
        ("white space around", [b"\r\n ", ordinary().as_slice(), b"\n\t "].concat(), folded("u", 1.0)),
        ("a byte order mark", [b"\xEF\xBB\xBF", ordinary().as_slice()].concat(), Rejected(NotJson)),
        ("a trailing word", [ordinary().as_slice(), b" x"].concat(), Rejected(NotJson)),
        ("a trailing NUL", [ordinary().as_slice(), b"\0"].concat(), Rejected(NotJson)),
        ("two records", [ordinary(), ordinary()].concat(), Rejected(NotJson)),
        ("UTF-16", utf16, Rejected(NotJson)),
        ("a lone continuation byte", b"{\"userId\":\"\x80\",\"amount\":1,\"timestamp\":0}".to_vec(), Rejected(NotUtf8)),
        (
            "a surrogate in UTF-8",
            b"{\"userId\":\"\xED\xA0\x80\",\"amount\":1,\"timestamp\":0}".to_vec(),
            Rejected(NotUtf8),
        ),
        ("an overlong slash", b"{\"userId\":\"\xC0\xAF\",\"amount\":1,\"timestamp\":0}".to_vec(), Rejected(NotUtf8)),
        ("all bytes", (0..=255).collect(), Rejected(NotUtf8)),
    ]
}

fn fields() -> Vec<Row> {
    let twice = |name: &str, value: &str| with_field(&format!(r#""{name}":{value}"#));
    let deep_object = |depth| (r#"{"a":"#.repeat(depth) + "1" + &"}".repeat(depth)).into_bytes();
    vec![
        ("an empty object", b"{}".to_vec(), Rejected(MissingField)),
        ("no user", br#"{"amount":1,"timestamp":0}"#.to_vec(), Rejected(MissingField)),
        ("no amount", br#"{"userId":"u","timestamp":0}"#.to_vec(), Rejected(MissingField)),
        ("no time", br#"{"userId":"u","amount":1}"#.to_vec(), Rejected(MissingField)),
        ("names in capitals", br#"{"USERID":"u","AMOUNT":1,"TIMESTAMP":0}"#.to_vec(), Rejected(MissingField)),
        ("null", b"null".to_vec(), Rejected(WrongType)),
        ("a list", b"[\"u\",1,0]".to_vec(), Rejected(WrongType)),
        ("a number as user", record("7", "1", "0").into_bytes(), Rejected(WrongType)),
        ("null as user", record("null", "1", "0").into_bytes(), Rejected(WrongType)),
        ("a number as merchant", with_field(r#""merchantId":5"#), Rejected(WrongType)),
        ("null as merchant", with_field(r#""merchantId":null"#), folded("u", 1.0)),
        ("the user twice", twice("userId", "\"v\""), Rejected(NotJson)),
        ("the user twice, once escaped", twice(r"user\u0049d", "\"v\""), Rejected(NotJson)),
        ("the amount twice", twice("amount", "2"), Rejected(NotJson)),
        ("the time twice", twice("timestamp", "1"), Rejected(NotJson)),
        ("an unknown field twice", with_field(r#""x":1,"x":2"#), folded("u", 1.0)),
        ("a deep list in an unknown field", with_field(&format!(r#""x":{}"#, nested(DEPTH))), folded("u", 1.0)),
        ("a deep list as amount", of_amount(&nested(DEPTH)), Rejected(WrongType)),
        ("a deep list", nested(DEPTH).into_bytes(), Rejected(WrongType)),
        ("a deep list without end", "[".repeat(DEPTH).into_bytes(), Rejected(NotJson)),
        ("a deep list as user", record(&nested(DEPTH), "1", "0").into_bytes(), Rejected(WrongType)),
        ("a deep object", deep_object(40_000), Rejected(MissingField)),
        ("a deeper object", deep_object(DEPTH), Rejected(RecordTooLarge)),
    ]
}

fn user_ids() -> Vec<Row> {
    let [ascii, astral] = ["a", "𝄞"].map(|character| character.repeat(256));
    let combining = "e\u{301}".repeat(128);
    let bidi = "\u{202E}admin\u{2066}\u{200B}";
    vec![
        ("an empty id", of_user(""), Rejected(UserIdInvalid)),
        ("256 characters of a byte", of_user(&ascii), folded(&ascii, 1.0)),
        ("257 characters of a byte", of_user(&(ascii.clone() + "a")), Rejected(UserIdInvalid)),
        ("256 characters of four bytes", of_user(&astral), folded(&astral, 1.0)),
        ("256 characters of four bytes, escaped", of_user(&r"\ud834\udd1e".repeat(256)), folded(&astral, 1.0)),
        ("257 characters of four bytes", of_user(&(astral.clone() + "𝄞")), Rejected(UserIdInvalid)),
        ("256 characters with combining ones", of_user(&combining), folded(&combining, 1.0)),
        ("257 characters with combining ones", of_user(&(combining.clone() + "e")), Rejected(UserIdInvalid)),
        ("a decomposed é is its own user", of_user("e\u{301}"), folded("e\u{301}", 1.0)),
        ("a composed é is its own user", of_user("\u{E9}"), folded("\u{E9}", 1.0)),
        ("bidi and zero-width characters", of_user(bidi), Rejected(UserIdInvalid)),
        ("U+FFFD", of_user("\u{FFFD}"), folded("\u{FFFD}", 1.0)),
        ("U+FFFE", of_user("a\u{FFFE}"), Rejected(UserIdInvalid)),
        ("U+FFFF", of_user("a\u{FFFF}"), Rejected(UserIdInvalid)),
        ("U+FFFE, escaped", of_user(r"\ufffe"), Rejected(UserIdInvalid)),
        ("an escaped NUL", of_user(r"a\u0000"), Rejected(UserIdInvalid)),
        ("an escaped line feed", of_user(r"a\nb"), Rejected(UserIdInvalid)),
        ("DEL", of_user("a\u{7F}"), Rejected(UserIdInvalid)),
        ("a C1 control", of_user("a\u{85}"), Rejected(UserIdInvalid)),
        ("a raw line feed", of_user("a\nb"), Rejected(NotJson)),
        ("a lone surrogate", of_user(r"\ud834"), Rejected(NotJson)),
        ("surrogates the wrong way round", of_user(r"\udd1e\ud834"), Rejected(NotJson)),
        ("an invalid escape", of_user(r"\x41"), Rejected(NotJson)),
    ]
}

fn amounts() -> Vec<Row> {
    let max = 1e12_f64;
    let digits = |amount: f64| of_amount(&format!("{amount:.20}"));
    let many_digits = format!("0.{}1", "0".repeat(1_000));
    vec![
        ("1e12", of_amount("1e12"), folded("u", max)),
        ("1e12 in digits", of_amount("1000000000000"), folded("u", max)),
        ("1e12 less one ulp", digits(max.next_down()), folded("u", max.next_down())),
        ("1e12 and one ulp", digits(max.next_up()), Rejected(AmountOutOfRange)),
        ("1e12 and less than half an ulp", of_amount("1000000000000.00005"), folded("u", max)),
        ("−1e12", of_amount("-1e12"), folded("u", -max)),
        ("−1e12 less one ulp", digits(-(max.next_up())), Rejected(AmountOutOfRange)),
        ("1e308", of_amount("1e308"), Rejected(AmountOutOfRange)),
        ("−1e308", of_amount("-1e308"), Rejected(AmountOutOfRange)),
        ("1e309", of_amount("1e309"), Rejected(AmountNotFinite)),
        ("−1e309", of_amount("-1e309"), Rejected(AmountNotFinite)),
        ("four hundred digits", of_amount(&"9".repeat(400)), Rejected(AmountNotFinite)),
        ("−0.0", of_amount("-0.0"), folded("u", 0.0)),
        ("−0", of_amount("-0"), folded("u", 0.0)),
        ("the smallest float", of_amount("5e-324"), folded("u", 5e-324)),
        ("smaller than any float", of_amount("-1e-400"), folded("u", 0.0)),
        ("a thousand digits", of_amount(&many_digits), folded("u", 0.0)),
        ("NaN", of_amount("NaN"), Rejected(NotJson)),
        ("nan", of_amount("nan"), Rejected(NotJson)),
        ("Infinity", of_amount("Infinity"), Rejected(NotJson)),
        ("−Infinity", of_amount("-Infinity"), Rejected(NotJson)),
        ("inf", of_amount("inf"), Rejected(NotJson)),
        ("NaN as a text", of_amount("\"NaN\""), Rejected(WrongType)),
        ("a number as a text", of_amount("\"1\""), Rejected(WrongType)),
        ("null", of_amount("null"), Rejected(WrongType)),
        ("true", of_amount("true"), Rejected(WrongType)),
        ("a plus sign", of_amount("+1"), Rejected(NotJson)),
        ("a leading zero", of_amount("01"), Rejected(NotJson)),
        ("a decimal comma", of_amount("1,5"), Rejected(NotJson)),
        ("hexadecimal", of_amount("0x10"), Rejected(NotJson)),
        ("no digit after the point", of_amount("1."), Rejected(NotJson)),
    ]
}

fn times() -> Vec<Row> {
    let ahead_max = START_MS + 100 * i64::try_from(HOSTILE).unwrap() + 300_000;
    vec![
        ("the epoch", at(0), folded("u", 1.0)),
        ("before the epoch", at(-1), Rejected(TimestampOutOfRange)),
        ("as far ahead as clocks may be", at(ahead_max), folded("u", 1.0)),
        ("one ms further ahead", at(ahead_max + 1), Rejected(TimestampOutOfRange)),
        ("the end of 9999", at(253_402_300_799_999_i64), Rejected(TimestampOutOfRange)),
        ("the largest integer", at(i64::MAX), Rejected(TimestampOutOfRange)),
        ("the smallest integer", at(i64::MIN), Rejected(TimestampOutOfRange)),
        ("beyond the largest integer", at(u64::MAX), Rejected(TimestampOutOfRange)),
        ("a hundred digits", at("9".repeat(100)), Rejected(TimestampOutOfRange)),
        ("minus zero", at("-0"), Rejected(WrongType)),
        ("a fraction", at("1.5"), Rejected(WrongType)),
        ("an exponent", at("1e3"), Rejected(WrongType)),
        ("a date", at("\"2025-10-09T08:55:00Z\""), Rejected(WrongType)),
        ("null", at("null"), Rejected(WrongType)),
    ]
}

fn sizes() -> Vec<Row> {
    vec![
        ("256 KiB", padded(RECORD_BYTES_MAX), folded("u", 1.0)),
        ("one byte more", padded(RECORD_BYTES_MAX + 1), Rejected(RecordTooLarge)),
        ("1 MiB", padded(1024 * 1024), Rejected(RecordTooLarge)),
        ("1 MiB of nothing", vec![0; 1024 * 1024], Rejected(RecordTooLarge)),
    ]
}

#[tokio::test]
async fn every_payload_is_accepted_or_rejected_on_its_own() {
    for (name, payload, decision) in rows() {
        assert_decided(name, &payload, decision).await;
    }
}

#[tokio::test]
async fn no_amount_blinds_the_detector() {
    for amount in [1e308, -1e308, 1e12, -1e12, 0.0, f64::MIN_POSITIVE] {
        let bench = DetectorBench::new();
        let hostile = (20..30).map(|index| transaction(index, "u", amount));
        let records: Vec<_> = warm_up(0, "u").into_iter().chain(hostile).chain(warm_up(30, "u")).collect();
        bench.handle(&kinesis_event(&records)).await;
        let _ = bench.anomalies.take();
        let (_, summary) = bench.handle(&kinesis_event(&[transaction(60, "u", 1e12)])).await;
        assert_eq!((summary.verdicts.anomalies(), bench.sent_ids().len()), (1, 1), "after {amount:e}");
    }
}
