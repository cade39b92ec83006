//! The mapping itself: it reads shards, fills lanes and calls the function.

use std::collections::BTreeMap;

use md5::{Digest, Md5};

use super::event::event_json;
use super::lane::{Batch, Discarded, Lane};
use super::{FailedBatch, OnFailure, Shard, SourceError, StreamRecord, StreamSource};
use crate::invoke::Invoke;

/// How far to read ahead of a lane, in batches.
const READ_AHEAD_BATCHES: usize = 2;

/// The settings of a Kinesis event source mapping, in Lambda's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KinesisMappingSettings {
    /// Maximum number of records in one event.
    pub batch_size: usize,
    /// How long records may wait for a batch to fill, in ms.
    pub batching_window_ms: i64,
    /// Concurrent batches per shard. The records of one partition key are never in two of them.
    pub parallelization_factor: usize,
    /// Retries of a failed batch; `None`: until it expires.
    pub retry_attempts_max: Option<u32>,
    /// Age above which records are discarded, in ms; `None`: never.
    pub record_age_max_ms: Option<i64>,
    /// Whether a batch whose call failed is split in two.
    pub bisect_batch_on_function_error: bool,
    /// Whether the response can report a checkpoint; if not, any response is success.
    pub report_batch_item_failures: bool,
}

/// Lambda's defaults, but with partial batch responses on.
impl Default for KinesisMappingSettings {
    fn default() -> Self {
        Self {
            batch_size: 100,
            batching_window_ms: 0,
            parallelization_factor: 1,
            retry_attempts_max: None,
            record_age_max_ms: None,
            bisect_batch_on_function_error: false,
            report_batch_item_failures: true,
        }
    }
}

/// What one step did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Step {
    /// Calls made.
    pub invocations: usize,
    /// Records that are done: they succeeded or were discarded.
    pub records_done: usize,
    /// Records that were read but are not done.
    pub records_open: usize,
    /// The largest `IteratorAge` of its calls: ms from the arrival of a batch's last record to the step that called with it.
    pub iterator_age_ms: i64,
}

/// How far a shard has been read.
#[derive(Debug)]
struct Reader {
    lanes: Vec<Lane>,
    last_read: Option<String>,
    is_end: bool,
}

/// An event source mapping from a stream to a function.
///
/// ```
/// use std::cell::Cell;
///
/// use event_source::kinesis::{KinesisMapping, KinesisMappingSettings, LOCAL_STREAM_ARN, MemoryStream};
/// use event_source::{Invoke, Invoked};
///
/// #[derive(Default)]
/// struct FailsOnce(Cell<bool>);
///
/// impl Invoke for FailsOnce {
///     async fn invoke(&self, _event: &str) -> Invoked {
///         let has_failed = self.0.replace(true);
///         if has_failed { Invoked::Responded("{}".to_owned()) } else { Invoked::Failed("out of luck".to_owned()) }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let stream = MemoryStream::new(1);
/// stream.put("user001", b"first".to_vec(), 0);
/// stream.put("user002", b"second".to_vec(), 0);
/// let settings = KinesisMappingSettings::default();
/// let mut mapping = KinesisMapping::new(LOCAL_STREAM_ARN.to_owned(), stream, FailsOnce::default(), (), settings);
///
/// let failed = mapping.step(1_000).await?;
/// assert_eq!((failed.invocations, failed.records_done, failed.records_open), (1, 0, 2));
/// let retried = mapping.step(2_000).await?;
/// assert_eq!((retried.invocations, retried.records_done, retried.records_open), (1, 2, 0));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct KinesisMapping<S, F, D> {
    stream_arn: String,
    source: S,
    function: F,
    destination: D,
    settings: KinesisMappingSettings,
    readers: BTreeMap<String, Reader>,
}

impl<S: StreamSource, F: Invoke, D: OnFailure> KinesisMapping<S, F, D> {
    /// A mapping that starts at the oldest record (`TRIM_HORIZON`).
    pub const fn new(
        stream_arn: String,
        source: S,
        function: F,
        destination: D,
        settings: KinesisMappingSettings,
    ) -> Self {
        Self { stream_arn, source, function, destination, settings, readers: BTreeMap::new() }
    }

    /// The stream it reads.
    pub const fn source(&self) -> &S {
        &self.source
    }

    /// The destination of discarded batches.
    pub const fn destination(&self) -> &D {
        &self.destination
    }

    /// The function it calls.
    pub const fn function(&self) -> &F {
        &self.function
    }

    /// Reads ahead and makes at most one call for each lane of each shard.
    ///
    /// # Errors
    /// [`SourceError`] if the stream cannot be read; the step can be repeated.
    pub async fn step(&mut self, now_ms: i64) -> Result<Step, SourceError> {
        let mut step = Step::default();
        let shards = self.source.shards().await?;
        for shard in &shards {
            if self.is_ready(shard, &shards) {
                self.read_ahead(&shard.id, now_ms).await?;
                self.call_each_lane(&shard.id, now_ms, &mut step).await;
            }
        }
        Ok(step)
    }

    /// A shard is ready when every parent that the stream still has is read to its end and done.
    fn is_ready(&self, shard: &Shard, shards: &[Shard]) -> bool {
        let is_done = |reader: &Reader| reader.is_end && reader.lanes.iter().all(Lane::is_empty);
        let mut parents = shards.iter().filter(|other| shard.parents.contains(&other.id));
        parents.all(|parent| self.readers.get(&parent.id).is_some_and(is_done))
    }

    async fn read_ahead(&mut self, shard_id: &str, now_ms: i64) -> Result<(), SourceError> {
        let factor = self.settings.parallelization_factor.max(1);
        let reader = self.readers.entry(shard_id.to_owned()).or_insert_with(|| Reader {
            lanes: (0..factor).map(|_| Lane::default()).collect(),
            last_read: None,
            is_end: false,
        });
        let enough = self.settings.batch_size * READ_AHEAD_BATCHES;
        if reader.is_end || reader.lanes.iter().any(|lane| lane.buffered() >= enough) {
            return Ok(());
        }
        let read = self.source.read(shard_id, reader.last_read.as_deref(), enough).await?;
        reader.is_end = read.is_end;
        for record in read.records {
            reader.last_read = Some(record.sequence_number.clone());
            if let Some(lane) = reader.lanes.get_mut(lane_of(&record, factor)) {
                lane.push(record, now_ms);
            }
        }
        Ok(())
    }

    async fn call_each_lane(&mut self, shard_id: &str, now_ms: i64, step: &mut Step) {
        let Some(reader) = self.readers.get_mut(shard_id) else { return };
        for lane in &mut reader.lanes {
            let Some(mut batch) = lane.next(&self.settings, now_ms, reader.is_end) else { continue };
            if let Some(old) = Lane::expire(&mut batch, &self.settings, now_ms) {
                step.records_done += old.1.records.len();
                self.destination.discard(failed_batch(&self.stream_arn, shard_id, old, now_ms)).await;
            }
            if batch.records.is_empty() {
                continue;
            }
            let before = batch.records.len();
            let event = event_json(&self.stream_arn, shard_id, &batch.records);
            let invoked = self.function.invoke(&event).await;
            step.invocations += 1;
            let age_ms = batch.records.last().map_or(0, |last| now_ms - last.arrival_time_ms);
            step.iterator_age_ms = step.iterator_age_ms.max(age_ms);
            let pending_before = lane.pending_records();
            if let Some(discarded) = lane.settle(batch, &invoked, &self.settings) {
                self.destination.discard(failed_batch(&self.stream_arn, shard_id, discarded, now_ms)).await;
            }
            step.records_done += before - (lane.pending_records() - pending_before);
        }
        step.records_open += reader.lanes.iter().map(|lane| lane.buffered() + lane.pending_records()).sum::<usize>();
    }
}

fn failed_batch(stream_arn: &str, shard_id: &str, (condition, batch): Discarded, now_ms: i64) -> FailedBatch {
    let Batch { records, invoke_count, .. } = batch;
    FailedBatch {
        condition,
        invoke_count,
        stream_arn: stream_arn.to_owned(),
        shard_id: shard_id.to_owned(),
        records,
        discarded_at_ms: now_ms,
    }
}

/// The lane of a record: the same one for every record of a partition key.
fn lane_of(record: &StreamRecord, lanes: usize) -> usize {
    let digest = Md5::digest(record.partition_key.as_bytes());
    digest.iter().take(4).fold(0, |hash, byte| hash << 8 | usize::from(*byte)) % lanes
}
