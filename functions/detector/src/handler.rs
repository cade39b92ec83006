//! The commit protocol: exactly the committed decisions are alerted.
//!
//! Per user and batch: fold, commit state and anomalies in one conditional write, send the anomalies, clear them from the
//! item. A crash at any point leaves either nothing, or a state that knows its records and an outbox that is sent when they
//! are delivered again. After the first failed record of a user nothing later of that user is applied, since all of a user's
//! records of a batch succeed or fail together from there on; other users go on. ARCHITECTURE.md walks through it.

use anomaly_core::{AnomalyMessage, RejectReason};
use aws_lambda_events::event::streams::KinesisEventResponse;
use futures_util::{StreamExt, stream};
use lambda_kit::{Clock, Invocation, failures, telemetry::chain};

use crate::cache::Cache;
use crate::config::Settings;
use crate::decode::{Batch, Record, Rejected};
use crate::envelope::NotKinesis;
use crate::fold::fold;
use crate::message_queue::MessageQueue;
use crate::quarantine;
use crate::summary::Summary;
use crate::window_store::{CommitError, Loaded, StoreError, StoredUser, WindowStore};
use crate::work::{Progress, Round, RoundEnd, Unreportable, UserWork, group, lowest_failed};

/// Conflicts in a row after which a user's records are left for the next delivery.
const COMMIT_ATTEMPTS_MAX: u32 = 5;
/// No state is read or written in the last two seconds: what was committed has to be sent.
const COMMIT_RESERVE_MS: i64 = 2_000;
/// Nothing is sent in the last half second: Lambda has to get an answer.
const SEND_RESERVE_MS: i64 = 500;

/// Why a whole batch fails. Bad data is never among the reasons.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The function has another trigger than a Kinesis stream.
    #[error(transparent)]
    NotKinesis(#[from] NotKinesis),
    /// A failed record cannot be named in a partial response.
    #[error(transparent)]
    Unreportable(#[from] Unreportable),
}

/// What the function answers, and what happened.
#[derive(Debug)]
pub struct Outcome {
    /// For Lambda.
    pub response: KinesisEventResponse,
    /// For people.
    pub summary: Summary,
}

/// The handler over its ports: user state `S`, anomaly messages `A`, quarantine `Q`, time `C`.
#[derive(Debug)]
pub struct Detector<S, A, Q, C> {
    store: S,
    anomalies: A,
    quarantine: Q,
    clock: C,
    settings: Settings,
    cache: Cache,
}

impl<S: WindowStore, A: MessageQueue, Q: MessageQueue, C: Clock> Detector<S, A, Q, C> {
    /// A detector with an empty cache.
    #[must_use]
    pub fn new(store: S, anomalies: A, quarantine: Q, clock: C, settings: Settings) -> Self {
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
    /// [`HandlerError`] if the batch as a whole has to come again, or is none.
    pub async fn handle(&self, event: &str, invocation: &Invocation) -> Result<Outcome, HandlerError> {
        let batch = Batch::open(event)?;
        let decoded = batch.decode(self.settings.clock_skew_ms_max);
        let mut progress = Progress::default();
        progress.summary.records = count(batch.len());
        let users = group(&decoded.records);
        progress.summary.users = count(users.len());
        let mut open = self.load(users, invocation, &mut progress).await;
        while !open.is_empty() {
            open = self.round(open, invocation, &mut progress).await;
        }
        // Last, so that a slow quarantine takes no time from good records.
        self.reject(&decoded.rejects, invocation, &mut progress).await;
        let lowest = lowest_failed(&batch, &progress.failed)?;
        Ok(Outcome { response: failures::kinesis(lowest), summary: progress.summary })
    }

    /// Sends records to quarantine; those it does not confirm have to come again.
    async fn reject(&self, rejects: &[Rejected<'_>], invocation: &Invocation, progress: &mut Progress) {
        let bodies: Vec<String> = rejects.iter().map(quarantine::message).collect();
        let confirmed = self.send(&self.quarantine, &bodies, invocation).await;
        for (rejected, is_confirmed) in rejects.iter().zip(confirmed) {
            if is_confirmed {
                *progress.summary.rejected.entry(rejected.reason).or_default() += 1;
            } else {
                progress.summary.quarantine_failed += 1;
                progress.failed.insert(rejected.index);
            }
        }
    }

    /// The state of every user, warm or read.
    async fn load<'b>(
        &self,
        users: Vec<(&'b str, Vec<&'b Record<'b>>)>,
        invocation: &Invocation,
        progress: &mut Progress,
    ) -> Vec<UserWork<'b>> {
        let mut open = Vec::with_capacity(users.len());
        let mut cold = Vec::new();
        for (user_id, records) in users {
            match self.cache.take(user_id) {
                Some(stored) => open.push(self.work(user_id, records, stored)),
                None => cold.push((user_id, records)),
            }
        }
        progress.summary.cache_hits = count(open.len());
        progress.summary.cache_misses = count(cold.len());
        let rejects = self.load_cold(cold, invocation, progress, &mut open).await;
        self.reject(&rejects, invocation, progress).await;
        open
    }

    /// Reads users into `open`; answers with the records of those whose item is corrupt.
    async fn load_cold<'b>(
        &self,
        cold: Vec<(&'b str, Vec<&'b Record<'b>>)>,
        invocation: &Invocation,
        progress: &mut Progress,
        open: &mut Vec<UserWork<'b>>,
    ) -> Vec<Rejected<'b>> {
        let user_ids: Vec<&str> = cold.iter().map(|(user_id, _)| *user_id).collect();
        let reading = async { if user_ids.is_empty() { Vec::new() } else { self.store.load(&user_ids).await } };
        let loaded = invocation.within(&self.clock, COMMIT_RESERVE_MS, reading).await.unwrap_or_default();
        let mut answers = loaded.into_iter();
        let (mut rejects, mut read_error) = (Vec::new(), None);
        for (user_id, records) in cold {
            match answers.next() {
                Some(Ok(Loaded::Absent)) => {
                    open.push(self.work(user_id, records, StoredUser::absent(&self.settings.rule)));
                }
                Some(Ok(Loaded::Present(stored))) => open.push(self.work(user_id, records, *stored)),
                Some(Ok(Loaded::Corrupt(item))) => {
                    tracing::error!(
                        error = %chain(&item),
                        "A user's state is corrupt; the user's records go to quarantine."
                    );
                    rejects.extend(records.iter().map(|record| record.reject(RejectReason::StateCorrupt)));
                }
                Some(Err(error)) => {
                    progress.fail(&records);
                    read_error.get_or_insert(error);
                }
                None => progress.fail(&records),
            }
        }
        if let Some(error) = read_error {
            tracing::warn!(error = %chain(&error), "States could not be read; this is the first error.");
        }
        rejects
    }

    fn work<'b>(&self, user_id: &'b str, records: Vec<&'b Record<'b>>, stored: StoredUser) -> UserWork<'b> {
        let stored = stored.as_of(self.clock.now_ms(), &self.settings.rule);
        UserWork { user_id, records, settled: 0, has_stored_outbox: !stored.outbox.is_empty(), stored }
    }

    /// Commits, sends and settles once for every user; answers with those that have records left because their outbox was
    /// full.
    async fn round<'b>(
        &self,
        open: Vec<UserWork<'b>>,
        invocation: &Invocation,
        progress: &mut Progress,
    ) -> Vec<UserWork<'b>> {
        let commits = stream::iter(open).map(|work| self.commit(work, invocation));
        let rounds: Vec<Round<'b>> = commits.buffered(self.settings.commits_concurrent_max).collect().await;
        let taken = self.sort_out(rounds, invocation, progress).await;
        let sent = self.send_outboxes(&taken, invocation, progress).await;
        let mut left = Vec::new();
        let mut done = Vec::new();
        for ((mut work, taken), is_sent) in taken.into_iter().zip(sent) {
            if !is_sent {
                progress.fail(work.open_records());
                continue;
            }
            work.settled += taken;
            work.stored.outbox.clear();
            if work.open_records().is_empty() { done.push(work) } else { left.push(work) }
        }
        let clears = stream::iter(done).map(|work| self.finish(work, invocation));
        let cleared: Vec<bool> = clears.buffered(self.settings.commits_concurrent_max).collect().await;
        progress.summary.outboxes_cleared += count(cleared.iter().filter(|is_cleared| **is_cleared).count());
        left
    }

    /// Counts what the commits came to; answers with the users whose outbox is to be sent.
    async fn sort_out<'b>(
        &self,
        rounds: Vec<Round<'b>>,
        invocation: &Invocation,
        progress: &mut Progress,
    ) -> Vec<(UserWork<'b>, usize)> {
        let mut taken = Vec::with_capacity(rounds.len());
        let (mut rejects, mut write_error) = (Vec::new(), None);
        for Round { work, tally, conflicts, end } in rounds {
            progress.summary.tally += tally;
            progress.summary.state_conflicts += conflicts;
            match end {
                RoundEnd::Taken(count) => taken.push((work, count)),
                RoundEnd::Failed(error) => {
                    progress.fail(work.open_records());
                    write_error.get_or_insert(error);
                }
                RoundEnd::Corrupt => {
                    rejects.extend(work.open_records().iter().map(|record| record.reject(RejectReason::StateCorrupt)));
                }
            }
        }
        if let Some(error) = write_error {
            tracing::warn!(error = %chain(&error), "States could not be written; this is the first error.");
        }
        self.reject(&rejects, invocation, progress).await;
        taken
    }

    /// Folds and commits one user, anew after each conflict.
    async fn commit<'b>(&self, mut work: UserWork<'b>, invocation: &Invocation) -> Round<'b> {
        let mut conflicts = 0;
        for _ in 0..COMMIT_ATTEMPTS_MAX {
            let fold = fold(&work.stored, work.open_records(), &self.settings.rule);
            if !fold.is_changed {
                return Round { work, tally: fold.tally, conflicts, end: RoundEnd::Taken(fold.taken) };
            }
            match self.write(work.user_id, fold.user, invocation).await {
                Ok(stored) => {
                    work.has_stored_outbox = !stored.outbox.is_empty();
                    work.stored = stored;
                    return Round { work, tally: fold.tally, conflicts, end: RoundEnd::Taken(fold.taken) };
                }
                Err(CommitError::Conflict(Loaded::Corrupt(_))) => {
                    return Round::stopped(work, conflicts, RoundEnd::Corrupt);
                }
                Err(CommitError::Conflict(loaded)) => {
                    conflicts += 1;
                    work = self.reloaded(work, loaded);
                }
                Err(CommitError::Failed(error)) => {
                    return Round::stopped(work, conflicts, RoundEnd::Failed(error));
                }
            }
        }
        let reason = format!("{COMMIT_ATTEMPTS_MAX} conflicts in a row");
        Round::stopped(work, conflicts, RoundEnd::Failed(StoreError { action: "write", reason }))
    }

    /// The same work on what the store was found to hold.
    fn reloaded<'b>(&self, work: UserWork<'b>, loaded: Loaded) -> UserWork<'b> {
        let stored = match loaded {
            Loaded::Present(stored) => *stored,
            Loaded::Absent | Loaded::Corrupt(_) => StoredUser::absent(&self.settings.rule),
        };
        let settled = work.settled;
        UserWork { settled, ..self.work(work.user_id, work.records, stored) }
    }

    /// Writes a user as the next version; answers with what is stored then.
    async fn write(&self, user_id: &str, user: StoredUser, invocation: &Invocation) -> Result<StoredUser, CommitError> {
        let (now_ms, replaced) = (self.clock.now_ms(), user.version);
        let first = u64::try_from(now_ms).unwrap_or_default();
        let next = StoredUser {
            version: Some(replaced.map_or(first, |version| version.saturating_add(1))),
            updated_at_ms: now_ms,
            expires_at_seconds: now_ms / 1_000 + i64::from(self.settings.state_retention_seconds),
            ..user
        };
        let writing = self.store.commit(user_id, &next, replaced);
        let written = invocation.within(&self.clock, COMMIT_RESERVE_MS, writing).await;
        written.unwrap_or_else(|| Err(CommitError::Failed(out_of_time())))?;
        Ok(next)
    }

    /// Sends every outbox; answers, for each user in order, whether all of it is confirmed.
    async fn send_outboxes(
        &self,
        taken: &[(UserWork<'_>, usize)],
        invocation: &Invocation,
        progress: &mut Progress,
    ) -> Vec<bool> {
        let outboxes = taken.iter().map(|(work, _)| work.stored.outbox.as_slice());
        let bodies: Vec<String> = outboxes.clone().flatten().map(body).collect();
        let confirmed = self.send(&self.anomalies, &bodies, invocation).await;
        progress.summary.anomalies_sent += count(confirmed.iter().filter(|is_confirmed| **is_confirmed).count());
        let mut rest = confirmed.as_slice();
        let mut is_sent = |outbox: &[AnomalyMessage]| {
            let (own, others) = rest.split_at_checked(outbox.len()).unwrap_or((&[false], &[]));
            rest = others;
            own.iter().all(|is_confirmed| *is_confirmed)
        };
        outboxes.map(&mut is_sent).collect()
    }

    async fn send(&self, queue: &impl MessageQueue, bodies: &[String], invocation: &Invocation) -> Vec<bool> {
        if bodies.is_empty() {
            return Vec::new();
        }
        let sent = invocation.within(&self.clock, SEND_RESERVE_MS, queue.send(bodies)).await;
        sent.unwrap_or_else(|| vec![false; bodies.len()])
    }

    /// Clears a sent outbox from the item and keeps the state warm. Neither has to succeed: an outbox that stays is sent again
    /// under the same ids, which the alerter's ledger suppresses. Answers whether an outbox was cleared.
    async fn finish(&self, work: UserWork<'_>, invocation: &Invocation) -> bool {
        if !work.has_stored_outbox {
            if work.stored.version.is_some() {
                self.cache.put(work.user_id, work.stored);
            }
            return false;
        }
        let written = self.write(work.user_id, work.stored, invocation).await;
        let is_cleared = written.is_ok();
        if let Ok(stored) = written {
            self.cache.put(work.user_id, stored);
        }
        is_cleared
    }
}

fn out_of_time() -> StoreError {
    StoreError { action: "write", reason: "the deadline is near".to_owned() }
}

fn body(message: &AnomalyMessage) -> String {
    // Strings, finite numbers and enums: there is nothing here that JSON cannot hold.
    serde_json::to_string(message).unwrap_or_default()
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
