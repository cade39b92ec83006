//! The pipeline: both mappings, both handlers, the embedded DynamoDB.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use alerter::Alerter;
use alerter::ledger::DynamoDbLedger;
use alerter::metric_sink::MemorySink;
use alerter::publication::Publication;
use alerter::publisher::MemoryPublisher;
use anomaly_core::Rule;
use detector::Detector;
use detector::message_queue::MemoryQueue;
use detector::window_store::DynamoDbWindowStore;
use event_source::kinesis::{KinesisMapping, MemoryStream, Placed};
use event_source::sqs::SqsMapping;
use event_source::{Invoke, Invoked, kinesis, sqs};
use hdrhistogram::Histogram;
use lambda_kit::{Clock, Env, Invocation, ManualClock};

use super::START_MS;
use crate::embedded::counter::RequestCounter;
use crate::embedded::{EmbeddedDynamoDb, create_table};

/// ARN of the stream in memory.
pub(super) const STREAM_ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/transactions";
const QUEUE_ARN: &str = "arn:aws:sqs:us-east-1:000000000000:anomalies";
const STATE_TABLE: &str = "user-state";
const LEDGER_TABLE: &str = "alert-ledger";
/// Shards of the stream.
const SHARDS: u32 = 2;
/// Every so many batches the detector's answer gets lost after its work is done, so the whole batch is delivered again.
const ANSWER_LOST_EVERY: u64 = 50;
/// Every so many anomaly messages SQS delivers one twice, as a standard queue may.
const DELIVERED_TWICE_EVERY: u64 = 20;
/// Visibility time-out of the anomaly queue, in ms.
const VISIBILITY_TIMEOUT_MS: i64 = 60_000;
/// Time that a function has, in ms.
const TIMEOUT_MS: i64 = 30_000;

type LocalDetector = Detector<DynamoDbWindowStore, MemoryQueue, MemoryQueue, ManualClock>;
type LocalAlerter = Alerter<DynamoDbLedger, MemoryPublisher, MemorySink, ManualClock>;

/// Sums over all batches of the detector.
#[derive(Debug)]
pub(super) struct DetectorTotals {
    pub(super) batches: u64,
    pub(super) user_batches: u64,
    pub(super) duplicates: u64,
    pub(super) late: u64,
    pub(super) rejected: u64,
    pub(super) conflicts: u64,
    pub(super) outboxes_cleared: u64,
    /// Wall time of a batch, in µs.
    pub(super) latency_us: Histogram<u64>,
}

struct DetectorFunction {
    detector: LocalDetector,
    totals: Rc<RefCell<DetectorTotals>>,
}

struct AlerterFunction {
    alerter: LocalAlerter,
    clock: ManualClock,
    suppressed: Rc<RefCell<u64>>,
}

fn invocation(clock: &ManualClock) -> Invocation {
    Invocation { request_id: "local".to_owned(), deadline_ms: clock.now_ms() + TIMEOUT_MS }
}

fn responded(response: &impl serde::Serialize) -> Invoked {
    serde_json::to_string(response).map_or_else(|error| Invoked::Failed(error.to_string()), Invoked::Responded)
}

impl Invoke for DetectorFunction {
    async fn invoke(&self, event: &str) -> Invoked {
        let started = Instant::now();
        let outcome = match self.detector.handle(event, &invocation(self.detector.clock())).await {
            Ok(outcome) => outcome,
            Err(error) => return Invoked::Failed(error.to_string()),
        };
        let mut totals = self.totals.borrow_mut();
        totals.add(&outcome.summary, started);
        if totals.batches.is_multiple_of(ANSWER_LOST_EVERY) {
            return Invoked::Failed("the answer got lost".to_owned());
        }
        responded(&outcome.response)
    }
}

impl DetectorTotals {
    fn add(&mut self, summary: &detector::Summary, started: Instant) {
        self.batches += 1;
        self.user_batches += summary.users;
        self.duplicates += summary.tally.duplicates;
        self.late += summary.tally.late;
        self.rejected += summary.rejected.values().sum::<u64>();
        self.conflicts += summary.state_conflicts;
        self.outboxes_cleared += summary.outboxes_cleared;
        self.latency_us.saturating_record(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
}

impl Invoke for AlerterFunction {
    async fn invoke(&self, event: &str) -> Invoked {
        match self.alerter.handle(event, &invocation(&self.clock)).await {
            Ok(outcome) => {
                *self.suppressed.borrow_mut() += outcome.summary.suppressed;
                responded(&outcome.response)
            }
            Err(error) => Invoked::Failed(error.to_string()),
        }
    }
}

/// Everything, running.
pub(super) struct Local {
    clock: ManualClock,
    stream: KinesisMapping<MemoryStream, DetectorFunction, ()>,
    queue: SqsMapping<sqs::MemoryQueue, AlerterFunction>,
    anomalies: MemoryQueue,
    quarantine: MemoryQueue,
    publisher: MemoryPublisher,
    metric: MemorySink,
    /// Requests for user state.
    pub(super) state_requests: RequestCounter,
    /// Requests for the ledger.
    pub(super) ledger_requests: RequestCounter,
    /// Sums over all batches.
    pub(super) totals: Rc<RefCell<DetectorTotals>>,
    suppressed: Rc<RefCell<u64>>,
    quarantined: u64,
    messages: u64,
    /// Messages to be delivered a second time.
    copies: Vec<String>,
    /// Dropped last: the server goes when nobody asks any more.
    _dynamodb: EmbeddedDynamoDb,
}

impl Local {
    /// Starts the database, creates the tables and wires everything.
    pub(super) async fn start(rule: Rule) -> anyhow::Result<Self> {
        let dynamodb = EmbeddedDynamoDb::start()?;
        let (state_requests, ledger_requests) = (RequestCounter::default(), RequestCounter::default());
        let (state_client, ledger_client) = (dynamodb.client(&state_requests), dynamodb.client(&ledger_requests));
        create_table(&state_client, STATE_TABLE, "userId").await?;
        create_table(&ledger_client, LEDGER_TABLE, "id").await?;

        let clock = ManualClock::at(START_MS);
        let (anomalies, quarantine) = (MemoryQueue::default(), MemoryQueue::default());
        let (publisher, metric) = (MemoryPublisher::default(), MemorySink::default());
        let (totals, suppressed) = (Rc::new(RefCell::new(DetectorTotals::default())), Rc::default());
        let settings = detector::config::Settings { rule, ..detector::config::Settings::from_env(&Env::default())? };
        let store = DynamoDbWindowStore::new(state_client, STATE_TABLE.to_owned());
        let detector = Detector::new(store, anomalies.clone(), quarantine.clone(), clock.clone(), settings);
        let settings = alerter::config::Settings::from_env(&Env::default())?;
        let ledger = DynamoDbLedger::new(ledger_client, LEDGER_TABLE.to_owned());
        let alerter = Alerter::new(ledger, publisher.clone(), metric.clone(), clock.clone(), settings);

        let detector = DetectorFunction { detector, totals: Rc::clone(&totals) };
        let alerter = AlerterFunction { alerter, clock: clock.clone(), suppressed: Rc::clone(&suppressed) };
        let queue = sqs::MemoryQueue::new(VISIBILITY_TIMEOUT_MS, Some(5));
        Ok(Self {
            clock,
            stream: KinesisMapping::new(
                STREAM_ARN.to_owned(),
                MemoryStream::new(SHARDS),
                detector,
                (),
                mapping_settings(),
            ),
            queue: SqsMapping::new(QUEUE_ARN.to_owned(), queue, alerter, sqs::Settings::default()),
            anomalies,
            quarantine,
            publisher,
            metric,
            state_requests,
            ledger_requests,
            totals,
            suppressed,
            quarantined: 0,
            messages: 0,
            copies: Vec::new(),
            _dynamodb: dynamodb,
        })
    }

    /// Puts a record that arrives now; time goes on to it.
    pub(super) fn put(&self, partition_key: &str, payload: Vec<u8>, now_ms: i64) -> Placed {
        self.clock.set(now_ms.max(self.clock.now_ms()));
        self.stream.source().put(partition_key, payload, self.clock.now_ms())
    }

    /// Lets both mappings work until they have nothing to do now; answers whether nothing is under way any more.
    pub(super) async fn poll(&mut self) -> anyhow::Result<bool> {
        loop {
            let step = self.stream.step(self.clock.now_ms()).await?;
            self.forward();
            let received = self.queue.step(self.clock.now_ms()).await?.received;
            if step.invocations == 0 && received == 0 {
                break;
            }
        }
        self.quarantined += u64::try_from(self.quarantine.take().len())?;
        // Messages that failed wait for their visibility time-out.
        if let Some(visible_ms) = self.queue.source().next_visible_ms() {
            self.clock.set(visible_ms.max(self.clock.now_ms()));
        }
        Ok(self.queue.source().is_empty() && self.copies.is_empty())
    }

    /// From the detector's queue to the one that the alerter is fed from. Second copies follow one poll later.
    fn forward(&mut self) {
        let copies = std::mem::take(&mut self.copies);
        for body in self.anomalies.take() {
            self.messages += 1;
            if self.messages.is_multiple_of(DELIVERED_TWICE_EVERY) {
                self.copies.push(body.clone());
            }
            self.queue.source().send(body, self.clock.now_ms());
        }
        for body in copies {
            self.queue.source().send(body, self.clock.now_ms());
        }
    }

    /// Takes all SNS messages published so far.
    pub(super) fn publications(&self) -> Vec<Publication> {
        self.publisher.take()
    }

    /// AnomalyCount.
    pub(super) fn anomaly_count(&self) -> u32 {
        self.metric.sum()
    }

    /// Messages that the ledger suppressed.
    pub(super) fn suppressed(&self) -> u64 {
        *self.suppressed.borrow()
    }

    /// Messages in quarantine.
    pub(super) const fn quarantined(&self) -> u64 {
        self.quarantined
    }
}

impl Default for DetectorTotals {
    fn default() -> Self {
        Self {
            batches: 0,
            user_batches: 0,
            duplicates: 0,
            late: 0,
            rejected: 0,
            conflicts: 0,
            outboxes_cleared: 0,
            // One µs to ten minutes with three significant digits: constants that the histogram accepts.
            latency_us: Histogram::new_with_bounds(1, 600_000_000, 3)
                .unwrap_or_else(|_| unreachable!("constant bounds")),
        }
    }
}

fn mapping_settings() -> kinesis::Settings {
    kinesis::Settings { retry_attempts_max: Some(10), ..kinesis::Settings::default() }
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local").field("totals", &self.totals).finish_non_exhaustive()
    }
}
