//! From the stream to the queue of anomalies: Lambda's Kinesis mapping, the detector, the embedded DynamoDB.

use std::cell::{Ref, RefCell};
use std::rc::Rc;
use std::time::Instant;

use anomaly_core::UserState;
use anyhow::anyhow;
use detector::window_store::{DynamoDbWindowStore, StoredUser, WindowStore};
use detector::{Detector, DetectorSettings, DetectorSummary};
use event_source::kinesis::{KinesisMapping, KinesisMappingSettings, LOCAL_STREAM_ARN, MemoryStream, Placed, Step};
use event_source::{Invoke, Invoked};
use hdrhistogram::Histogram;
use lambda_kit::Clock;
use message_queue::MemoryMessageQueue;

use crate::dynamodb::{EmbeddedDynamoDb, counter::RequestCounter, create_table};
use crate::function::{invocation, responded};

const STATE_TABLE: &str = "user-state";
/// Longest batch that the histogram holds, in µs: ten minutes.
const LATENCY_US_MAX: u64 = 600_000_000;

/// The stream and its mapping.
#[derive(Debug, Clone)]
pub struct StreamOptions {
    /// Shards of the stream.
    pub shards: u32,
    /// Settings of the mapping.
    pub mapping: KinesisMappingSettings,
    /// Loses every n-th response of the detector after its work is done, so that Lambda redelivers the whole batch.
    pub response_lost_every: Option<u64>,
}

/// Sums over all batches of the detector.
#[derive(Debug)]
pub struct DetectorTotals {
    /// Batches handled.
    pub batches: u64,
    /// The sum of their summaries.
    pub summary: DetectorSummary,
    /// Wall time of a batch in µs, DynamoDB included.
    pub latency_us: Histogram<u64>,
}

/// The first half of the pipeline. `C` is the clock of stream and detector.
#[derive(Debug)]
pub struct DetectorSide<C> {
    clock: C,
    mapping: KinesisMapping<MemoryStream, DetectorFunction<C>, ()>,
    store: DynamoDbWindowStore,
    anomalies: MemoryMessageQueue,
    quarantine: MemoryMessageQueue,
    requests: RequestCounter,
}

type LocalDetector<C> = Detector<DynamoDbWindowStore, MemoryMessageQueue, MemoryMessageQueue, C>;

#[derive(Debug)]
struct DetectorFunction<C> {
    /// The warm container. A deployment replaces it.
    detector: RefCell<Rc<LocalDetector<C>>>,
    totals: Rc<RefCell<DetectorTotals>>,
    response_lost_every: Option<u64>,
}

impl<C: Clock> Invoke for DetectorFunction<C> {
    async fn invoke(&self, event: &str) -> Invoked {
        let started = Instant::now();
        let detector = Rc::clone(&self.detector.borrow());
        let outcome = match detector.handle(event, &invocation(detector.clock())).await {
            Ok(outcome) => outcome,
            Err(error) => return Invoked::Failed(error.to_string()),
        };
        let mut totals = self.totals.borrow_mut();
        totals.add(outcome.summary, started);
        if self.response_lost_every.is_some_and(|every| totals.batches.is_multiple_of(every)) {
            return Invoked::Failed("the response was lost".to_owned());
        }
        responded(&outcome.response)
    }
}

impl DetectorTotals {
    fn new() -> anyhow::Result<Self> {
        let latency_us = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)?;
        Ok(Self { batches: 0, summary: DetectorSummary::default(), latency_us })
    }

    fn add(&mut self, summary: DetectorSummary, started: Instant) {
        self.batches += 1;
        self.summary += summary;
        self.latency_us.saturating_record(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
}

impl<C: Clock + Clone> DetectorSide<C> {
    /// Creates the table of user state and connects everything. The database has to live longer than the result is used.
    ///
    /// # Errors
    /// If the table cannot be created.
    pub async fn start(
        dynamodb: &EmbeddedDynamoDb,
        clock: C,
        settings: DetectorSettings,
        stream: StreamOptions,
    ) -> anyhow::Result<Self> {
        let requests = RequestCounter::default();
        let client = dynamodb.client(&requests);
        create_table(&client, STATE_TABLE, "userId").await?;
        let (anomalies, quarantine) = (MemoryMessageQueue::default(), MemoryMessageQueue::default());
        let store = DynamoDbWindowStore::new(client, STATE_TABLE.to_owned());
        let detector = Detector::new(store.clone(), anomalies.clone(), quarantine.clone(), clock.clone(), settings);
        let detector = RefCell::new(Rc::new(detector));
        let StreamOptions { shards, mapping, response_lost_every } = stream;
        let totals = Rc::new(RefCell::new(DetectorTotals::new()?));
        let function = DetectorFunction { detector, totals, response_lost_every };
        let stream = MemoryStream::new(shards);
        let mapping = KinesisMapping::new(LOCAL_STREAM_ARN.to_owned(), stream, function, (), mapping);
        Ok(Self { clock, mapping, store, anomalies, quarantine, requests })
    }

    /// Starts a new container with these settings, as a deployment does.
    pub fn restart(&self, settings: DetectorSettings) {
        let (store, anomalies, quarantine) = (self.store.clone(), self.anomalies.clone(), self.quarantine.clone());
        let detector = Detector::new(store, anomalies, quarantine, self.clock.clone(), settings);
        *self.mapping.function().detector.borrow_mut() = Rc::new(detector);
    }

    /// Stores the state of a user who has none yet.
    ///
    /// # Errors
    /// If the database does not respond, or has the user already.
    pub async fn store(&self, user_id: &str, state: UserState, expires_at_seconds: i64) -> anyhow::Result<()> {
        let (outbox, now_ms) = (Vec::new(), self.clock.now_ms());
        let version = Some(u64::try_from(now_ms)?);
        let user = StoredUser { state, outbox, version, updated_at_ms: now_ms, expires_at_seconds };
        self.store.commit(user_id, &user, None).await.map_err(|error| anyhow!("a state was not stored: {error:?}"))
    }

    /// Forgets the records that arrived before a time, as the stream does after its retention.
    pub fn forget_records_before(&self, arrival_time_ms: i64) {
        self.mapping.source().forget_before(arrival_time_ms);
    }

    /// Puts a record that arrives now.
    pub fn put(&self, partition_key: &str, payload: Vec<u8>) -> Placed {
        self.mapping.source().put(partition_key, payload, self.clock.now_ms())
    }

    /// One step of the mapping: at most one invocation for each shard.
    ///
    /// # Errors
    /// If the stream cannot be read.
    pub async fn step(&mut self) -> anyhow::Result<Step> {
        Ok(self.mapping.step(self.clock.now_ms()).await?)
    }

    /// Takes the anomaly messages sent since the last call, in order.
    #[must_use]
    pub fn take_anomalies(&self) -> Vec<String> {
        self.anomalies.take()
    }

    /// Takes the quarantine messages sent since the last call, in order.
    #[must_use]
    pub fn take_quarantined(&self) -> Vec<String> {
        self.quarantine.take()
    }

    /// Sums over all batches so far.
    #[must_use]
    pub fn totals(&self) -> Ref<'_, DetectorTotals> {
        self.mapping.function().totals.borrow()
    }

    /// Requests for user state so far.
    #[must_use]
    pub const fn requests(&self) -> &RequestCounter {
        &self.requests
    }
}
