//! (e) The requests to DynamoDB and what it charges for them, on the embedded DynamoDB, which reports the capacity that each request
//! consumed.

mod meter;

use alerter::Alerter;
use alerter::ledger::DynamoDbLedger;
use alerter::metric_sink::MemorySink;
use alerter::publisher::MemoryPublisher;
use anyhow::Context;
use aws_sdk_dynamodb::types::AttributeValue;
use detector::window_store::DynamoDbWindowStore;
use detector::{Detector, DetectorSettings};
use event_source::kinesis::{LOCAL_STREAM_ARN, StreamRecord, event_json};
use event_source::sqs::{self, Received};
use lambda_kit::{Clock, Env, Invocation, SystemClock};
use message_queue::MemoryMessageQueue;
use meter::{Meter, Usage, item_size};
use serde_json::json;
use testbed::{EmbeddedDynamoDb, RequestCounter, create_ledger_table, create_table};

use crate::input::{Feed, SHARD_ID, START_MS, first_sequence_number};
use crate::report::{Figure, Report, Target};
use crate::spread::{Spread, number};

const STATE_TABLE: &str = "user-state";
const LEDGER_TABLE: &str = "alert-ledger";
const USERS: u32 = 1_000;
const RECORDS_PER_BATCH: usize = 1_000;
/// Transactions of each user's history: enough to fill the window.
const HISTORY_TRANSACTIONS: usize = 36;
const WARM_BATCHES: usize = 5;
/// One write unit.
const ITEM_BYTES_MAX: f64 = 1_024.0;
const INVOCATION_MS: i64 = 600_000;
/// Numbers of transactions after which the size of the user's item is reported.
const AGES: [usize; 6] = [1, 10, 30, 100, 1_000, 10_000];
const LONG_USER_ID: &str = "01234567-89ab-4cde-8f01-23456789abcd";
/// The gap between one user's transactions, for 1,000 users at 5,000 a minute.
const GAP_MS: i64 = 12_000;

type Offline = Detector<DynamoDbWindowStore, MemoryMessageQueue, MemoryMessageQueue, SystemClock>;

/// Shared by the parts of a run.
struct Bench {
    dynamodb: EmbeddedDynamoDb,
    meter: Meter,
    anomalies: MemoryMessageQueue,
}

/// Sums over batches.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    user_batches: u64,
    anomalies: u64,
    clears: u64,
    usage: Usage,
}

impl Bench {
    async fn start() -> anyhow::Result<Self> {
        let dynamodb = EmbeddedDynamoDb::start()?;
        let client = dynamodb.client(&RequestCounter::default());
        create_table(&client, STATE_TABLE, "userId").await?;
        create_ledger_table(&client, LEDGER_TABLE).await?;
        Ok(Self { dynamodb, meter: Meter::default(), anomalies: MemoryMessageQueue::default() })
    }

    fn client(&self) -> aws_sdk_dynamodb::Client {
        let client = self.dynamodb.client(&RequestCounter::default());
        aws_sdk_dynamodb::Client::from_conf(client.config().to_builder().interceptor(self.meter.clone()).build())
    }

    /// A detector that has just started: nothing is cached.
    fn detector(&self) -> anyhow::Result<Offline> {
        let store = DynamoDbWindowStore::new(self.client(), STATE_TABLE.to_owned());
        let settings = DetectorSettings::from_env(&Env::default())?;
        Ok(Detector::new(store, self.anomalies.clone(), MemoryMessageQueue::default(), SystemClock, settings))
    }

    async fn handle(&self, detector: &Offline, events: impl IntoIterator<Item = String>) -> anyhow::Result<Sums> {
        self.meter.take();
        let mut sums = Sums::default();
        for event in events {
            let outcome = detector.handle(&event, &invocation()).await?;
            anyhow::ensure!(outcome.response.batch_item_failures.is_empty(), "the embedded DynamoDB refused a record");
            sums.user_batches += outcome.summary.users;
            sums.anomalies += outcome.summary.sent.anomalies();
            sums.clears += outcome.summary.outboxes_cleared;
        }
        sums.usage = self.meter.take();
        Ok(sums)
    }

    /// The size of a user's item, as it is stored.
    async fn item_size(&self, user_id: &str) -> anyhow::Result<usize> {
        let key = AttributeValue::S(user_id.to_owned());
        let stored = self.client().get_item().table_name(STATE_TABLE).key("userId", key).send().await?;
        stored.item().map(item_size).context("the user has no item")
    }
}

fn invocation() -> Invocation {
    Invocation { request_id: "bench".to_owned(), deadline_ms: SystemClock.now_ms() + INVOCATION_MS }
}

pub(crate) fn run(report: &mut Report) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let bench = Bench::start().await?;
        let mut feed = Feed::new(USERS)?;
        let first = bench.detector()?;
        bench.handle(&first, feed.warm_up(HISTORY_TRANSACTIONS)?.collect::<anyhow::Result<Vec<_>>>()?).await?;
        let warm = bench.handle(&first, feed.events(WARM_BATCHES, RECORDS_PER_BATCH)?).await?;
        let cold = bench.handle(&bench.detector()?, feed.events(1, RECORDS_PER_BATCH)?).await?;
        let unknown = {
            let empty = Bench::start().await?;
            empty.handle(&empty.detector()?, feed.events(1, RECORDS_PER_BATCH)?).await?
        };
        for (name, sums) in [("warm", warm), ("cold", cold), ("unknown users", unknown)] {
            per_user(report, name, &sums);
        }
        per_anomaly(report, &bench, &warm).await?;
        ages(report, &bench).await
    })
}

/// Per distinct user and batch; a write that clears an outbox belongs to its anomaly.
fn per_user(report: &mut Report, name: &str, sums: &Sums) {
    let users = number(sums.user_batches);
    let Usage { requests, keys_read, read_units, writes, .. } = sums.usage;
    let mut add = |what: &str, unit, value: f64, target: Option<f64>| {
        let figure = Figure::new('e', format!("{name}: {what}"), unit).ours(Spread::exact(value));
        report.add(match target {
            Some(most) => figure.target(Target::at_most(most, value)),
            None => figure,
        });
    };
    let is_warm = name == "warm";
    add("reads", "per user and batch", number(keys_read) / users, is_warm.then_some(0.0));
    add("read units", "per user and batch", read_units / users, None);
    add("writes", "per user and batch", number(writes - sums.clears) / users, is_warm.then_some(1.0));
    add("requests", "per user and batch", number(requests - sums.clears) / users, None);
}

/// The extra cost of an anomaly: a larger write, the clearing of the outbox, the ledger, and the summary if it waits for that.
async fn per_anomaly(report: &mut Report, bench: &Bench, warm: &Sums) -> anyhow::Result<()> {
    let anomalies = number(warm.anomalies);
    let extra = (warm.usage.write_units - number(warm.user_batches)) / anomalies;
    report.add(Figure::new('e', "anomaly: additional state write units", "per anomaly").ours(Spread::exact(extra)));
    let settings = alerter::AlerterSettings::from_env(&Env::default())?;
    let ledger = DynamoDbLedger::new(bench.client(), LEDGER_TABLE.to_owned());
    let alerter = Alerter::new(ledger, MemoryPublisher::default(), MemorySink::default(), SystemClock, settings);
    let messages: Vec<Received> = bench.anomalies.take().into_iter().enumerate().map(received).collect();
    bench.meter.take();
    for batch in messages.chunks(100) {
        let outcome = alerter.handle(&sqs::event_json("arn:aws:sqs:us-east-1:0:q", batch), &invocation()).await?;
        anyhow::ensure!(outcome.response.batch_item_failures.is_empty(), "the ledger refused an alert");
    }
    let usage = bench.meter.take();
    let per_alert = |value: f64| Spread::exact(value / number(messages.len()));
    report.add(Figure::new('e', "anomaly: ledger writes", "per anomaly").ours(per_alert(number(usage.writes))));
    report.add(Figure::new('e', "anomaly: ledger write units", "per anomaly").ours(per_alert(usage.write_units)));
    report.add(Figure::new('e', "anomaly: ledger read units", "per anomaly").ours(per_alert(usage.read_units)));
    let summarised = alerter.handle(alerter::event::DIGEST_DUE, &invocation()).await?.summary.summarised;
    let usage = bench.meter.take();
    let waited = number(summarised);
    let figure = Figure::new('e', "anomaly: write units of its summary", "per anomaly that waited");
    report.add(figure.ours(Spread::exact(usage.write_units / waited)));
    Ok(())
}

fn received((index, body): (usize, String)) -> Received {
    Received {
        message_id: format!("00000000-0000-4000-8000-{index:012}"),
        receipt_handle: "r".to_owned(),
        body,
        receive_count: 1,
        sent_at_ms: START_MS,
    }
}

/// The size of one user's item as its transactions accumulate.
async fn ages(report: &mut Report, bench: &Bench) -> anyhow::Result<()> {
    let detector = bench.detector()?;
    let mut done = 0;
    for age in AGES {
        let records: Vec<StreamRecord> = (done..age).map(one_users_record).collect::<anyhow::Result<_>>()?;
        done = age;
        bench.handle(&detector, [event_json(LOCAL_STREAM_ARN, SHARD_ID, &records)]).await?;
        let bytes = number(bench.item_size(LONG_USER_ID).await?);
        let figure = Figure::new('e', format!("item after {age} transactions, id of 36 characters"), "B");
        report.add(figure.ours(Spread::exact(bytes)).target(Target::at_most(ITEM_BYTES_MAX, bytes)));
    }
    Ok(())
}

/// A transaction every 12 s, with a usual amount and a user id of 36 characters.
fn one_users_record(index: usize) -> anyhow::Result<StreamRecord> {
    let time_ms = START_MS + i64::try_from(index)? * GAP_MS;
    let amount = 100.0 + number(index % 37) * 1.37;
    let json = json!({"userId": LONG_USER_ID, "amount": amount, "timestamp": time_ms, "transactionId": format!("txn_{index}")});
    let first = first_sequence_number();
    let sequence = format!("{}{:09}", first.get(..47).unwrap_or_default(), index + 1);
    Ok(StreamRecord {
        sequence_number: sequence,
        partition_key: LONG_USER_ID.to_owned(),
        data: serde_json::to_vec(&json)?,
        arrival_time_ms: time_ms,
    })
}
