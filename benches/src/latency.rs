//! (f) Latency from put to published: both mappings, both handlers, the embedded DynamoDB, in real time at a stated rate.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use alerter::AlerterSettings;
use anomaly_core::{AnomalyId, Origin, Position};
use detector::DetectorSettings;
use event_source::kinesis::{KinesisMappingSettings, LOCAL_STREAM_ARN};
use event_source::sqs::SqsMappingSettings;
use hdrhistogram::Histogram;
use lambda_kit::{Clock, Env, SystemClock};
use serde_json::json;
use testbed::{Pipeline, PipelineOptions, QueueOptions, StreamOptions};

use crate::input::uniform;
use crate::report::{Figure, Report};
use crate::spread::Spread;

const USERS: u32 = 50;
const RECORDS_PER_SECOND: u32 = 250;
const SECONDS: u32 = 20;
/// While users warm up, nothing is timed.
const WARM_UP_SECONDS: u32 = 4;
/// Time after the last put within which everything has to be published.
const DRAIN: Duration = Duration::from_secs(20);
const TICK: Duration = Duration::from_millis(1);
/// Batch sizes of the two mappings.
const RECORDS_PER_BATCH: usize = 1_000;
const MESSAGES_PER_BATCH: usize = 10;
/// Measured is the path, not the pace at which SNS lets mail be sent.
const ALERTER_ENV: [(&str, &str); 1] = [("MAX_MESSAGES_PER_SECOND", "1000")];

/// The pipeline, with the due time of each record.
struct Timed {
    pipeline: Pipeline<SystemClock>,
    /// The time at which each record was due, by the id that its anomaly would have.
    due: HashMap<String, Instant>,
    latency_us: Histogram<u64>,
}

impl Timed {
    async fn start(batching_window_ms: i64) -> anyhow::Result<Self> {
        let options = PipelineOptions {
            detector: DetectorSettings::from_env(&Env::default())?,
            alerter: AlerterSettings::from_env(&Env::from_pairs(ALERTER_ENV))?,
            stream: StreamOptions {
                shards: 1,
                mapping: KinesisMappingSettings {
                    batch_size: RECORDS_PER_BATCH,
                    batching_window_ms,
                    ..KinesisMappingSettings::default()
                },
                response_lost_every: None,
            },
            queue: QueueOptions {
                mapping: SqsMappingSettings { batch_size: MESSAGES_PER_BATCH, ..SqsMappingSettings::default() },
                ..QueueOptions::default()
            },
        };
        Ok(Self {
            pipeline: Pipeline::start(SystemClock, options).await?,
            due: HashMap::new(),
            latency_us: Histogram::new_with_bounds(1, 600_000_000, 3)?,
        })
    }

    fn put(&mut self, user_id: &str, payload: Vec<u8>, due: Option<Instant>) -> anyhow::Result<()> {
        let placed = self.pipeline.put(user_id, payload);
        if let Some(due) = due {
            let position = Position { sequence_number: placed.sequence_number.parse()?, sub_sequence: 0 };
            let shard = placed.shard_id.parse()?;
            let id = AnomalyId::new(&Origin { stream: LOCAL_STREAM_ARN, shard: &shard, position });
            self.due.insert(id.as_str().to_owned(), due);
        }
        Ok(())
    }

    /// Lets everything that is ready proceed. Returns whether nothing is pending.
    async fn poll(&mut self) -> anyhow::Result<bool> {
        let mut step = self.pipeline.step().await?;
        loop {
            for id in self.pipeline.alerter.take_publications().iter().flat_map(|publication| &publication.alert_ids) {
                if let Some(due) = self.due.remove(id) {
                    self.latency_us.record(u64::try_from(due.elapsed().as_micros())?)?;
                }
            }
            if step.messages_received == 0 {
                return Ok(step.is_idle() && step.records_open == 0 && self.pipeline.alerter.is_empty());
            }
            step = self.pipeline.step().await?;
        }
    }
}

pub(crate) fn run(report: &mut Report) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for window_ms in [0, 1_000] {
        let latency = runtime.block_on(measure(window_ms))?;
        let ms = |us: u64| crate::spread::number(us) / 1e3;
        let what = format!("{RECORDS_PER_SECOND} records/s, {USERS} users, window {} s", window_ms / 1_000);
        for (name, us) in [("p50", latency.value_at_quantile(0.5)), ("max", latency.max())] {
            report.add(Figure::new('f', format!("{what}: {name}"), "ms").ours(Spread::exact(ms(us))));
        }
        report.add(
            Figure::new('f', format!("{what}: alerts timed"), "")
                .ours(Spread::exact(crate::spread::number(latency.len()))),
        );
    }
    report.note_not_measured("The network, Kinesis, SQS and SNS: (f) has them in memory; AWS adds its own latencies.");
    Ok(())
}

/// Puts records when they are due, regardless of the pipeline's progress. A record that is put late still counts from its due time.
async fn measure(window_ms: i64) -> anyhow::Result<Histogram<u64>> {
    let mut timed = Timed::start(window_ms).await?;
    let started = Instant::now();
    let gap = Duration::from_secs(1) / RECORDS_PER_SECOND;
    let records = RECORDS_PER_SECOND * SECONDS;
    let generator = uniform(USERS, f64::from(RECORDS_PER_SECOND), 0)?;
    for (index, one) in (0..records).zip(generator) {
        let due = started + gap * index;
        while Instant::now() < due {
            timed.poll().await?;
            tokio::time::sleep(TICK).await;
        }
        let payload = json!({"userId": one.user_id, "amount": one.amount, "timestamp": SystemClock.now_ms(),
            "transactionId": format!("txn_{index}")});
        let stopwatch = (index >= RECORDS_PER_SECOND * WARM_UP_SECONDS).then_some(due);
        timed.put(&one.user_id, serde_json::to_vec(&payload)?, stopwatch)?;
    }
    let end = Instant::now() + DRAIN;
    while !timed.poll().await? {
        anyhow::ensure!(Instant::now() < end, "the pipeline did not drain");
        tokio::time::sleep(TICK).await;
    }
    Ok(timed.latency_us)
}
