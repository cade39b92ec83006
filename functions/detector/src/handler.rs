//! The commit protocol: exactly the committed decisions are alerted.
//!
//! Per user and batch: fold, commit state and anomalies in one conditional write, send the anomalies, clear them from the item. A
//! crash at any point leaves either nothing, or a state that knows its records and an outbox that is sent when they are
//! redelivered. After the first failed record of a user no later record of that user is applied, because a user's records succeed
//! or fail together from there on. Other users are not affected. ARCHITECTURE.md walks through it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use anomaly_core::{ConfigurationId, ShardId};
use aws_lambda_events::event::streams::KinesisEventResponse;
use intake::aggregate::HashRange;
use lambda_kit::{Clock, Invocation, failures};

use crate::cache::Cache;
use crate::checkpoint::{Unreportable, lowest_failed};
use crate::config::DetectorSettings;
use crate::decode::{Batch, Rejected, Shards, UserRecord};
use crate::envelope::NotKinesis;
use crate::group::{UserRecords, group};
use crate::shard_ranges::{ShardRanges, UnknownRanges};
use crate::summary::DetectorSummary;
use crate::window_store::WindowStore;
use message_queue::MessageQueue;

/// Messages that are sent under one look at the deadline: four calls of ten. What one slice confirmed stays confirmed when time runs
/// out in the next, so every delivery of a batch makes progress.
pub(crate) const MESSAGES_PER_SLICE: usize = 40;
/// Users that are read, committed and settled together: as many as a batch of the default size can have. It bounds what a batch of
/// a hundred thousand users needs in memory, and, as above, what can be lost when time runs out.
const USERS_PER_SLICE: usize = 1_000;

/// Ranges of shards are not worth more time: good records wait for the answer.
const RANGES_PATIENCE: Duration = Duration::from_secs(1);

/// Why a whole batch fails. Bad data is never the reason.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The function's trigger is not a Kinesis stream.
    #[error(transparent)]
    NotKinesis(#[from] NotKinesis),
    /// A failed record cannot be named in a partial response.
    #[error(transparent)]
    Unreportable(#[from] Unreportable),
}

/// The function's response, and what happened.
#[derive(Debug)]
pub struct Outcome {
    /// For Lambda.
    pub response: KinesisEventResponse,
    /// For logs and metrics.
    pub summary: DetectorSummary,
}

/// The handler over its ports: user state `S`, anomaly messages `A`, quarantine `Q`, time `C`, the ranges of shards `R`.
#[derive(Debug)]
pub struct Detector<S, A, Q, C, R = UnknownRanges> {
    pub(crate) store: S,
    pub(crate) anomalies: A,
    pub(crate) quarantine: Q,
    pub(crate) clock: C,
    ranges: R,
    pub(crate) settings: DetectorSettings,
    /// Of the settings; computed once, since a model is hashed for it.
    pub(crate) configuration_id: ConfigurationId,
    pub(crate) cache: Cache,
}

/// One invocation, under way.
pub(crate) struct Run<'r, S, A, Q, C, R> {
    pub(crate) detector: &'r Detector<S, A, Q, C, R>,
    pub(crate) invocation: &'r Invocation,
    pub(crate) batch: &'r Batch<'r>,
    /// What it had when it began, in ms.
    pub(crate) time_ms: i64,
    pub(crate) progress: Progress,
}

/// What is known so far of one invocation.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) summary: DetectorSummary,
    /// Indices of the Kinesis records that Lambda has to redeliver.
    pub(crate) failed: BTreeSet<usize>,
    /// Users with a failed record: none of their later records may be applied.
    failed_users: HashSet<String>,
    /// Records that have to go to quarantine.
    pub(crate) rejects: Vec<Rejected>,
}

impl<S: WindowStore, A: MessageQueue, Q: MessageQueue, C: Clock> Detector<S, A, Q, C> {
    /// A detector with an empty cache that knows no ranges of shards.
    #[must_use]
    pub fn new(store: S, anomalies: A, quarantine: Q, clock: C, settings: DetectorSettings) -> Self {
        let cache = Cache::new(settings.cache_users_max);
        let configuration_id = settings.configuration_id();
        Self { store, anomalies, quarantine, clock, ranges: UnknownRanges, settings, configuration_id, cache }
    }
}

impl<S: WindowStore, A: MessageQueue, Q: MessageQueue, C: Clock, R: ShardRanges> Detector<S, A, Q, C, R> {
    /// The same detector with another source of shards' ranges.
    #[must_use]
    pub fn with_ranges<T>(self, ranges: T) -> Detector<S, A, Q, C, T> {
        let Self { store, anomalies, quarantine, clock, settings, configuration_id, cache, .. } = self;
        Detector { store, anomalies, quarantine, clock, ranges, settings, configuration_id, cache }
    }

    /// The id of the configuration that it was given, as its messages have it.
    pub const fn configuration_id(&self) -> ConfigurationId {
        self.configuration_id
    }

    /// The clock it was given.
    pub const fn clock(&self) -> &C {
        &self.clock
    }

    /// Handles one batch: `event` is Lambda's Kinesis event as JSON.
    ///
    /// # Errors
    /// [`HandlerError`] if `event` is not a batch, or if Lambda has to redeliver the whole batch.
    pub async fn handle(&self, event: &str, invocation: &Invocation) -> Result<Outcome, HandlerError> {
        let batch = Batch::parse(event)?;
        let time_ms = invocation.left_ms(&self.clock);
        let mut run = Run { detector: self, invocation, batch: &batch, time_ms, progress: Progress::default() };
        run.progress.summary.records = count(batch.len());
        run.apply_segments().await;
        // Last, so that a slow quarantine takes no time from good records.
        run.quarantine().await;
        let Progress { summary, failed, .. } = run.progress;
        Ok(Outcome { response: failures::kinesis(lowest_failed(&batch, &failed)?), summary })
    }
}

impl<S: WindowStore, A: MessageQueue, Q: MessageQueue, C: Clock, R> Run<'_, S, A, Q, C, R> {
    /// Applies the good records, segment by segment. If time runs out, the rest of the batch is failed without a look at it.
    async fn apply_segments(&mut self)
    where
        R: ShardRanges,
    {
        let settings = &self.detector.settings;
        let shards = Shards { lanes: settings.lanes, ranges: self.ranges().await };
        let mut next = 0;
        while next < self.batch.len() {
            if !self.invocation.has_left(&self.detector.clock, self.commit_reserve_ms()) {
                self.progress.failed.insert(next);
                return;
            }
            let segment = self.batch.segment(next, &shards);
            let decoded = segment.decode(settings.clock_skew_ms_max);
            self.progress.rejects.extend(decoded.rejects);
            self.progress.summary.without_id += if shards.ranges.is_empty() { decoded.without_id } else { 0 };
            self.apply(&decoded.records).await;
            next = segment.end();
        }
    }

    /// The ranges of the shards that the batch may have aggregates from.
    async fn ranges(&self) -> HashMap<ShardId, HashRange>
    where
        R: ShardRanges,
    {
        let mut ranges = HashMap::new();
        // With several lanes aggregates are rejected anyway.
        let shards = if self.detector.settings.lanes > 1 { HashMap::new() } else { self.batch.shards_of_aggregates() };
        for (shard, stream_arn) in shards {
            let asking = self.detector.ranges.range(stream_arn, shard);
            if let Ok(Some(range)) = tokio::time::timeout(RANGES_PATIENCE, asking).await {
                ranges.insert(shard.clone(), range);
            }
        }
        ranges
    }

    /// Applies records, each user's together, some users at a time.
    async fn apply(&mut self, records: &[UserRecord<'_>]) {
        let mut users = self.still_sound(group(records)).into_iter();
        loop {
            let slice: Vec<UserRecords<'_>> = users.by_ref().take(USERS_PER_SLICE).collect();
            if slice.is_empty() {
                return;
            }
            let mut pending = self.load(slice).await;
            while !pending.is_empty() {
                let committed = self.commit(pending).await;
                pending = self.send_outboxes(committed).await;
            }
        }
    }

    /// Fails the records of users of whom an earlier record failed, and returns the other users.
    fn still_sound<'b>(&mut self, users: Vec<UserRecords<'b>>) -> Vec<UserRecords<'b>> {
        self.progress.summary.users += count(users.len());
        let is_sound = |user: &UserRecords<'_>| !self.progress.failed_users.contains(user.user_id);
        let (sound, failed): (Vec<_>, Vec<_>) = users.into_iter().partition(is_sound);
        for user in failed {
            self.progress.fail(user.user_id, &user.records);
        }
        sound
    }

    /// Sends one slice of messages. Returns, for each in order, whether it was confirmed; `None` if time ran out.
    pub(crate) async fn send(
        &self,
        queue: &impl MessageQueue,
        bodies: &[String],
        reserve_ms: i64,
    ) -> Option<Vec<bool>> {
        if bodies.is_empty() {
            return Some(Vec::new());
        }
        let confirmed = self.invocation.within(&self.detector.clock, reserve_ms, queue.send(bodies)).await?;
        debug_assert_eq!(confirmed.len(), bodies.len(), "the queue has to answer for each message");
        Some(confirmed)
    }
}

impl Progress {
    /// Has one user's records redelivered, from the first of these on.
    pub(crate) fn fail(&mut self, user_id: &str, records: &[&UserRecord<'_>]) {
        self.summary.users_failed += 1;
        self.failed.extend(records.first().map(|record| record.index));
        self.failed_users.insert(user_id.to_owned());
    }
}

/// A length as a count of the summary.
pub(crate) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
