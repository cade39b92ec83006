//! The same records through the detector as it is deployed: a stream in memory, Lambda's event source mapping, the handler, the DynamoDB
//! adapter and the SDK, on an embedded DynamoDB over HTTP. The result is compared with the core's.
//!
//! For checking, not for speed: the stream keeps its records in memory.

use std::collections::{BTreeMap, HashMap};

use anomaly_core::{AnomalyMessage, RejectReason, Rule, Transaction};
use anyhow::Context;
use backtest::{Backtest, Flag, InputRecord};
use detector::DetectorSettings;
use event_source::kinesis::KinesisMappingSettings;
use lambda_kit::{Clock, Env, ManualClock};
use serde_json::json;
use testbed::{DetectorSide, EmbeddedDynamoDb, StreamOptions};

/// Shards of the stream.
const SHARDS: u32 = 2;
/// Records put before the mapping is asked to deliver.
const RECORDS_PER_POLL: usize = 1_000;
/// Partition key of a record without a user.
const KEY_WITHOUT_USER: &str = "unknown";

/// The pipeline up to the queue of anomalies.
pub(super) struct Handlers {
    clock: ManualClock,
    detector: DetectorSide<ManualClock>,
    /// Index in the input of each record, by shard and sequence number.
    places: HashMap<(String, String), u64>,
    flags: Vec<Flag>,
    /// Rejected rows of a CSV: there is nothing to put.
    rejected_rows: BTreeMap<RejectReason, u64>,
    waiting: usize,
    /// Dropped last, when no client needs the server any more.
    _dynamodb: EmbeddedDynamoDb,
}

impl Handlers {
    /// Starts the database and the detector with this rule, and with this retention of state in seconds.
    pub(super) async fn start(rule: Rule, state_retention_seconds: u32) -> anyhow::Result<Self> {
        let dynamodb = EmbeddedDynamoDb::start()?;
        let clock = ManualClock::at(0);
        let default = DetectorSettings::from_env(&Env::default())?;
        let settings = DetectorSettings {
            clock_skew_ms_max: default.clock_skew_ms_max.min(rule.window_length_ms()),
            rule,
            state_retention_seconds,
            ..default
        };
        let mapping = KinesisMappingSettings::default();
        let stream = StreamOptions { shards: SHARDS, mapping, response_lost_every: None };
        let detector = DetectorSide::start(&dynamodb, clock.clone(), settings, stream).await?;
        Ok(Self {
            clock,
            detector,
            places: HashMap::new(),
            flags: Vec::new(),
            rejected_rows: BTreeMap::new(),
            waiting: 0,
            _dynamodb: dynamodb,
        })
    }

    /// Puts a record into the stream: unchanged if it is JSON, otherwise as the transaction of its row. It arrives when the event time
    /// of the input gets there.
    pub(super) fn put(&mut self, index: u64, record: &InputRecord<'_>) {
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
        let placed = self.detector.put(&key, payload);
        self.places.insert((placed.shard_id, placed.sequence_number), index);
        self.waiting += 1;
    }

    /// Lets the mapping deliver the waiting records, if there are enough of them or `is_end`.
    pub(super) async fn poll(&mut self, is_end: bool) -> anyhow::Result<()> {
        if self.waiting < RECORDS_PER_POLL && !is_end {
            return Ok(());
        }
        while self.detector.step().await?.invocations > 0 {}
        self.waiting = 0;
        for body in self.detector.take_anomalies() {
            let message: AnomalyMessage = serde_json::from_str(&body)?;
            self.flags.push(self.flag(message)?);
        }
        // The detector's summary counts them by reason.
        drop(self.detector.take_quarantined());
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
            because: None,
            window_start: None,
            window_end: None,
        })
    }

    /// Compares everything with the core's results for the rule at `place` of the plan.
    ///
    /// # Errors
    /// If a verdict, a reject or a number differs.
    pub(super) fn compare(mut self, backtest: &Backtest, place: usize, flags: &[Flag]) -> anyhow::Result<()> {
        let totals = self.detector.totals();
        let (label, theirs) = backtest.verdicts(place);
        let ours = totals.summary.verdicts;
        anyhow::ensure!(ours == theirs, "{label}: the handlers' verdicts differ: {ours:?}, the core's are {theirs:?}");
        let mut rejected = totals.summary.rejected.clone();
        rejected.append(&mut self.rejected_rows);
        let theirs = backtest.rejected();
        anyhow::ensure!(rejected == *theirs, "the handlers reject {rejected:?}, the core {theirs:?}");
        self.flags.sort_by_key(|flag| flag.index);
        let of_rule = flags.iter().filter(|flag| flag.rule.as_deref().is_none_or(|rule| rule == label));
        let theirs: Vec<Flag> = of_rule.map(|flag| Flag { label: None, rule: None, ..flag.clone() }).collect();
        let differing = self.flags.iter().zip(&theirs).find(|(ours, theirs)| ours != theirs);
        anyhow::ensure!(differing.is_none(), "{label}: a flag differs, handlers and core: {differing:?}");
        let (ours, theirs) = (self.flags.len(), theirs.len());
        anyhow::ensure!(ours == theirs, "{label}: {ours} flags, the core has {theirs}");
        Ok(())
    }
}

fn json_of(transaction: &Transaction<'_>) -> Vec<u8> {
    let record = json!({
        "userId": transaction.user_id, "amount": transaction.amount, "timestamp": transaction.event_time_ms,
        "transactionId": transaction.transaction_id, "merchantId": transaction.merchant_id,
    });
    record.to_string().into_bytes()
}
