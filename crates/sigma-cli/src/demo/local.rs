//! The pipeline as the demo drives it: event time is the clock, responses are lost, messages arrive twice.

use alerter::AlerterSettings;
use anomaly_core::Rule;
use detector::DetectorSettings;
use event_source::kinesis::{KinesisMappingSettings, Placed};
use event_source::sqs::SqsMappingSettings;
use lambda_kit::{Clock, Env, ManualClock};
use scenarios::START_MS;
use testbed::{Pipeline, PipelineOptions, QueueOptions, StreamOptions};

/// Shards of the stream.
const SHARDS: u32 = 2;
/// Every n-th response of the detector is lost.
const RESPONSE_LOST_EVERY: u64 = 50;
/// Every n-th anomaly message is delivered twice.
const DELIVERED_TWICE_EVERY: u64 = 20;
/// Retries of a failed batch.
const RETRY_ATTEMPTS_MAX: u32 = 10;
/// Deliveries of a message before it goes to the dead-letter queue.
const RECEIVE_COUNT_MAX: u32 = 5;

/// The demo's time passes faster than the pace at which mail may be sent: it does not wait.
pub(super) const ALERTER_ENV: [(&str, &str); 1] = [("MAX_MESSAGES_PER_SECOND", "1000")];

/// Everything, running.
pub(super) struct Local {
    clock: ManualClock,
    pub(super) pipeline: Pipeline<ManualClock>,
    /// Messages in quarantine so far.
    pub(super) quarantined: u64,
}

impl Local {
    pub(super) async fn start(rule: Rule) -> anyhow::Result<Self> {
        let clock = ManualClock::at(START_MS);
        let options = PipelineOptions {
            detector: DetectorSettings { rule, ..DetectorSettings::from_env(&Env::default())? },
            alerter: AlerterSettings::from_env(&Env::from_pairs(ALERTER_ENV))?,
            stream: StreamOptions {
                shards: SHARDS,
                mapping: KinesisMappingSettings {
                    retry_attempts_max: Some(RETRY_ATTEMPTS_MAX),
                    ..KinesisMappingSettings::default()
                },
                response_lost_every: Some(RESPONSE_LOST_EVERY),
            },
            queue: QueueOptions {
                mapping: SqsMappingSettings::default(),
                receive_count_max: Some(RECEIVE_COUNT_MAX),
                delivered_twice_every: Some(DELIVERED_TWICE_EVERY),
            },
        };
        let pipeline = Pipeline::start(clock.clone(), options).await?;
        Ok(Self { clock, pipeline, quarantined: 0 })
    }

    /// Puts a record that arrives at `now_ms`; the clock advances to it.
    pub(super) fn put(&self, partition_key: &str, payload: Vec<u8>, now_ms: i64) -> Placed {
        self.clock.set(now_ms.max(self.clock.now_ms()));
        self.pipeline.put(partition_key, payload)
    }

    /// Lets both mappings work until they have nothing to do now. Returns whether nothing is pending any more.
    pub(super) async fn poll(&mut self) -> anyhow::Result<bool> {
        while !self.pipeline.step().await?.is_idle() {}
        self.quarantined += u64::try_from(self.pipeline.detector.take_quarantined().len())?;
        // Messages that failed wait for their visibility time-out.
        if let Some(visible_ms) = self.pipeline.alerter.next_visible_ms() {
            self.clock.set(visible_ms.max(self.clock.now_ms()));
        }
        Ok(self.pipeline.alerter.is_empty())
    }
}
