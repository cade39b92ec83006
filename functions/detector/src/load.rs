//! Each user's state, from the warm cache or from the store.

use anomaly_core::RejectReason;
use lambda_kit::{Clock, telemetry::chain};

use crate::decode::Rejected;
use crate::group::{UserBatch, UserRecords};
use crate::handler::{Run, count};
use crate::window_store::{Loaded, StoreError, StoredUser, WindowStore};
use message_queue::MessageQueue;

impl<S: WindowStore, A: MessageQueue, Q: MessageQueue, C: Clock, R> Run<'_, S, A, Q, C, R> {
    /// The users with their states. A user whose state cannot be read now is failed; one whose state is corrupt goes to
    /// quarantine.
    pub(crate) async fn load<'b>(&mut self, users: Vec<UserRecords<'b>>) -> Vec<UserBatch<'b>> {
        if !self.invocation.has_left(&self.detector.clock, self.commit_reserve_ms()) {
            for user in users {
                self.progress.fail(user.user_id, &user.records);
            }
            return Vec::new();
        }
        let (mut loaded, mut cold) = (Vec::with_capacity(users.len()), Vec::new());
        for user in users {
            match self.detector.cache.take(user.user_id) {
                Some(stored) => loaded.push(user.with(self.as_of_now(stored))),
                None => cold.push(user),
            }
        }
        self.progress.summary.cache_hits += count(loaded.len());
        self.progress.summary.cache_misses += count(cold.len());
        self.load_cold(cold, &mut loaded).await;
        loaded
    }

    async fn load_cold<'b>(&mut self, cold: Vec<UserRecords<'b>>, loaded: &mut Vec<UserBatch<'b>>) {
        let mut found = self.read(&cold).await.into_iter();
        let mut read_error = None;
        for user in cold {
            match found.next() {
                Some(Ok(Loaded::Absent)) => loaded.push(user.with(self.absent())),
                Some(Ok(Loaded::Present(stored))) => loaded.push(user.with(self.as_of_now(*stored))),
                Some(Ok(Loaded::Corrupt(item))) => {
                    tracing::error!(
                        error = %chain(&item),
                        "A user's state is corrupt; the user's records go to quarantine."
                    );
                    self.progress.rejects.extend(rejected(&user));
                }
                Some(Err(error)) => {
                    self.progress.fail(user.user_id, &user.records);
                    read_error.get_or_insert(error);
                }
                // The deadline was too near to read.
                None => self.progress.fail(user.user_id, &user.records),
            }
        }
        if let Some(error) = read_error {
            tracing::warn!(error = %chain(&error), "States could not be read; this is the first error.");
        }
    }

    /// What the store holds of these users, in order; nothing if the deadline is near.
    async fn read(&self, users: &[UserRecords<'_>]) -> Vec<Result<Loaded, StoreError>> {
        let user_ids: Vec<&str> = users.iter().map(|user| user.user_id).collect();
        let reading =
            async { if user_ids.is_empty() { Vec::new() } else { self.detector.store.load(&user_ids).await } };
        let found = self.invocation.within(&self.detector.clock, self.commit_reserve_ms(), reading).await;
        debug_assert!(
            found.as_ref().is_none_or(|found| found.len() == users.len()),
            "the store has to answer for each user"
        );
        found.unwrap_or_default()
    }

    /// A user without an item.
    pub(crate) fn absent(&self) -> StoredUser {
        StoredUser::absent(&self.detector.settings.rule)
    }

    /// A stored user, without the state if that has expired.
    pub(crate) fn as_of_now(&self, stored: StoredUser) -> StoredUser {
        stored.as_of(self.detector.clock.now_ms(), &self.detector.settings.rule)
    }
}

fn rejected(user: &UserRecords<'_>) -> Vec<Rejected> {
    user.records.iter().map(|record| record.reject(RejectReason::StateCorrupt)).collect()
}
