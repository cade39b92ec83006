//! Fold and commit: a user's state and new anomalies in one conditional write.

use anomaly_core::{RejectReason, VerdictCounts};
use futures_util::{StreamExt, stream};
use lambda_kit::{Clock, telemetry::chain};

use crate::fold::fold;
use crate::group::UserBatch;
use crate::handler::Run;
use crate::window_store::{CommitError, Loaded, StoreError, StoredUser, WindowStore};
use message_queue::MessageQueue;

/// Conflicts in a row after which a user's records are left for the next delivery.
const COMMIT_ATTEMPTS_MAX: u32 = 5;
/// No record is committed in the last three seconds: its anomalies have to be sent, and the outbox cleared.
pub(crate) const COMMIT_RESERVE_MS: i64 = 3_000;
/// A third of an invocation's time is left to the quarantine if something has to go there.
const REJECTS_SHARE: i64 = 3;

/// A user whose records are in the stored state, `taken` of those that were pending. The outbox is to be sent.
pub(crate) struct Committed<'b> {
    pub(crate) user: UserBatch<'b>,
    pub(crate) taken: usize,
}

/// What came of committing one user.
struct Attempt<'b> {
    user: UserBatch<'b>,
    verdicts: VerdictCounts,
    conflicts: u64,
    end: AttemptEnd,
}

enum AttemptEnd {
    /// This many of the pending records are in the stored state.
    Taken(usize),
    /// The infrastructure failed.
    Failed(StoreError),
    /// The item cannot be read.
    Corrupt,
}

impl<S: WindowStore, A: MessageQueue, Q: MessageQueue, C: Clock, R> Run<'_, S, A, Q, C, R> {
    /// Folds and commits every user, up to `COMMITS_CONCURRENT_MAX` at once. Returns the users that are committed; the others are
    /// failed or, if their item is corrupt, in quarantine.
    pub(crate) async fn commit<'b>(&mut self, users: Vec<UserBatch<'b>>) -> Vec<Committed<'b>> {
        let attempts = stream::iter(users).map(|user| self.commit_user(user));
        let attempts: Vec<_> = attempts.buffered(self.detector.settings.commits_concurrent_max).collect().await;
        let mut committed = Vec::with_capacity(attempts.len());
        let mut write_error = None;
        for Attempt { user, verdicts, conflicts, end } in attempts {
            self.progress.summary.verdicts += verdicts;
            self.progress.summary.state_conflicts += conflicts;
            match end {
                AttemptEnd::Taken(taken) => committed.push(Committed { user, taken }),
                AttemptEnd::Failed(error) => {
                    self.progress.fail(user.user_id, user.pending());
                    write_error.get_or_insert(error);
                }
                AttemptEnd::Corrupt => {
                    let rejects = user.pending().iter().map(|record| record.reject(RejectReason::StateCorrupt));
                    self.progress.rejects.extend(rejects);
                }
            }
        }
        if let Some(error) = write_error {
            tracing::warn!(error = %chain(&error), "States could not be written; this is the first error.");
        }
        committed
    }

    /// Folds and commits one user. After a conflict it folds again, onto what the store returned.
    async fn commit_user<'b>(&self, mut user: UserBatch<'b>) -> Attempt<'b> {
        let mut conflicts = 0;
        for _ in 0..COMMIT_ATTEMPTS_MAX {
            let judge = (&self.detector.settings.rule, self.detector.configuration_id);
            let fold = fold(&user.stored, user.pending(), judge);
            let (verdicts, end) = (fold.verdicts, AttemptEnd::Taken(fold.taken));
            if !fold.is_changed {
                return Attempt { user, verdicts, conflicts, end };
            }
            match self.write(user.user_id, fold.user, self.commit_reserve_ms()).await {
                Ok(stored) => return Attempt { user: user.reloaded(stored), verdicts, conflicts, end },
                Err(CommitError::Conflict(Loaded::Corrupt(_))) => {
                    return Attempt::stopped(user, conflicts, AttemptEnd::Corrupt);
                }
                Err(CommitError::Conflict(Loaded::Present(stored))) => user = user.reloaded(self.as_of_now(*stored)),
                Err(CommitError::Conflict(Loaded::Absent)) => user = user.reloaded(self.absent()),
                Err(CommitError::Failed(error)) => {
                    return Attempt::stopped(user, conflicts, AttemptEnd::Failed(error));
                }
            }
            conflicts += 1;
        }
        let error = StoreError::new("write", format!("{COMMIT_ATTEMPTS_MAX} conflicts in a row"));
        Attempt::stopped(user, conflicts, AttemptEnd::Failed(error))
    }

    /// How long before the deadline the last record is committed: earlier if rejects wait, since those are next, and what is in front of the
    /// checkpoint holds it up.
    pub(crate) fn commit_reserve_ms(&self) -> i64 {
        let for_rejects = if self.progress.rejects.is_empty() { 0 } else { self.time_ms / REJECTS_SHARE };
        COMMIT_RESERVE_MS.saturating_add(for_rejects)
    }

    /// Writes a user as the next version, until `reserve_ms` before the deadline. Returns the user as it is stored then.
    pub(crate) async fn write(
        &self,
        user_id: &str,
        user: StoredUser,
        reserve_ms: i64,
    ) -> Result<StoredUser, CommitError> {
        let (now_ms, replaced) = (self.detector.clock.now_ms(), user.version);
        let first = u64::try_from(now_ms).unwrap_or_default();
        let next = StoredUser {
            version: Some(replaced.map_or(first, |version| version.saturating_add(1))),
            updated_at_ms: now_ms,
            expires_at_seconds: now_ms / 1_000 + i64::from(self.detector.settings.state_retention_seconds),
            ..user
        };
        let writing = self.detector.store.commit(user_id, &next, replaced);
        let written = self.invocation.within(&self.detector.clock, reserve_ms, writing).await;
        written.unwrap_or_else(|| Err(CommitError::Failed(StoreError::new("write", "the deadline is near"))))?;
        Ok(next)
    }
}

impl<'b> Attempt<'b> {
    fn stopped(user: UserBatch<'b>, conflicts: u64, end: AttemptEnd) -> Self {
        Self { user, verdicts: VerdictCounts::default(), conflicts, end }
    }
}
