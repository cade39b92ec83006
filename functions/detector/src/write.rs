//! The requests that write users: several users in one, each by itself, or one user alone.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use anomaly_core::VerdictCounts;
use lambda_kit::Clock;
use message_queue::MessageQueue;

use crate::commit::Committed;
use crate::group::UserBatch;
use crate::handler::Run;
use crate::window_store::{CommitError, StoreError, StoredUser, Update, WindowStore};

/// A user who could not be written together with others is written alone after this time and up to as much again, since the store may
/// have lacked capacity. Further repetitions are the SDK's.
const ALONE_BACKOFF_MS: u64 = 25;

/// A user with what the store is to have next.
pub(crate) struct Next<'b> {
    pub(crate) user: UserBatch<'b>,
    pub(crate) stored: StoredUser,
    /// How many of the pending records are folded in, and the verdicts on them.
    pub(crate) taken: usize,
    pub(crate) verdicts: VerdictCounts,
}

/// What came of writing a user.
pub(crate) struct Written {
    pub(crate) outcome: Result<(), CommitError>,
    /// Whether other users were in the request.
    pub(crate) is_together: bool,
}

/// The users of each request: up to `together_max` who can be written together, or one. In the order of their first users, since time may
/// run out.
pub(crate) fn requests(changed: Vec<Next<'_>>, together_max: usize) -> Vec<Vec<Next<'_>>> {
    let (mut requests, mut together) = (Vec::new(), Vec::new());
    for next in changed {
        if next.update().is_none() {
            requests.push(vec![next]);
            continue;
        }
        together.push(next);
        if together.len() >= together_max {
            requests.push(std::mem::take(&mut together));
        }
    }
    if !together.is_empty() {
        requests.push(together);
    }
    requests.sort_by_key(|users| users.first().and_then(|next| next.user.first_index()));
    requests
}

impl<'b> Next<'b> {
    /// The user as one of several in a request. `None` if the user has to be written alone: the store has no item yet, or there is an
    /// outbox, which can be large, before or after, or it was tried in vain.
    fn update(&self) -> Option<Update<'_>> {
        let Self { user, stored, .. } = self;
        let has_outbox = user.has_stored_outbox || !stored.outbox.is_empty();
        let replaced = user.stored.version.filter(|_| !has_outbox && !user.is_alone)?;
        Some(Update { user_id: user.user_id, user: stored, replaced })
    }

    /// The same user once it is written.
    pub(crate) fn committed(self) -> Committed<'b> {
        let user = UserBatch { conflicts: 0, is_alone: false, ..self.user.reloaded(self.stored) };
        Committed { user, taken: self.taken }
    }
}

impl<S: WindowStore, A: MessageQueue, Q: MessageQueue, C: Clock, R> Run<'_, S, A, Q, C, R> {
    /// Makes one request. Returns each of its users with what came of it.
    pub(crate) async fn write_request<'b>(&self, users: Vec<Next<'b>>) -> Vec<(Next<'b>, Written)> {
        let is_together = users.len() > 1;
        let outcomes = match users.as_slice() {
            [next] => vec![self.write_alone(next).await],
            users => self.write_together(users).await,
        };
        let written = outcomes.into_iter().map(|outcome| Written { outcome, is_together });
        users.into_iter().zip(written).collect()
    }

    /// Writes the state and the outbox.
    async fn write_alone(&self, Next { user, stored, .. }: &Next<'_>) -> Result<(), CommitError> {
        let reserve_ms = self.commit_reserve_ms();
        if user.is_alone {
            let waiting = tokio::time::sleep(backoff(user.user_id));
            self.invocation.within(&self.detector.clock, reserve_ms, waiting).await;
        }
        self.write(user.user_id, stored, user.stored.version, reserve_ms).await
    }

    /// Writes several users, in half of the time that is left: whoever is not written then is written alone.
    async fn write_together(&self, users: &[Next<'_>]) -> Vec<Result<(), CommitError>> {
        let updates: Vec<Update<'_>> = users.iter().filter_map(Next::update).collect();
        debug_assert_eq!(updates.len(), users.len(), "whoever is in a request with others can be");
        let (clock, reserve_ms) = (&self.detector.clock, self.commit_reserve_ms());
        let half_ms = (self.invocation.left_ms(clock) - reserve_ms).max(0) / 2;
        let writing = self.detector.store.update(&updates);
        let written = self.invocation.within(clock, reserve_ms + half_ms, writing).await;
        let mut outcomes = written.unwrap_or_else(|| users.iter().map(|_| Err(out_of_time())).collect());
        debug_assert_eq!(outcomes.len(), users.len(), "the store has to answer for each user");
        outcomes.resize_with(users.len(), || Err(unanswered()));
        outcomes
    }

    /// Writes a user until `reserve_ms` before the deadline, if the store still has version `replaced`.
    pub(crate) async fn write(
        &self,
        user_id: &str,
        user: &StoredUser,
        replaced: Option<u64>,
        reserve_ms: i64,
    ) -> Result<(), CommitError> {
        let writing = self.detector.store.commit(user_id, user, replaced);
        let written = self.invocation.within(&self.detector.clock, reserve_ms, writing).await;
        written.unwrap_or_else(|| Err(out_of_time()))
    }

    /// The user as the next version.
    pub(crate) fn next_version(&self, user: StoredUser) -> StoredUser {
        let now_ms = self.detector.clock.now_ms();
        let first = u64::try_from(now_ms).unwrap_or_default();
        StoredUser {
            version: Some(user.version.map_or(first, |version| version.saturating_add(1))),
            updated_at_ms: now_ms,
            expires_at_seconds: now_ms / 1_000 + i64::from(self.detector.settings.state_retention_seconds),
            ..user
        }
    }
}

/// Differs by user, so that the users of one request do not come back at the same moment.
fn backoff(user_id: &str) -> Duration {
    let mut hasher = DefaultHasher::new();
    user_id.hash(&mut hasher);
    Duration::from_millis(ALONE_BACKOFF_MS + hasher.finish() % ALONE_BACKOFF_MS)
}

fn out_of_time() -> CommitError {
    CommitError::Failed(StoreError::new("write", "the deadline is near"))
}

fn unanswered() -> CommitError {
    CommitError::Failed(StoreError::new("write", "the store did not answer for a user"))
}
