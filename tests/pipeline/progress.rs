//! Every delivery of an event makes progress, however large the event is and however slow the services are: what one delivery
//! confirmed, the next one does not do again. Time is tokio's paused clock, and every call takes a while.

use std::collections::BTreeSet;
use std::time::Duration;

use anomaly_core::{RejectReason, ShardId};
use detector::shard_ranges::ShardRanges;
use detector::window_store::{CommitError, Loaded, StoreError, StoredUser, Update, WindowStore};
use detector::{Detector, DetectorSettings, DetectorSummary};
use event_source::kinesis::{StreamRecord, event_json};
use futures_util::{StreamExt, stream};
use intake::aggregate::{HashRange, pack};
use lambda_kit::{Clock, Env, Invocation};
use message_queue::{MemoryMessageQueue, MessageQueue};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::fixtures::{PausedClock, SHARD, START_MS, STREAM, SharedStore, record, sequence};

/// Duration of a call to a service that has a bad day.
const SLOW: Duration = Duration::from_millis(65);
/// The function's time-out in the template, and the shortest that it accepts.
const TIMEOUT_MS: i64 = 60_000;
const SHORTEST_TIMEOUT_MS: i64 = 30_000;
/// Duration of a call at which the promise still holds.
const SLOWEST: Duration = Duration::from_millis(200);

/// SQS as its adapter uses it: ten messages a call, four calls at once, each of them slow.
#[derive(Debug, Clone)]
struct SlowQueue(MemoryMessageQueue, Duration);

impl MessageQueue for SlowQueue {
    async fn send(&self, bodies: &[String]) -> Vec<bool> {
        let call = async |chunk: &[String]| {
            sleep(self.1).await;
            self.0.send(chunk).await
        };
        stream::iter(bodies.chunks(10)).map(call).buffered(4).concat().await
    }
}

/// DynamoDB as its adapter uses it: a hundred keys a call, four calls at once; up to 25 users a write.
#[derive(Debug, Clone)]
struct SlowStore(SharedStore, Duration);

impl WindowStore for SlowStore {
    async fn load(&self, user_ids: &[&str]) -> Vec<Result<Loaded, StoreError>> {
        let call = async |chunk: &[&str]| {
            sleep(self.1).await;
            self.0.load(chunk).await
        };
        stream::iter(user_ids.chunks(100)).map(call).buffered(4).concat().await
    }

    async fn commit(&self, user_id: &str, user: &StoredUser, replaced: Option<u64>) -> Result<(), CommitError> {
        sleep(self.1).await;
        self.0.commit(user_id, user, replaced).await
    }

    async fn update(&self, updates: &[Update<'_>]) -> Vec<Result<(), CommitError>> {
        sleep(self.1).await;
        self.0.update(updates).await
    }
}

/// A detector whose services are all slow.
struct Bench {
    store: SlowStore,
    anomalies: SlowQueue,
    quarantine: SlowQueue,
    clock: PausedClock,
    timeout_ms: i64,
    detector: Detector<SlowStore, SlowQueue, SlowQueue, PausedClock>,
}

/// One delivery: what was left to do when it began, and what it did.
struct Delivery {
    records: usize,
    summary: DetectorSummary,
    anomalies: Vec<String>,
    quarantined: Vec<Value>,
}

impl Bench {
    fn new() -> Self {
        Self::with(SLOW, TIMEOUT_MS)
    }

    fn with(slow: Duration, timeout_ms: i64) -> Self {
        let queue = || SlowQueue(MemoryMessageQueue::default(), slow);
        let (store, anomalies, quarantine) = (SlowStore(SharedStore::default(), slow), queue(), queue());
        let clock = PausedClock::start();
        let settings = DetectorSettings::from_env(&Env::default()).unwrap();
        let detector = Detector::new(store.clone(), anomalies.clone(), quarantine.clone(), clock, settings);
        Self { store, anomalies, quarantine, clock, timeout_ms, detector }
    }

    /// Delivers records as Lambda does, from the checkpoint on, until none is left. Every delivery has to end in time, and has to
    /// leave less to do.
    async fn deliver(&self, mut records: &[StreamRecord]) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        while !records.is_empty() {
            let invocation =
                Invocation { request_id: String::new(), deadline_ms: self.clock.now_ms() + self.timeout_ms };
            let outcome = self.detector.handle(&event_json(STREAM, SHARD, records), &invocation).await.unwrap();
            assert!(self.clock.now_ms() < invocation.deadline_ms, "Lambda would have stopped it");
            let failure = outcome.response.batch_item_failures.first().and_then(|f| f.item_identifier.clone());
            let from = failure.map_or(records.len(), |number| {
                records.iter().position(|record| record.sequence_number == number).unwrap()
            });
            let ids = self.anomalies.0.take().iter().map(|body| parsed(body)["id"].to_string()).collect();
            let quarantined = self.quarantine.0.take().iter().map(|body| parsed(body)).collect();
            let delivery = Delivery { records: records.len(), summary: outcome.summary, anomalies: ids, quarantined };
            deliveries.push(delivery);
            records = &records[from..];
        }
        deliveries
    }
}

fn parsed(body: &str) -> Value {
    serde_json::from_str(body).unwrap()
}

fn distinct(deliveries: &[Delivery]) -> BTreeSet<&str> {
    deliveries.iter().flat_map(|delivery| &delivery.anomalies).map(String::as_str).collect()
}

/// A transaction with the producer's mistake: an amount as text.
fn bad() -> Vec<u8> {
    json!({ "userId": "user1", "amount": "123.45", "timestamp": START_MS, "transactionId": "txn_123456",
        "merchantId": "merchant_12" })
    .to_string()
    .into_bytes()
}

#[tokio::test(start_paused = true)]
async fn a_full_event_of_bad_aggregated_records_is_done_in_two_deliveries() {
    let records: Vec<_> = (0..88).map(|index| record(index, pack("a", &vec![bad(); 426]))).collect();
    assert!(event_json(STREAM, SHARD, &records).len() > 5_900_000, "as large as Lambda makes one");
    let deliveries = Bench::new().deliver(&records).await;
    // 37,488 messages at forty in 65 ms take 61 s.
    assert_eq!(deliveries.len(), 2);
    let sent: usize = deliveries.iter().map(|delivery| delivery.quarantined.len()).sum();
    assert!((37_488..37_488 + 426).contains(&sent), "at most one aggregate is sent again: {sent}");
    let places: BTreeSet<String> = deliveries
        .iter()
        .flat_map(|delivery| &delivery.quarantined)
        .map(|message| format!("{} {}", message["sequenceNumber"], message["subSequence"]))
        .collect();
    assert_eq!(places.len(), 37_488, "each of them");
}

#[tokio::test(start_paused = true)]
async fn an_aggregate_of_more_than_a_thousand_bad_records_is_one_message() {
    let aggregate = pack("a", &[vec![Vec::new(); 26_000], vec![bad(); 3]].concat());
    let mut records: Vec<_> = (0..30).map(|index| record(index, aggregate.clone())).collect();
    let good = json!({ "userId": "innocent", "amount": 1, "timestamp": START_MS }).to_string();
    records.push(record(30, good));
    let bench = Bench::new();
    let deliveries = bench.deliver(&records).await;
    assert_eq!(deliveries.len(), 1);
    assert!(matches!(bench.store.0.0.get("innocent"), Loaded::Present(_)));
    assert_eq!(deliveries[0].summary.rejected, [(RejectReason::NotJson, 30 * 26_003)].into());
    let messages = &deliveries[0].quarantined;
    assert_eq!((messages.len(), &messages[7]["badRecords"]), (30, &json!(26_003)));
    assert_eq!((&messages[7]["reason"], &messages[7]["payloadBytes"]), (&json!("not-json"), &json!(aggregate.len())));
}

#[tokio::test(start_paused = true)]
async fn an_aggregate_of_a_thousand_bad_records_is_a_thousand_messages() {
    let deliveries = Bench::new().deliver(&[record(0, pack("a", &vec![bad(); 1_000]))]).await;
    assert_eq!((deliveries.len(), deliveries[0].quarantined.len()), (1, 1_000));
    assert_eq!(deliveries[0].quarantined[0].get("badRecords"), None);
}

/// Twenty usual transactions of each user, one record a user and round.
fn usual(users: usize) -> Vec<StreamRecord> {
    (0..20 * users)
        .map(|index| {
            let (round, user) = (index / users, index % users);
            let amount = 100 + round % 7;
            let body = json!({ "userId": format!("user{user}"), "amount": amount, "timestamp": START_MS + 1_000 * i64::try_from(round).unwrap() });
            StreamRecord { arrival_time_ms: START_MS + 100_000, ..record(index, body.to_string()) }
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_event_of_nothing_but_anomalies_ends_and_each_is_sent() {
    let (users, bench) = (1_000, Bench::new());
    for round in usual(users).chunks(users) {
        bench.deliver(round).await;
    }
    // A producer's mistake in its unit: 88 aggregates of 426 transactions, interleaved over all users, each beyond the one before.
    let anomaly = |index: usize| {
        let amount = 1e4 * 1.5_f64.powi(i32::try_from(index / users).unwrap());
        json!({ "userId": format!("user{}", index % users), "amount": amount, "timestamp": START_MS + 21_000,
            "transactionId": format!("t{index}") })
        .to_string()
    };
    let aggregate = |number: usize| pack("a", &(number * 426..(number + 1) * 426).map(anomaly).collect::<Vec<_>>());
    let records: Vec<_> = (0..88)
        .map(|number| StreamRecord {
            arrival_time_ms: START_MS + 100_000,
            ..record(100_000 + number, aggregate(number))
        })
        .collect();
    let deliveries = bench.deliver(&records).await;
    let verdicts: u64 = deliveries.iter().map(|delivery| delivery.summary.verdicts.anomalies()).sum();
    // The rule takes the rest for a new level.
    assert!(verdicts > 20_000, "{verdicts} anomalies");
    assert_eq!(u64::try_from(distinct(&deliveries).len()).unwrap(), verdicts, "each is sent");
    assert!(deliveries.len() <= 4, "{} deliveries", deliveries.len());
    let sent: usize = deliveries.iter().map(|delivery| delivery.anomalies.len()).sum();
    let again = sent - distinct(&deliveries).len();
    assert!(again <= 100 * deliveries.len(), "at most a slice a delivery is sent again: {again}");
}

#[tokio::test(start_paused = true)]
async fn an_event_of_more_users_than_one_delivery_can_write_ends() {
    let users = 40_000;
    let body = |user: usize| json!({ "userId": format!("u{user}"), "amount": 1, "timestamp": START_MS }).to_string();
    let records: Vec<_> = (0..40)
        .map(|number| record(number, pack("a", &(1_000 * number..1_000 * (number + 1)).map(body).collect::<Vec<_>>())))
        .collect();
    let bench = Bench::new();
    let deliveries = bench.deliver(&records).await;
    // 32 writes in 65 ms, and a read before: 27,000 users a delivery.
    assert_eq!(deliveries.iter().map(|delivery| delivery.records).collect::<Vec<_>>().len(), 2);
    let folded: u64 = deliveries.iter().map(|delivery| delivery.summary.verdicts.warming_up).sum();
    assert_eq!(folded, users, "each user is folded once");
}

#[tokio::test(start_paused = true)]
async fn after_a_failed_record_no_later_record_of_the_user_is_applied_in_any_part_of_the_event() {
    let bench = Bench::new();
    let of = |user: &str, index: usize| {
        json!({ "userId": user, "amount": 100, "timestamp": START_MS, "transactionId": format!("{user} {index}") })
            .to_string()
    };
    // Three parts: an aggregate fills one of its own.
    let filler: Vec<String> = (0..10_100).map(|index| of("filler", index)).collect();
    let records = [record(0, of("a", 0)), record(1, pack("a", &filler)), record(2, of("a", 1)), record(3, of("b", 0))];
    bench.store.0.0.commit_faults.extend([lambda_kit::Fault::Refused]);
    let deliveries = bench.deliver(&records).await;
    assert_eq!(deliveries.len(), 2);
    assert_eq!(deliveries[0].summary.users_failed, 2, "once in each part that it is in");
    assert_eq!(deliveries[1].summary.verdicts.warming_up, 2, "both records of the user, in their order");
    let position = |user: &str| match bench.store.0.0.get(user) {
        Loaded::Present(stored) => stored.state.memory().windowed().unwrap().long_term.count,
        other => panic!("{other:?}"),
    };
    assert_eq!((position("b"), sequence(3).is_empty()), (position("b"), false));
}

/// What is in front of the checkpoint holds it up: it gets its share of the time, whatever comes behind it.
#[tokio::test(start_paused = true)]
async fn many_bad_records_before_many_good_ones_end_with_the_slowest_services_and_the_shortest_time_out() {
    let body = |user: usize| json!({ "userId": format!("u{user}"), "amount": 1, "timestamp": START_MS }).to_string();
    let mut records = vec![record(0, pack("a", &vec![bad(); 1_000]))];
    records.extend((1..21).map(|number| {
        record(number, pack("a", &(1_000 * number..1_000 * (number + 1)).map(body).collect::<Vec<_>>()))
    }));
    let deliveries = Bench::with(SLOWEST, SHORTEST_TIMEOUT_MS).deliver(&records).await;
    assert_eq!(deliveries[0].quarantined.len(), 1_000, "at once");
    let folded: u64 = deliveries.iter().map(|delivery| delivery.summary.verdicts.warming_up).sum();
    assert_eq!(folded, 20_000);
    assert!(deliveries.len() <= 8, "{} deliveries", deliveries.len());
}

/// A Kinesis that does not answer.
struct Hanging;

impl ShardRanges for Hanging {
    async fn range(&self, _stream_arn: &str, _shard: &ShardId) -> Option<HashRange> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_kinesis_that_does_not_list_its_shards_holds_up_nobody() {
    let bench = Bench::with(SLOW, SHORTEST_TIMEOUT_MS);
    let settings = DetectorSettings::from_env(&Env::default()).unwrap();
    let (anomalies, quarantine) = (bench.anomalies.clone(), bench.quarantine.clone());
    let detector =
        Detector::new(bench.store.clone(), anomalies, quarantine, bench.clock, settings).with_ranges(Hanging);
    let good = json!({ "userId": "u", "amount": 1, "timestamp": START_MS, "transactionId": "t" }).to_string();
    let event = event_json(STREAM, SHARD, &[record(0, pack("u", &[good]))]);
    let started_ms = bench.clock.now_ms();
    let invocation = Invocation { request_id: String::new(), deadline_ms: started_ms + SHORTEST_TIMEOUT_MS };
    let outcome = detector.handle(&event, &invocation).await.unwrap();
    assert_eq!((outcome.response.batch_item_failures.len(), outcome.summary.verdicts.warming_up), (0, 1));
    assert!(bench.clock.now_ms() - started_ms < 2_000);
}
