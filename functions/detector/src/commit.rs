//! Fold and commit: a user's state and new anomalies in one conditional write.

use anomaly_core::RejectReason;
use futures_util::{StreamExt, stream};
use lambda_kit::{Clock, telemetry::chain};

use crate::fold::{Fold, fold};
use crate::group::UserBatch;
use crate::handler::Run;
use crate::window_store::{CommitError, Loaded, StoreError, StoredUser, WindowStore};
use crate::write::{Next, Written, requests};
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

/// What has come so far of committing some users. The others are failed or, if their item is corrupt, in quarantine.
#[derive(Default)]
struct Commits<'b> {
    committed: Vec<Committed<'b>>,
    /// To be committed in the next round: onto what the store was found to hold, or by a request of their own.
    again: Vec<UserBatch<'b>>,
    /// The first error of a write that is not tried again.
    error: Option<StoreError>,
    /// The first error of a write that is tried again alone.
    error_together: Option<StoreError>,
}

impl<S: WindowStore, A: MessageQueue, Q: MessageQueue, C: Clock, R> Run<'_, S, A, Q, C, R> {
    /// Folds every user's records and writes the users, up to `COMMIT_STATEMENTS_MAX` in a request and up to `COMMITS_CONCURRENT_MAX`
    /// requests at once; then those again who met a conflict or could not be written together with others. Returns the users that are
    /// committed, in the order of their records.
    pub(crate) async fn commit<'b>(&mut self, users: Vec<UserBatch<'b>>) -> Vec<Committed<'b>> {
        let mut commits = Commits { again: users, ..Commits::default() };
        while !commits.again.is_empty() {
            let changed = self.fold_each(&mut commits);
            for (next, written) in self.write_all(changed).await {
                self.take_outcome(next, written, &mut commits);
            }
        }
        let Commits { mut committed, error, error_together, .. } = commits;
        if let Some(error) = error_together {
            tracing::warn!(error = %chain(&error), "Users could not be written together, only alone; this is the first error.");
        }
        if let Some(error) = error {
            tracing::warn!(error = %chain(&error), "States could not be written; this is the first error.");
        }
        committed.sort_by_key(|committed| committed.user.first_index());
        committed
    }

    /// Folds the pending records of the users of a round onto what the store has. Returns the users that have to be written.
    fn fold_each<'b>(&mut self, commits: &mut Commits<'b>) -> Vec<Next<'b>> {
        let users = std::mem::take(&mut commits.again);
        let judge = (&self.detector.settings.rule, self.detector.configuration_id);
        let mut changed = Vec::with_capacity(users.len());
        for user in users {
            let Fold { user: folded, taken, is_changed, verdicts } = fold(&user.stored, user.pending(), judge);
            if is_changed {
                let stored = self.next_version(folded);
                changed.push(Next { user, stored, taken, verdicts });
            } else {
                self.progress.summary.verdicts += verdicts;
                commits.committed.push(Committed { user: UserBatch { is_alone: false, ..user }, taken });
            }
        }
        changed
    }

    /// Writes every user. Returns what came of each.
    async fn write_all<'b>(&self, changed: Vec<Next<'b>>) -> Vec<(Next<'b>, Written)> {
        let settings = &self.detector.settings;
        let requests = requests(changed, settings.commit_statements_max);
        let writes = stream::iter(requests).map(|request| self.write_request(request));
        writes.buffered(settings.commits_concurrent_max).concat().await
    }

    /// Sorts a user in by what came of writing it. After a conflict the user's records are folded again, onto what the store returned; a
    /// user who could not be written together with others is written alone.
    fn take_outcome<'b>(&mut self, next: Next<'b>, written: Written, commits: &mut Commits<'b>) {
        let Written { outcome, is_together } = written;
        match outcome {
            Ok(()) => {
                self.progress.summary.verdicts += next.verdicts;
                commits.committed.push(next.committed());
            }
            Err(CommitError::Conflict(Loaded::Corrupt(_))) => self.quarantine_user(&next.user),
            Err(CommitError::Conflict(Loaded::Present(stored))) => {
                self.fold_again(next.user, self.as_of_now(*stored), commits);
            }
            Err(CommitError::Conflict(Loaded::Absent)) => self.fold_again(next.user, self.absent(), commits),
            Err(CommitError::Failed(error)) if is_together => {
                commits.error_together.get_or_insert(error);
                commits.again.push(UserBatch { is_alone: true, ..next.user });
            }
            Err(CommitError::Failed(error)) => self.give_up(&next.user, error, commits),
        }
    }

    fn quarantine_user(&mut self, user: &UserBatch<'_>) {
        let rejects = user.pending().iter().map(|record| record.reject(RejectReason::StateCorrupt));
        self.progress.rejects.extend(rejects);
    }

    fn fold_again<'b>(&mut self, user: UserBatch<'b>, stored: StoredUser, commits: &mut Commits<'b>) {
        self.progress.summary.state_conflicts += 1;
        let conflicts = user.conflicts + 1;
        if conflicts == COMMIT_ATTEMPTS_MAX {
            let error = StoreError::new("write", format!("{COMMIT_ATTEMPTS_MAX} conflicts in a row"));
            return self.give_up(&user, error, commits);
        }
        commits.again.push(UserBatch { conflicts, ..user.reloaded(stored) });
    }

    fn give_up<'b>(&mut self, user: &UserBatch<'b>, error: StoreError, commits: &mut Commits<'b>) {
        self.progress.fail(user.user_id, user.pending());
        commits.error.get_or_insert(error);
    }

    /// How long before the deadline the last record is committed: earlier if rejects wait, since those are next, and what is in front of the
    /// checkpoint holds it up.
    pub(crate) fn commit_reserve_ms(&self) -> i64 {
        let for_rejects = if self.progress.rejects.is_empty() { 0 } else { self.time_ms / REJECTS_SHARE };
        COMMIT_RESERVE_MS.saturating_add(for_rejects)
    }
}
