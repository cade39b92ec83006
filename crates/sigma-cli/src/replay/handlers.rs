//! The same records through the detector as it is deployed: a stream in memory, Lambda's event source mapping, the handler, the
//! DynamoDB adapter and the SDK, on an embedded DynamoDB over HTTP. What comes out is held against what the core alone said.
//!
//! For checking, not for speed: the stream keeps its records in memory.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use anomaly_core::{AnomalyMessage, RejectReason, Transaction};
use anyhow::Context;
use detector::Detector;
use detector::config::Settings;
use detector::message_queue::MemoryQueue;
use detector::summary::Tally;
use detector::window_store::DynamoDbWindowStore;
use event_source::kinesis::{self, KinesisMapping, MemoryStream};
use event_source::{Invoke, Invoked};
use lambda_kit::{Clock, Invocation, ManualClock};
use serde_json::json;

use super::engine::Totals;
use super::input::Record;
use super::summary::{Flag, Verdicts};
use crate::embedded::counter::RequestCounter;
use crate::embedded::{EmbeddedDynamoDb, create_table};

const STREAM_ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/replay";
const STATE_TABLE: &str = "user-state";
/// Shards of the stream.
const SHARDS: u32 = 2;
/// Records put before the mapping is asked to deliver.
const RECORDS_PER_POLL: usize = 1_000;
/// Time that the function has, in ms.
const TIMEOUT_MS: i64 = 60_000;
/// Partition key of a record that names no user.
const KEY_WITHOUT_USER: &str = "unknown";

/// The pipeline up to the queue of anomalies.
pub(super) struct Handlers {
    clock: ManualClock,
    mapping: KinesisMapping<MemoryStream, Function, ()>,
    anomalies: MemoryQueue,
    quarantine: MemoryQueue,
    seen: Rc<RefCell<Seen>>,
    /// Which record of the input stands where.
    places: HashMap<(String, String), u64>,
    flags: Vec<Flag>,
    /// Rows of a CSV that are no transactions: there is nothing to put.
    rejected_rows: BTreeMap<RejectReason, u64>,
    waiting: usize,
    /// Dropped last: the server goes when nobody asks any more.
    _dynamodb: EmbeddedDynamoDb,
}

/// Sums over all batches.
#[derive(Debug, Default)]
struct Seen {
    tally: Tally,
    rejected: BTreeMap<RejectReason, u64>,
}

struct Function {
    detector: Detector<DynamoDbWindowStore, MemoryQueue, MemoryQueue, ManualClock>,
    seen: Rc<RefCell<Seen>>,
}

impl Invoke for Function {
    async fn invoke(&self, event: &str) -> Invoked {
        let deadline_ms = self.detector.clock().now_ms() + TIMEOUT_MS;
        let invocation = Invocation { request_id: "replay".to_owned(), deadline_ms };
        let outcome = match self.detector.handle(event, &invocation).await {
            Ok(outcome) => outcome,
            Err(error) => return Invoked::Failed(error.to_string()),
        };
        let mut seen = self.seen.borrow_mut();
        seen.tally += outcome.summary.tally;
        for (reason, count) in outcome.summary.rejected {
            *seen.rejected.entry(reason).or_default() += count;
        }
        serde_json::to_string(&outcome.response)
            .map_or_else(|error| Invoked::Failed(error.to_string()), Invoked::Responded)
    }
}

impl Handlers {
    /// Starts the database and wires the detector with these settings.
    pub(super) async fn start(settings: Settings) -> anyhow::Result<Self> {
        let dynamodb = EmbeddedDynamoDb::start()?;
        let client = dynamodb.client(&RequestCounter::default());
        create_table(&client, STATE_TABLE, "userId").await?;
        let (clock, seen) = (ManualClock::at(0), Rc::<RefCell<Seen>>::default());
        let (anomalies, quarantine) = (MemoryQueue::default(), MemoryQueue::default());
        let store = DynamoDbWindowStore::new(client, STATE_TABLE.to_owned());
        let detector = Detector::new(store, anomalies.clone(), quarantine.clone(), clock.clone(), settings);
        let function = Function { detector, seen: Rc::clone(&seen) };
        let (stream, mapping_settings) = (MemoryStream::new(SHARDS), kinesis::Settings::default());
        Ok(Self {
            clock,
            mapping: KinesisMapping::new(STREAM_ARN.to_owned(), stream, function, (), mapping_settings),
            anomalies,
            quarantine,
            seen,
            places: HashMap::new(),
            flags: Vec::new(),
            rejected_rows: BTreeMap::new(),
            waiting: 0,
            _dynamodb: dynamodb,
        })
    }

    /// Puts a record into the stream: as it came if it is JSON, else the transaction that its row is. It arrives when the event
    /// time of the input gets there.
    pub(super) fn put(&mut self, index: u64, record: &Record<'_>) {
        let (key, payload) = match &record.outcome {
            Ok(transaction) => {
                self.clock.set(transaction.event_time_ms.max(self.clock.now_ms()));
                let payload = if record.is_row { json_of(transaction) } else { record.raw.to_vec() };
                (transaction.user_id.to_string(), payload)
            }
            Err(reason) if record.is_row => {
                *self.rejected_rows.entry(*reason).or_default() += 1;
                return;
            }
            Err(_) => (KEY_WITHOUT_USER.to_owned(), record.raw.to_vec()),
        };
        let placed = self.mapping.source().put(&key, payload, self.clock.now_ms());
        self.places.insert((placed.shard_id, placed.sequence_number), index);
        self.waiting += 1;
    }

    /// Lets the mapping deliver what waits, if that is enough or `is_end`.
    pub(super) async fn poll(&mut self, is_end: bool) -> anyhow::Result<()> {
        if self.waiting < RECORDS_PER_POLL && !is_end {
            return Ok(());
        }
        while self.mapping.step(self.clock.now_ms()).await?.invocations > 0 {}
        self.waiting = 0;
        for body in self.anomalies.take() {
            let message: AnomalyMessage = serde_json::from_str(&body)?;
            self.flags.push(self.flag(message)?);
        }
        // Counted by reason in the function's summary.
        drop(self.quarantine.take());
        self.places.clear();
        Ok(())
    }

    fn flag(&self, message: AnomalyMessage) -> anyhow::Result<Flag> {
        let place = (message.shard_id, message.sequence_number);
        let index = self.places.get(&place).copied().context("an anomaly of a record that was not put")?;
        Ok(Flag {
            index,
            user_id: message.user_id,
            timestamp: message.event_time_ms,
            amount: message.amount,
            count: message.count,
            mean: message.mean,
            stddev: message.stddev,
            threshold: message.threshold,
            score: message.score,
            severity: message.severity,
            rule: None,
            label: None,
            window_start: None,
            window_end: None,
        })
    }

    /// Holds everything against what the core alone said.
    ///
    /// # Errors
    /// If a verdict, a reject or a number differs.
    pub(super) fn compare(&mut self, verdicts: Verdicts, totals: &Totals, flags: &[Flag]) -> anyhow::Result<()> {
        let seen = self.seen.borrow();
        let mut rejected = seen.rejected.clone();
        rejected.append(&mut self.rejected_rows);
        let ours = Verdicts::from(seen.tally);
        anyhow::ensure!(ours == verdicts, "the handlers' verdicts differ: {ours:?}, the core's are {verdicts:?}");
        let theirs = &totals.rejected;
        anyhow::ensure!(rejected == *theirs, "the handlers reject {rejected:?}, the core {theirs:?}");
        self.flags.sort_by_key(|flag| flag.index);
        let theirs = flags.iter().map(|flag| Flag { label: None, ..flag.clone() });
        let differing = self.flags.iter().zip(theirs).find(|(ours, theirs)| *ours != theirs);
        anyhow::ensure!(differing.is_none(), "a flag differs, handlers and core: {differing:?}");
        anyhow::ensure!(self.flags.len() == flags.len(), "{} flags, the core has {}", self.flags.len(), flags.len());
        Ok(())
    }
}

impl From<Tally> for Verdicts {
    fn from(tally: Tally) -> Self {
        let Tally { warming_up, normal, warning, high, critical, duplicates, late } = tally;
        Self { warming_up, normal, warning, high, critical, duplicates, late }
    }
}

fn json_of(transaction: &Transaction<'_>) -> Vec<u8> {
    let record = json!({
        "userId": transaction.user_id, "amount": transaction.amount, "timestamp": transaction.event_time_ms,
        "transactionId": transaction.transaction_id,
    });
    record.to_string().into_bytes()
}
