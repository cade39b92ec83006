//! The commit protocol: exactly the committed decisions are alerted.
//!
//! Per user and batch: fold, commit state and anomalies in one conditional write, send the anomalies, clear them from the item. A
//! crash at any point leaves either nothing, or a state that knows its records and an outbox that is sent when they are
//! redelivered. After the first failed record of a user no later record of that user is applied, because a user's records succeed
//! or fail together from there on. Other users are not affected. ARCHITECTURE.md walks through it.

use std::collections::BTreeSet;

use aws_lambda_events::event::streams::KinesisEventResponse;
use lambda_kit::{Clock, Invocation, failures};

use crate::cache::Cache;
use crate::checkpoint::{Unreportable, lowest_failed};
use crate::config::DetectorSettings;
use crate::decode::{Batch, UserRecord};
use crate::envelope::NotKinesis;
use crate::group::group;
use crate::message_queue::MessageQueue;
use crate::summary::DetectorSummary;
use crate::window_store::WindowStore;

/// Nothing is sent in the last half second: Lambda has to get a response.
const SEND_RESERVE_MS: i64 = 500;

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

/// The handler over its ports: user state `S`, anomaly messages `A`, quarantine `Q`, time `C`.
#[derive(Debug)]
pub struct Detector<S, A, Q, C> {
    pub(crate) store: S,
    pub(crate) anomalies: A,
    pub(crate) quarantine: Q,
    pub(crate) clock: C,
    pub(crate) settings: DetectorSettings,
    pub(crate) cache: Cache,
}

/// One invocation, under way.
pub(crate) struct Run<'r, S, A, Q, C> {
    pub(crate) detector: &'r Detector<S, A, Q, C>,
    pub(crate) invocation: &'r Invocation,
    pub(crate) progress: Progress,
}

/// What is known so far of one invocation.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) summary: DetectorSummary,
    /// Indices of the Kinesis records that Lambda has to redeliver.
    pub(crate) failed: BTreeSet<usize>,
}

impl<S: WindowStore, A: MessageQueue, Q: MessageQueue, C: Clock> Detector<S, A, Q, C> {
    /// A detector with an empty cache.
    #[must_use]
    pub fn new(store: S, anomalies: A, quarantine: Q, clock: C, settings: DetectorSettings) -> Self {
        let cache = Cache::new(settings.cache_users_max);
        Self { store, anomalies, quarantine, clock, settings, cache }
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
        let decoded = batch.decode(self.settings.clock_skew_ms_max);
        let mut run = Run { detector: self, invocation, progress: Progress::default() };
        run.progress.summary.records = count(batch.len());
        let mut pending = run.load(group(&decoded.records)).await;
        while !pending.is_empty() {
            let committed = run.commit(pending).await;
            pending = run.send_outboxes(committed).await;
        }
        // Last, so that a slow quarantine takes no time from good records.
        run.quarantine(&decoded.rejects).await;
        let Progress { summary, failed } = run.progress;
        Ok(Outcome { response: failures::kinesis(lowest_failed(&batch, &failed)?), summary })
    }
}

impl<S: WindowStore, A: MessageQueue, Q: MessageQueue, C: Clock> Run<'_, S, A, Q, C> {
    /// Sends messages until the deadline is near. Returns, for each in order, whether it was confirmed.
    pub(crate) async fn send(&self, queue: &impl MessageQueue, bodies: &[String]) -> Vec<bool> {
        if bodies.is_empty() {
            return Vec::new();
        }
        let sent = self.invocation.within(&self.detector.clock, SEND_RESERVE_MS, queue.send(bodies)).await;
        sent.unwrap_or_else(|| vec![false; bodies.len()])
    }
}

impl Progress {
    /// Has one user's records redelivered, from the first of these on.
    pub(crate) fn fail(&mut self, records: &[&UserRecord<'_>]) {
        self.summary.users_failed += 1;
        self.failed.extend(records.first().map(|record| record.index));
    }
}

/// A length as a count of the summary.
pub(crate) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
