//! The detector over any batch: it never fails, every record is folded or in quarantine, a bad record changes nothing for the
//! others, and a redelivery changes nothing at all.
//!
//! Each line is a record. Its first byte says which kind: `A` an aggregate of the parts between NUL bytes, `E` an envelope as
//! JSON, `T` a transaction in 13 bytes, `S` not a record but the stored state of a user; anything else is a payload.

use std::collections::BTreeSet;

use anomaly_core::{SHARDS_PER_USER_MAX, codec};
use detector::decode::{Batch, Decoded, Shards};
use detector::window_store::{CommitError, Loaded, MemoryWindowStore, StoreError, StoredUser, Update, WindowStore};
use detector::{Detector, DetectorSettings, DetectorSummary};
use event_source::kinesis::{StreamRecord, event_json};
use intake::aggregate;
use lambda_kit::{Env, Invocation, ManualClock};
use message_queue::MemoryMessageQueue;
use serde_json::value::RawValue;

use super::event::assert_kept;
use super::{ARRIVAL_MS, CLOCK_SKEW_MS, block_on, count};

const STREAM: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/transactions";
const SHARD: &str = "shardId-000000000000";

pub(super) fn run(input: &[u8]) {
    let lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    let (store, other_store) = (stored(&lines), stored(&lines));
    let records: Vec<String> = lines.iter().enumerate().filter_map(|(index, line)| envelope(index, line)).collect();
    let event = event(&records);
    let batch = Batch::parse(&event).unwrap();
    let segment = batch.segment(0, &Shards::default());
    let decoded = segment.decode(CLOCK_SKEW_MS);
    assert_kept(&batch, &decoded.rejects);

    let bench = Bench::on(&store);
    let first = bench.handle(&event);
    assert_eq!(verdicts(&first) + rejected(&first), count(decoded.records.len() + decoded.rejects.len()));
    assert_eq!(rejected(&first), count(bench.quarantine.take().len()));
    assert_eq!(first.verdicts.anomalies(), count(bench.anomalies.take().len()));
    assert_same_without_bad_records(&decoded, &records, (&store, &other_store));
    assert_redelivery_changes_nothing(&bench, &first, &decoded, &event);
}

/// A redelivery changes nothing.
fn assert_redelivery_changes_nothing(bench: &Bench<'_>, first: &DetectorSummary, decoded: &Decoded<'_>, event: &str) {
    let shards: BTreeSet<&str> = decoded.records.iter().map(|record| record.envelope.shard.as_str()).collect();
    // A batch of Lambda's comes from one shard, and a state remembers at most four.
    if shards.len() <= SHARDS_PER_USER_MAX {
        let again = bench.handle(event);
        assert_eq!(again.verdicts.duplicates, verdicts(first));
        assert_eq!((rejected(&again), bench.anomalies.take().len()), (rejected(first), 0));
    }
}

/// The good records' users end in the same state with and without the bad records. (Aggregates that hold both are exempt.)
fn assert_same_without_bad_records(
    decoded: &Decoded<'_>,
    records: &[String],
    (store, other_store): (&MemoryWindowStore, &MemoryWindowStore),
) {
    let bad: BTreeSet<usize> = decoded.rejects.iter().map(|rejected| rejected.index).collect();
    if decoded.records.iter().any(|record| bad.contains(&record.index)) {
        return;
    }
    let good = (0..).zip(records).filter(|(index, _)| !bad.contains(index)).map(|(_, record)| record.clone());
    Bench::on(other_store).handle(&event(&good.collect::<Vec<_>>()));
    for record in &decoded.records {
        let user_id = &record.transaction.user_id;
        assert_eq!(store.get(user_id), other_store.get(user_id), "a bad record harmed {user_id:?}");
    }
}

/// A store that outlives its detector.
struct Borrowed<'a>(&'a MemoryWindowStore);

impl WindowStore for Borrowed<'_> {
    async fn load(&self, user_ids: &[&str]) -> Vec<Result<Loaded, StoreError>> {
        self.0.load(user_ids).await
    }

    async fn commit(&self, user_id: &str, user: &StoredUser, replaced: Option<u64>) -> Result<(), CommitError> {
        self.0.commit(user_id, user, replaced).await
    }

    async fn update(&self, updates: &[Update<'_>]) -> Vec<Result<(), CommitError>> {
        self.0.update(updates).await
    }
}

struct Bench<'a> {
    detector: Detector<Borrowed<'a>, MemoryMessageQueue, MemoryMessageQueue, ManualClock>,
    anomalies: MemoryMessageQueue,
    quarantine: MemoryMessageQueue,
}

impl<'a> Bench<'a> {
    fn on(store: &'a MemoryWindowStore) -> Self {
        let (anomalies, quarantine) = (MemoryMessageQueue::default(), MemoryMessageQueue::default());
        // The plain rule gives verdicts from the fourth transaction on, and has no table to compute for each input.
        let settings = DetectorSettings::from_env(&Env::from_pairs([("RULE", "plain")])).unwrap();
        let clock = ManualClock::at(ARRIVAL_MS);
        let detector = Detector::new(Borrowed(store), anomalies.clone(), quarantine.clone(), clock, settings);
        Self { detector, anomalies, quarantine }
    }

    fn handle(&self, event: &str) -> DetectorSummary {
        let invocation = Invocation { request_id: String::new(), deadline_ms: ARRIVAL_MS + 30_000 };
        let outcome = block_on(self.detector.handle(event, &invocation)).unwrap();
        assert!(outcome.response.batch_item_failures.is_empty(), "bad data never fails a record");
        outcome.summary
    }
}

fn event(records: &[String]) -> String {
    format!(r#"{{"Records":[{}]}}"#, records.join(","))
}

/// The record of a line, as Lambda sends it.
fn envelope(index: usize, line: &[u8]) -> Option<String> {
    let data = match line.split_first() {
        Some((b'S', _)) => return None,
        Some((b'E', json)) => {
            let json = std::str::from_utf8(json).ok()?;
            return serde_json::from_str::<&RawValue>(json).ok().map(|json| json.get().to_owned());
        }
        Some((b'A', parts)) => {
            aggregate::pack("k", &parts.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect::<Vec<_>>())
        }
        Some((b'T', numbers)) => transaction(numbers)?,
        _ => line.to_vec(),
    };
    let (sequence_number, partition_key) = (format!("{}", 1_000_000 + index), "k".to_owned());
    let record = StreamRecord { sequence_number, partition_key, data, arrival_time_ms: ARRIVAL_MS };
    let event = event_json(STREAM, SHARD, &[record]);
    event.strip_prefix(r#"{"Records":["#)?.strip_suffix("]}").map(str::to_owned)
}

/// One byte of user, eight of amount, four of event time.
fn transaction(numbers: &[u8]) -> Option<Vec<u8>> {
    let (user, rest) = numbers.split_first()?;
    let (amount, rest) = rest.split_first_chunk()?;
    let (time, _) = rest.split_first_chunk()?;
    let timestamp = ARRIVAL_MS + i64::from(i32::from_le_bytes(*time));
    let amount = f64::from_le_bytes(*amount);
    Some(format!(r#"{{"userId":"u{}","amount":{amount:?},"timestamp":{timestamp}}}"#, user % 4).into_bytes())
}

fn stored(lines: &[&[u8]]) -> MemoryWindowStore {
    let store = MemoryWindowStore::default();
    for line in lines {
        put_state(&store, line);
    }
    store
}

/// One byte of user, then the user's stored state.
fn put_state(store: &MemoryWindowStore, line: &[u8]) {
    let Some((b'S', rest)) = line.split_first() else { return };
    let Some((user, bytes)) = rest.split_first() else { return };
    let loaded = match codec::decode(bytes) {
        Err(error) => Loaded::Corrupt(error.into()),
        Ok(state) => Loaded::Present(Box::new(StoredUser {
            state,
            outbox: Vec::new(),
            version: Some(1),
            updated_at_ms: 0,
            expires_at_seconds: i64::MAX,
        })),
    };
    store.put(&format!("u{}", user % 4), loaded);
}

fn verdicts(summary: &DetectorSummary) -> u64 {
    let tally = summary.verdicts;
    tally.warming_up + tally.normal + tally.anomalies() + tally.duplicates + tally.late
}

fn rejected(summary: &DetectorSummary) -> u64 {
    summary.rejected.values().sum()
}
