//! Stored items that cannot be read: they are reported and left unchanged, and their users' records go to quarantine.

use anomaly_core::RejectReason::StateCorrupt;
use anomaly_core::codec::{self, CodecError};
use anomaly_core::{Rule, RuleKind, RuleSettings, UserState};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use detector::window_store::{CorruptItem, Loaded, WindowStore};
use detector::{Detector, DetectorSettings, DetectorSummary};
use lambda_kit::{Env, ManualClock};
use message_queue::MemoryMessageQueue;

use super::Decision::Rejected;
use super::{HOSTILE, Run, innocents, quarantined, run_on};
use crate::dynamodb::{self, TABLE};
use crate::fixtures::{DetectorBench, START_MS, invocation, kinesis_event, record, transaction};

const PAYLOAD: &str = r#"{"userId":"u","amount":1,"timestamp":0}"#;

/// The stored bytes of a state of 60 transactions.
async fn stored_bytes() -> Vec<u8> {
    let bench = DetectorBench::new();
    let records: Vec<_> = (0..60).map(|index| transaction(index, "u", 100.0)).collect();
    bench.handle(&kinesis_event(&records)).await;
    match bench.store.0.get("u") {
        Loaded::Present(user) => codec::encode(&user.state),
        other => panic!("{other:?}"),
    }
}

/// The bytes of an empty state, with some of them changed. Byte 0 is the format, 1 to 3 the window's length, 4 whether there is a
/// newest event time, 5 which panes are present, 6 the number of panes, then the long-term count, mean and variance, and the
/// numbers of positions and of recent transactions.
fn empty_with(changes: &[(usize, u8)]) -> Vec<u8> {
    let mut bytes = codec::encode(&UserState::new(&Rule::new(RuleSettings::default()).unwrap()));
    for (index, byte) in changes {
        bytes[*index] = *byte;
    }
    bytes
}

/// The bytes of an empty profile with one number changed. Byte 0 is the format, 1 whether there is a newest event time, 2 the count, then
/// mean and variance of each transform.
fn profile_with(index: usize, number: f64) -> Vec<u8> {
    let rule = Rule::new(RuleSettings::of(RuleKind::Profile)).unwrap();
    let mut bytes = codec::encode(&UserState::new(&rule));
    bytes[index..index + 8].copy_from_slice(&number.to_le_bytes());
    bytes
}

async fn corrupt_states() -> Vec<(&'static str, Vec<u8>, CodecError)> {
    let whole = stored_bytes().await;
    let not_a_number = f64::NAN.to_le_bytes().into_iter().enumerate().map(|(i, byte)| (8 + i, byte));
    let huge = 1e308_f64.to_le_bytes().into_iter().enumerate().map(|(i, byte)| (8 + i, byte));
    vec![
        ("nothing", vec![], CodecError::Empty),
        ("an unknown format", [&[5], &whole[1..]].concat(), CodecError::UnknownFormat(5)),
        ("a window in the format of a profile", [&[3], &whole[1..]].concat(), CodecError::Layout),
        ("a window in the format of both memories", [&[4], &whole[1..]].concat(), CodecError::Layout),
        ("a profile whose mean is not a number", profile_with(3, f64::NAN), CodecError::Impossible("profile")),
        ("a profile whose mean is 1e300", profile_with(3, 1e300), CodecError::Impossible("profile")),
        ("a profile whose variance is negative", profile_with(11, -1.0), CodecError::Impossible("profile")),
        (
            "a run that has become a new level",
            [&[2], &empty_with(&[])[1..], &[20, 0]].concat(),
            CodecError::Impossible("run"),
        ),
        ("format 2 without what it adds", [&[2], &empty_with(&[])[1..], &[0, 0]].concat(), CodecError::Layout),
        ("text", b"hello".to_vec(), CodecError::UnknownFormat(b'h')),
        ("the format alone", vec![1], CodecError::Layout),
        ("cut off", whole[..whole.len() - 1].to_vec(), CodecError::Layout),
        ("one byte more", [whole.as_slice(), &[0]].concat(), CodecError::Layout),
        ("a window of no length", empty_with(&[(1, 0x80), (2, 0x80), (3, 0)]), CodecError::Impossible("time")),
        ("a window of 18 ms, too short for its panes", [&[1, 36], &empty_with(&[])[4..]].concat(), CodecError::Layout),
        ("a pane without a time", empty_with(&[(5, 1)]), CodecError::Impossible("time")),
        (
            "a mean that is not a number",
            empty_with(&not_a_number.collect::<Vec<_>>()),
            CodecError::Impossible("long-term baseline"),
        ),
        ("a mean of 1e308", empty_with(&huge.collect::<Vec<_>>()), CodecError::Impossible("long-term baseline")),
        (
            "the count written in two bytes",
            [&empty_with(&[(7, 0x80)])[..8], &[0], &empty_with(&[])[8..]].concat(),
            CodecError::Layout,
        ),
    ]
}

async fn run_with_stored(bytes: &[u8]) -> (Run, Loaded) {
    let bench = DetectorBench::new();
    let corrupt = Loaded::Corrupt(CorruptItem::State(codec::decode(bytes).unwrap_err()));
    bench.store.0.put("u", corrupt.clone());
    let mut records = innocents();
    records.insert(HOSTILE, record(HOSTILE, PAYLOAD));
    (run_on(bench, &kinesis_event(&records)).await, corrupt)
}

#[tokio::test]
async fn every_corrupt_state_is_reported_and_kept_and_quarantines_its_users_records() {
    for (name, bytes, error) in corrupt_states().await {
        assert_eq!(codec::decode(&bytes), Err(error), "{name}");
        let (run, corrupt) = run_with_stored(&bytes).await;
        assert_eq!(run.bench.quarantine.take(), [quarantined(StateCorrupt, 0, PAYLOAD.as_bytes())], "{name}");
        assert_eq!(run.bench.store.0.get("u"), corrupt, "{name}: neither repaired nor reset");
        let summary =
            DetectorSummary { users: run.summary.users - 1, cache_misses: run.summary.cache_misses - 1, ..run.summary };
        Run { summary, ..run }.assert_harmed_nobody(name, &[Rejected(StateCorrupt)]).await;
    }
}

#[tokio::test]
async fn every_state_cut_off_anywhere_is_corrupt() {
    let whole = stored_bytes().await;
    assert!((0..whole.len()).all(|length| codec::decode(&whole[..length]).is_err()));
}

#[tokio::test]
async fn a_state_found_corrupt_through_a_conflict_also_quarantines() {
    let bench = DetectorBench::new();
    bench.handle(&kinesis_event(&[transaction(0, "u", 100.0)])).await;
    // The item is damaged while the container has the state in its cache.
    let corrupt = Loaded::Corrupt(CorruptItem::Attribute("version"));
    bench.store.0.put("u", corrupt.clone());
    let (failed, summary) = bench.handle(&kinesis_event(&[record(HOSTILE, PAYLOAD)])).await;
    assert_eq!((failed, summary.rejected.get(&StateCorrupt)), (None, Some(&1)));
    assert_eq!(bench.quarantine.take(), [quarantined(StateCorrupt, 0, PAYLOAD.as_bytes())]);
    assert_eq!(bench.store.0.get("u"), corrupt);
}

/// Attributes of a user's item, each with the value to set; `None` removes it.
fn damages() -> Vec<(&'static str, Option<AttributeValue>)> {
    let text = |text: &str| Some(AttributeValue::S(text.to_owned()));
    let number = |number: &str| Some(AttributeValue::N(number.to_owned()));
    vec![
        ("state", None),
        ("state", text("AQ==")),
        ("state", Some(AttributeValue::B(Blob::new([])))),
        ("state", Some(AttributeValue::B(Blob::new([1, 2, 3])))),
        ("version", None),
        ("version", text("1")),
        ("version", number("-1")),
        ("version", number("1.5")),
        ("version", number("1e30")),
        ("expiresAt", None),
        ("expiresAt", text("never")),
        ("updatedAt", None),
        ("outbox", number("1")),
        ("outbox", text("")),
        ("outbox", text("{}")),
        ("outbox", text(r#"[{"version":1}]"#)),
    ]
}

#[tokio::test]
async fn every_damaged_item_quarantines_its_users_records_and_is_left_unchanged() {
    let bench = dynamodb::bench().await;
    let queue = MemoryMessageQueue::default();
    let handle = async |records: &[_]| {
        let (store, clock) = (bench.store.clone(), ManualClock::at(START_MS));
        let settings = DetectorSettings::from_env(&Env::default()).unwrap();
        let detector = Detector::new(store, MemoryMessageQueue::default(), queue.clone(), clock.clone(), settings);
        detector.handle(&kinesis_event(records), &invocation(&clock)).await.unwrap().response.batch_item_failures
    };
    for (number, (name, value)) in damages().into_iter().enumerate() {
        let user_id = format!("u{number}");
        handle(&[transaction(0, &user_id, 100.0)]).await;
        let key = AttributeValue::S(user_id.clone());
        let update =
            bench.client.update_item().table_name(TABLE).key("userId", key).expression_attribute_names("#name", name);
        let update = match value.clone() {
            None => update.update_expression("REMOVE #name"),
            Some(value) => update.update_expression("SET #name = :value").expression_attribute_values(":value", value),
        };
        update.send().await.unwrap();
        let load = async || bench.store.load(&[&user_id]).await.remove(0).unwrap();
        let damaged = load().await;
        assert!(matches!(damaged, Loaded::Corrupt(_)), "{name} {value:?}");
        let failed = handle(&[transaction(1, &user_id, 100.0), transaction(2, "innocent", 100.0)]).await;
        assert!(failed.is_empty(), "{name} {value:?}");
        let messages = queue.take();
        assert!(messages.len() == 1 && messages[0].contains(r#""reason":"state-corrupt""#), "{messages:?}");
        assert_eq!(load().await, damaged, "{name} {value:?}");
    }
}
