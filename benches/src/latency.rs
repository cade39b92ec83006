//! (f) From put to published: both mappings, both handlers, the embedded DynamoDB, in real time at a stated rate.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use alerter::Alerter;
use alerter::ledger::DynamoDbLedger;
use alerter::metric_sink::MemorySink;
use alerter::publisher::MemoryPublisher;
use anomaly_core::{AnomalyId, Position};
use detector::Detector;
use detector::message_queue::MemoryQueue;
use detector::window_store::DynamoDbWindowStore;
use event_source::kinesis::{self, KinesisMapping, MemoryStream};
use event_source::sqs::{self, SqsMapping};
use event_source::{Invoke, Invoked};
use hdrhistogram::Histogram;
use lambda_kit::{Clock, Env, Invocation, SystemClock};
use serde_json::json;
use sigma_cli::embedded::counter::RequestCounter;
use sigma_cli::embedded::{EmbeddedDynamoDb, create_table};

use crate::input::{STREAM_ARN, recipe};
use crate::report::{Figure, Report};
use crate::spread::Spread;

const USERS: u32 = 50;
const RECORDS_PER_SECOND: u32 = 250;
const SECONDS: u32 = 20;
/// Until then users are warming up and nothing is timed.
const WARM_UP_SECONDS: u32 = 4;
/// Everything has to be through by then.
const DRAIN: Duration = Duration::from_secs(20);
const TICK: Duration = Duration::from_millis(1);
const VISIBILITY_TIMEOUT_MS: i64 = 60_000;
const INVOCATION_MS: i64 = 60_000;

struct DetectorFunction(Detector<DynamoDbWindowStore, MemoryQueue, MemoryQueue, SystemClock>);
struct AlerterFunction(Alerter<DynamoDbLedger, MemoryPublisher, MemorySink, SystemClock>);

fn invocation() -> Invocation {
    Invocation { request_id: "bench".to_owned(), deadline_ms: SystemClock.now_ms() + INVOCATION_MS }
}

fn responded<R: serde::Serialize, E: std::fmt::Display>(outcome: Result<R, E>) -> Invoked {
    let text = outcome.map_err(|error| error.to_string());
    let text = text.and_then(|response| serde_json::to_string(&response).map_err(|error| error.to_string()));
    text.map_or_else(Invoked::Failed, Invoked::Responded)
}

impl Invoke for DetectorFunction {
    async fn invoke(&self, event: &str) -> Invoked {
        responded(self.0.handle(event, &invocation()).await.map(|outcome| outcome.response))
    }
}

impl Invoke for AlerterFunction {
    async fn invoke(&self, event: &str) -> Invoked {
        responded(self.0.handle(event, &invocation()).await.map(|outcome| outcome.response))
    }
}

/// The pipeline.
struct Pipeline {
    stream: KinesisMapping<MemoryStream, DetectorFunction, ()>,
    queue: SqsMapping<sqs::MemoryQueue, AlerterFunction>,
    anomalies: MemoryQueue,
    publisher: MemoryPublisher,
    /// When each record was due, by the id that its anomaly would have.
    due: HashMap<String, Instant>,
    latency_us: Histogram<u64>,
    _dynamodb: EmbeddedDynamoDb,
}

impl Pipeline {
    async fn start(batching_window_ms: i64) -> anyhow::Result<Self> {
        let dynamodb = EmbeddedDynamoDb::start()?;
        let client = dynamodb.client(&RequestCounter::default());
        create_table(&client, "state", "userId").await?;
        create_table(&client, "ledger", "id").await?;
        let (anomalies, publisher) = (MemoryQueue::default(), MemoryPublisher::default());
        let settings = detector::config::Settings::from_env(&Env::default())?;
        let store = DynamoDbWindowStore::new(client.clone(), "state".to_owned());
        let detector = Detector::new(store, anomalies.clone(), MemoryQueue::default(), SystemClock, settings);
        let settings = alerter::config::Settings::from_env(&Env::default())?;
        let ledger = DynamoDbLedger::new(client, "ledger".to_owned());
        let alerter = Alerter::new(ledger, publisher.clone(), MemorySink::default(), SystemClock, settings);
        let mapping = kinesis::Settings { batch_size: 1_000, batching_window_ms, ..kinesis::Settings::default() };
        let stream = MemoryStream::new(1);
        let queue = sqs::MemoryQueue::new(VISIBILITY_TIMEOUT_MS, None);
        let settings = sqs::Settings { batch_size: 100, ..sqs::Settings::default() };
        Ok(Self {
            stream: KinesisMapping::new(STREAM_ARN.to_owned(), stream, DetectorFunction(detector), (), mapping),
            queue: SqsMapping::new("arn:aws:sqs:us-east-1:0:q".to_owned(), queue, AlerterFunction(alerter), settings),
            anomalies,
            publisher,
            due: HashMap::new(),
            latency_us: Histogram::new_with_bounds(1, 600_000_000, 3)?,
            _dynamodb: dynamodb,
        })
    }

    fn put(&mut self, user_id: &str, payload: Vec<u8>, due: Option<Instant>) -> anyhow::Result<()> {
        let placed = self.stream.source().put(user_id, payload, SystemClock.now_ms());
        if let Some(due) = due {
            let position = Position { sequence_number: placed.sequence_number.parse()?, sub_sequence: 0 };
            let id = AnomalyId::new(STREAM_ARN, &placed.shard_id.parse()?, position);
            self.due.insert(id.as_str().to_owned(), due);
        }
        Ok(())
    }

    /// Lets everything that is ready go on; answers whether nothing is under way.
    async fn poll(&mut self) -> anyhow::Result<bool> {
        let step = self.stream.step(SystemClock.now_ms()).await?;
        for body in self.anomalies.take() {
            self.queue.source().send(body, SystemClock.now_ms());
        }
        while self.queue.step(SystemClock.now_ms()).await?.received > 0 {
            for id in self.publisher.take().iter().flat_map(|publication| &publication.alert_ids) {
                if let Some(due) = self.due.remove(id) {
                    self.latency_us.record(u64::try_from(due.elapsed().as_micros())?)?;
                }
            }
        }
        Ok(step.records_open == 0 && step.invocations == 0 && self.queue.source().is_empty())
    }
}

pub(crate) fn run(report: &mut Report) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for window_ms in [0, 1_000] {
        let latency = runtime.block_on(measure(window_ms))?;
        let ms = |us: u64| crate::spread::number(us) / 1e3;
        let what = format!("{RECORDS_PER_SECOND} records/s, {USERS} users, window {} s", window_ms / 1_000);
        for (name, us) in
            [("p50", latency.value_at_quantile(0.5)), ("p99", latency.value_at_quantile(0.99)), ("max", latency.max())]
        {
            report.add(Figure::new('f', format!("{what}: {name}"), "ms").ours(Spread::exact(ms(us))));
        }
        report.add(
            Figure::new('f', format!("{what}: alerts timed"), "")
                .ours(Spread::exact(crate::spread::number(latency.len()))),
        );
    }
    report.could_not("Network, Kinesis, SQS and SNS themselves: (f) has them in memory; AWS adds its own latencies.");
    Ok(())
}

/// Puts records when they are due, whatever the pipeline is doing: what is late counts from when it was due.
async fn measure(window_ms: i64) -> anyhow::Result<Histogram<u64>> {
    let mut pipeline = Pipeline::start(window_ms).await?;
    let started = Instant::now();
    let gap = Duration::from_secs(1) / RECORDS_PER_SECOND;
    let records = RECORDS_PER_SECOND * SECONDS;
    let generator = recipe(USERS, f64::from(RECORDS_PER_SECOND), 0)?;
    for (index, one) in (0..records).zip(generator) {
        let due = started + gap * index;
        while Instant::now() < due {
            pipeline.poll().await?;
            tokio::time::sleep(TICK).await;
        }
        let payload = json!({"userId": one.user_id, "amount": one.amount, "timestamp": SystemClock.now_ms(),
            "transactionId": format!("txn_{index}")});
        let timed = (index >= RECORDS_PER_SECOND * WARM_UP_SECONDS).then_some(due);
        pipeline.put(&one.user_id, serde_json::to_vec(&payload)?, timed)?;
    }
    let end = Instant::now() + DRAIN;
    while !pipeline.poll().await? {
        anyhow::ensure!(Instant::now() < end, "the pipeline did not drain");
        tokio::time::sleep(TICK).await;
    }
    Ok(pipeline.latency_us)
}
