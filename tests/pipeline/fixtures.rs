//! Shared fixtures: events, handlers over in-memory ports, invocations.

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use alert_policy::{Decision, Disposition, Reason};
use alerter::ledger::MemoryLedger;
use alerter::message::{Alert, QueueMessage};
use alerter::metric_sink::MemorySink;
use alerter::publication::{Publication, plan};
use alerter::publisher::MemoryPublisher;
use alerter::{Alerter, AlerterSettings, AlerterSummary, Case};
use anomaly_core::Severity;
use detector::window_store::{CommitError, Loaded, MemoryWindowStore, StoreError, StoredUser, Update, WindowStore};
use detector::{Detector, DetectorSettings, DetectorSummary};
pub(crate) use event_source::kinesis::LOCAL_STREAM_ARN as STREAM;
use event_source::kinesis::{StreamRecord, event_json};
use lambda_kit::{Clock, Env, Invocation, ManualClock};
use message_queue::MemoryMessageQueue;
pub(crate) use scenarios::START_MS;
use serde_json::json;
use tokio::time::Instant;

pub(crate) const SHARD: &str = "shardId-000000000000";

/// A store that several detectors share, as containers do.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedStore(pub(crate) Rc<MemoryWindowStore>);

impl WindowStore for SharedStore {
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

/// A ledger that several alerters share.
pub(crate) type SharedLedger = Rc<MemoryLedger>;

/// A detector with everything in memory.
pub(crate) struct DetectorBench {
    pub(crate) store: SharedStore,
    pub(crate) anomalies: MemoryMessageQueue,
    pub(crate) quarantine: MemoryMessageQueue,
    pub(crate) clock: ManualClock,
    pub(crate) detector: Detector<SharedStore, MemoryMessageQueue, MemoryMessageQueue, ManualClock>,
}

impl DetectorBench {
    pub(crate) fn new() -> Self {
        Self::on(SharedStore::default())
    }

    /// Another container on the same store, with queues and a cache of its own.
    pub(crate) fn on(store: SharedStore) -> Self {
        Self::configured(store, &Env::default())
    }

    /// The same with these variables.
    pub(crate) fn configured(store: SharedStore, env: &Env) -> Self {
        let (anomalies, quarantine, clock) =
            (MemoryMessageQueue::default(), MemoryMessageQueue::default(), ManualClock::at(START_MS));
        let settings = DetectorSettings::from_env(env).unwrap();
        let detector = Detector::new(store.clone(), anomalies.clone(), quarantine.clone(), clock.clone(), settings);
        Self { store, anomalies, quarantine, clock, detector }
    }

    /// Handles a batch. Returns the reported sequence number and the summary.
    pub(crate) async fn handle(&self, event: &str) -> (Option<String>, DetectorSummary) {
        let outcome = self.detector.handle(event, &invocation(&self.clock)).await.unwrap();
        let failures = outcome.response.batch_item_failures;
        assert!(failures.len() <= 1, "one checkpoint is enough");
        (failures.into_iter().next().map(|failure| failure.item_identifier.unwrap()), outcome.summary)
    }

    /// Ids of the anomalies sent since the last call.
    pub(crate) fn sent_ids(&self) -> Vec<String> {
        let id =
            |body: &String| serde_json::from_str::<serde_json::Value>(body).unwrap()["id"].as_str().unwrap().to_owned();
        self.anomalies.take().iter().map(id).collect()
    }
}

/// An alerter with everything in memory.
pub(crate) struct AlerterBench {
    pub(crate) ledger: SharedLedger,
    pub(crate) publisher: MemoryPublisher,
    pub(crate) metric: MemorySink,
    pub(crate) clock: ManualClock,
    pub(crate) alerter: Alerter<SharedLedger, MemoryPublisher, MemorySink, ManualClock>,
}

impl AlerterBench {
    pub(crate) fn new() -> Self {
        let (ledger, publisher, metric) = (SharedLedger::default(), MemoryPublisher::default(), MemorySink::default());
        let clock = ManualClock::at(START_MS);
        let settings = AlerterSettings::from_env(&Env::default()).unwrap();
        let alerter = Alerter::new(ledger.clone(), publisher.clone(), metric.clone(), clock.clone(), settings);
        Self { ledger, publisher, metric, clock, alerter }
    }

    /// Handles a batch. Returns the reported message ids and the summary.
    pub(crate) async fn handle(&self, event: &str) -> (Vec<String>, AlerterSummary) {
        let outcome = self.alerter.handle(event, &invocation(&self.clock)).await.unwrap();
        let failures = outcome.response.batch_item_failures;
        (failures.into_iter().map(|failure| failure.item_identifier).collect(), outcome.summary)
    }
}

/// As many alerts of ascending score, each published alone.
pub(crate) fn publications(count: usize) -> Vec<Publication> {
    let cases: Vec<Case> = (0..count).map(case).collect();
    plan(&cases.iter().collect::<Vec<_>>(), count)
}

/// An alert that waits for the summary.
pub(crate) fn case(number: usize) -> Case {
    let body = Some(anomaly_body(number, 3.0 + f64::from(u32::try_from(number).unwrap())));
    let alert = Alert::read(&QueueMessage { message_id: Some(format!("m{number}")), body }).unwrap();
    let decision = decision(Disposition::Digest);
    Case::new(alert, decision)
}

pub(crate) fn decision(disposition: Disposition) -> Decision {
    Decision {
        disposition,
        would: None,
        reason: Reason::Priority,
        policy_version: 0,
        priority: Severity::Warning,
        episode: "e".to_owned(),
        repeats: 0,
        pages_per_day_max: 20,
    }
}

/// Tokio's paused clock as the function's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PausedClock(Instant);

impl PausedClock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for PausedClock {
    fn now_ms(&self) -> i64 {
        START_MS + i64::try_from(self.0.elapsed().as_millis()).unwrap()
    }
}

/// An invocation of its own, with 30 s to its deadline.
pub(crate) fn invocation(clock: &impl Clock) -> Invocation {
    static STARTED: AtomicU64 = AtomicU64::new(0);
    let number = STARTED.fetch_add(1, Ordering::Relaxed);
    Invocation { request_id: format!("test {number}"), deadline_ms: clock.now_ms() + 30_000 }
}

/// The sequence number of the record with this index.
pub(crate) fn sequence(index: usize) -> String {
    format!("49590338271490256608559692538361571095921575989{index:09}")
}

/// A record with this index in the stream.
pub(crate) fn record(index: usize, payload: impl Into<Vec<u8>>) -> StreamRecord {
    StreamRecord {
        sequence_number: sequence(index),
        partition_key: "k".to_owned(),
        data: payload.into(),
        arrival_time_ms: START_MS + i64::try_from(index).unwrap() * 100,
    }
}

/// A transaction with this index in the stream.
pub(crate) fn transaction(index: usize, user_id: &str, amount: f64) -> StreamRecord {
    let timestamp = START_MS + i64::try_from(index).unwrap() * 100;
    record(index, json!({ "userId": user_id, "amount": amount, "timestamp": timestamp }).to_string())
}

/// Twenty ordinary transactions of a user from this index on: enough for verdicts afterwards.
pub(crate) fn warm_up(first: usize, user_id: &str) -> Vec<StreamRecord> {
    (first..first + 20)
        .map(|index| transaction(index, user_id, 100.0 + f64::from(u8::try_from(index % 7).unwrap())))
        .collect()
}

pub(crate) fn kinesis_event(records: &[StreamRecord]) -> String {
    event_json(STREAM, SHARD, records)
}

/// An SQS event with these bodies; message ids are `m0`, `m1` and so on.
pub(crate) fn sqs_event(bodies: &[String]) -> String {
    let record = |(index, body): (usize, &String)| json!({ "messageId": format!("m{index}"), "body": body });
    json!({ "Records": bodies.iter().enumerate().map(record).collect::<Vec<_>>() }).to_string()
}

/// An anomaly message with this number in its id.
pub(crate) fn anomaly_body(number: usize, score: f64) -> String {
    json!({
        "version": 1, "id": format!("{number:032x}"), "userId": "user001", "amount": 9000.0, "eventTimeMs": START_MS,
        "mean": 100.0, "stddev": 10.0, "threshold": 125.0, "score": score, "count": 30, "severity": "warning",
        "rule": "adaptive", "shardId": SHARD, "sequenceNumber": sequence(number), "subSequence": 0,
    })
    .to_string()
}
