//! The envelope around a payload, in forms that Lambda does not send.

use anomaly_core::RejectReason::EnvelopeInvalid;
use detector::window_store::Loaded;
use serde_json::{Value, json};

use super::Decision::Rejected;
use super::{Decision, HOSTILE, Run, folded, innocents, kept, run_on};
use crate::fixtures::{DetectorBench, SHARD, invocation, kinesis_event, record, sequence};

type Row = (&'static str, Value, Decision);

const PAYLOAD: &str = r#"{"userId":"u","amount":1,"timestamp":0}"#;

/// The hostile record's envelope as Lambda sends it, with one field of it or of its `kinesis` object set; `null` removes it.
fn with(name: &str, value: Value) -> Value {
    let event = kinesis_event(&[record(HOSTILE, PAYLOAD)]);
    let mut envelope = serde_json::from_str::<Value>(&event).unwrap()["Records"][0].take();
    let object = if envelope.get(name).is_some() { &mut envelope } else { &mut envelope["kinesis"] };
    if value.is_null() {
        object.as_object_mut().unwrap().remove(name);
    } else {
        object[name] = value;
    }
    envelope
}

/// The envelope with this sequence number in both places.
fn numbered(sequence_number: &str) -> Value {
    let mut envelope = with("sequenceNumber", json!(sequence_number));
    envelope["eventID"] = json!(format!("{SHARD}:{sequence_number}"));
    envelope
}

pub(super) fn rows() -> Vec<Row> {
    let bad = Rejected(EnvelopeInvalid);
    let good = folded("u", 1.0);
    let id = |shard: &str| with("eventID", json!(format!("{shard}:{}", sequence(HOSTILE))));
    vec![
        ("null", Value::Null, bad.clone()),
        ("a number", json!(7), bad.clone()),
        ("an empty object", json!({}), bad.clone()),
        ("no event id", with("eventID", Value::Null), bad.clone()),
        ("an event id without a shard", with("eventID", json!(sequence(HOSTILE))), bad.clone()),
        ("an event id of another record", with("eventID", json!(format!("{SHARD}:1"))), bad.clone()),
        ("a shard with a space", id("shard 1"), bad.clone()),
        ("a shard of 128 characters", id(&"s".repeat(128)), good.clone()),
        ("a shard of 129 characters", id(&"s".repeat(129)), bad.clone()),
        ("no stream", with("eventSourceARN", Value::Null), bad.clone()),
        ("an empty stream", with("eventSourceARN", json!("")), bad.clone()),
        ("no sequence number", with("sequenceNumber", Value::Null), bad.clone()),
        ("a sequence number of 129 digits", numbered(&"9".repeat(129)), good.clone()),
        ("a sequence number of 130 digits", numbered(&"9".repeat(130)), bad.clone()),
        ("a sequence number with a leading zero", numbered("01"), bad.clone()),
        ("a negative sequence number", numbered("-1"), bad.clone()),
        ("the sequence number 0", numbered("0"), good.clone()),
        ("digits of another script", numbered("１２"), bad.clone()),
        ("no arrival", with("approximateArrivalTimestamp", Value::Null), bad.clone()),
        ("an arrival before the epoch", with("approximateArrivalTimestamp", json!(-0.001)), bad.clone()),
        ("an arrival at the epoch", with("approximateArrivalTimestamp", json!(0)), good.clone()),
        ("an arrival after 9999", with("approximateArrivalTimestamp", json!(253_402_300_800_i64)), bad.clone()),
        ("an arrival as a text", with("approximateArrivalTimestamp", json!("1760000100.0")), bad.clone()),
        ("no partition key", with("partitionKey", Value::Null), bad.clone()),
        ("a hostile partition key", with("partitionKey", json!("\u{0}\u{FFFE}\u{202E}")), good.clone()),
        ("no payload", with("data", Value::Null), bad.clone()),
        ("a payload that is a number", with("data", json!(7)), bad.clone()),
        ("an unknown field", with("encryptionType", json!([[]])), good),
    ]
}

/// Handles the innocent records with this envelope among them.
async fn run_with(envelope: &Value) -> Run {
    let mut event: Value = serde_json::from_str(&kinesis_event(&innocents())).unwrap();
    event["Records"].as_array_mut().unwrap().insert(HOSTILE, envelope.clone());
    run_on(DetectorBench::new(), &event.to_string()).await
}

/// The quarantine message of a bad envelope, byte for byte: its payload is the envelope.
fn quarantined(envelope: &Value) -> String {
    let number = envelope["kinesis"]["sequenceNumber"].as_str().filter(|text| is_sequence_number(text));
    let number = number.map_or_else(|| "null".to_owned(), |number| format!("\"{number}\""));
    format!(
        r#"{{"version":1,"reason":"envelope-invalid","streamArn":null,"shardId":null,"sequenceNumber":{number},"subSequence":0,"arrivalTimeMs":null,"partitionKey":null,{}}}"#,
        kept(envelope.to_string().as_bytes())
    )
}

fn is_sequence_number(text: &str) -> bool {
    text.len() <= 129 && text.bytes().all(|c| c.is_ascii_digit()) && (text == "0" || !text.starts_with('0'))
}

#[tokio::test]
async fn every_envelope_is_accepted_or_rejected_on_its_own() {
    for (name, envelope, decision) in rows() {
        let run = run_with(&envelope).await;
        let expected = if decision == Rejected(EnvelopeInvalid) { vec![quarantined(&envelope)] } else { Vec::new() };
        assert_eq!(run.bench.quarantine.take(), expected, "{name}");
        run.assert_folded(name, std::slice::from_ref(&decision));
        run.assert_harmed_nobody(name, &[decision]).await;
    }
}

#[tokio::test]
async fn a_payload_that_is_not_base64_is_quarantined_as_its_text() {
    for data in ["e30", "e3 0=", "e30=e30=", "ÿ", "=", "e31="] {
        let run = run_with(&with("data", json!(data))).await;
        assert_eq!(run.bench.quarantine.take(), [super::quarantined(EnvelopeInvalid, 0, data.as_bytes())], "{data}");
        run.assert_harmed_nobody(data, &[Rejected(EnvelopeInvalid)]).await;
    }
}

#[tokio::test]
async fn an_envelope_with_a_duplicate_field_is_rejected_on_its_own() {
    let good = with("eventVersion", json!("1.0")).to_string();
    let twice = good.replacen('{', r#"{"eventSourceARN":"arn:other","#, 1);
    let event = kinesis_event(&innocents()).replacen("]}", &format!(",{twice}]}}"), 1);
    let run = run_on(DetectorBench::new(), &event).await;
    assert_eq!(run.bench.quarantine.take().len(), 1);
    run.assert_harmed_nobody("twice", &[Rejected(EnvelopeInvalid)]).await;
}

#[tokio::test]
async fn a_sequence_number_of_129_digits_is_later_than_all_shorter_ones_of_its_shard() {
    let bench = DetectorBench::new();
    let event = |envelope: Value| json!({ "Records": [envelope] }).to_string();
    bench.handle(&event(numbered(&"9".repeat(129)))).await;
    let (_, summary) = bench.handle(&event(numbered(&"9".repeat(128)))).await;
    assert_eq!(summary.verdicts.duplicates, 1);
    let Loaded::Present(user) = bench.store.0.get("u") else { panic!("no state") };
    let bytes = anomaly_core::codec::encode(&user.state);
    assert_eq!(anomaly_core::codec::decode(&bytes), Ok(user.state), "it can be stored");
}

#[tokio::test]
async fn anything_but_a_kinesis_event_is_an_error_and_not_an_empty_batch() {
    let bench = DetectorBench::new();
    let deep = r#"{"Records":"#.to_owned() + &"[".repeat(100_000);
    let truncated = kinesis_event(&innocents());
    let texts = ["", "{}", "[]", "null", r#"{"Records":null}"#, r#"{"records":[]}"#, r#"{"Records":[],"Records":[]}"#];
    for event in texts.into_iter().chain([deep.as_str(), &truncated[..truncated.len() - 1]]) {
        let invocation = invocation(&bench.clock);
        assert!(bench.detector.handle(event, &invocation).await.is_err(), "{}", &event[..event.len().min(60)]);
    }
}
