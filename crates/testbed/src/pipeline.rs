//! Both halves, with the anomaly messages carried from one to the other.

use alerter::AlerterSettings;
use detector::DetectorSettings;
use event_source::kinesis::Placed;
use lambda_kit::Clock;

use crate::dynamodb::EmbeddedDynamoDb;
use crate::{AlerterSide, DetectorSide, QueueOptions, StreamOptions};

/// Settings of everything in the pipeline.
#[derive(Debug, Clone)]
pub struct PipelineOptions {
    /// The detector's.
    pub detector: DetectorSettings,
    /// The alerter's.
    pub alerter: AlerterSettings,
    /// The stream's.
    pub stream: StreamOptions,
    /// The queue's.
    pub queue: QueueOptions,
}

/// What one step of both mappings did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PipelineStep {
    /// Invocations of the detector.
    pub detector_invocations: usize,
    /// Records that were read but are not done.
    pub records_open: usize,
    /// Messages that the alerter received.
    pub messages_received: usize,
}

/// The whole pipeline.
#[derive(Debug)]
pub struct Pipeline<C> {
    /// From the stream to the queue of anomalies.
    pub detector: DetectorSide<C>,
    /// From the queue to published alerts.
    pub alerter: AlerterSide<C>,
    /// Dropped last, when no client needs the server any more.
    _dynamodb: EmbeddedDynamoDb,
}

impl PipelineStep {
    /// Whether there was nothing to do.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.detector_invocations == 0 && self.messages_received == 0
    }
}

impl<C: Clock + Clone> Pipeline<C> {
    /// Starts the database, creates the tables and connects everything.
    ///
    /// # Errors
    /// If the database cannot start or a table cannot be created.
    pub async fn start(clock: C, options: PipelineOptions) -> anyhow::Result<Self> {
        let dynamodb = EmbeddedDynamoDb::start()?;
        let detector = DetectorSide::start(&dynamodb, clock.clone(), options.detector, options.stream).await?;
        let alerter = AlerterSide::start(&dynamodb, clock, options.alerter, options.queue).await?;
        Ok(Self { detector, alerter, _dynamodb: dynamodb })
    }

    /// Puts a record that arrives now.
    pub fn put(&self, partition_key: &str, payload: Vec<u8>) -> Placed {
        self.detector.put(partition_key, payload)
    }

    /// One step of the Kinesis mapping, then one of the SQS mapping.
    ///
    /// # Errors
    /// If the stream or the queue does not respond.
    pub async fn step(&mut self) -> anyhow::Result<PipelineStep> {
        let stream = self.detector.step().await?;
        self.alerter.send(self.detector.take_anomalies());
        let messages_received = self.alerter.step().await?.received;
        Ok(PipelineStep {
            detector_invocations: stream.invocations,
            records_open: stream.records_open,
            messages_received,
        })
    }
}
