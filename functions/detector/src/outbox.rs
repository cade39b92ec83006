//! The outbox: committed anomalies are sent to the queue, then cleared from the item.

use anomaly_core::AnomalyMessage;
use futures_util::{StreamExt, stream};
use lambda_kit::Clock;

use crate::commit::Committed;
use crate::group::UserBatch;
use crate::handler::{MESSAGES_PER_SLICE, Run, count};
use crate::window_store::WindowStore;
use message_queue::MessageQueue;

/// No anomaly is sent in the last second and a half: a sent outbox has to be cleared, or the next delivery spends its time on sending
/// it again.
const SEND_RESERVE_MS: i64 = 1_500;
/// No outbox is cleared in the last half second: Lambda has to get a response.
const CLEAR_RESERVE_MS: i64 = 500;

impl<S: WindowStore, A: MessageQueue, Q: MessageQueue, C: Clock, R> Run<'_, S, A, Q, C, R> {
    /// Sends the outbox of every user and clears those of which the queue confirmed all, some users at a time. Returns the users that
    /// still have pending records, because their outbox was full.
    pub(crate) async fn send_outboxes<'b>(&mut self, committed: Vec<Committed<'b>>) -> Vec<UserBatch<'b>> {
        let mut pending = Vec::new();
        let mut committed = committed.into_iter().peekable();
        while committed.peek().is_some() {
            pending.extend(self.send_slice(next_slice(&mut committed)).await);
        }
        pending
    }

    async fn send_slice<'b>(&mut self, committed: Vec<Committed<'b>>) -> Vec<UserBatch<'b>> {
        let is_sent = self.send_each(&committed).await;
        let (mut pending, mut done) = (Vec::new(), Vec::new());
        for (Committed { mut user, taken }, is_sent) in committed.into_iter().zip(is_sent) {
            if !is_sent {
                self.progress.fail(user.user_id, user.pending());
                continue;
            }
            user.settled += taken;
            user.stored.outbox.clear();
            if user.pending().is_empty() { done.push(user) } else { pending.push(user) }
        }
        self.clear(done).await;
        pending
    }

    /// Returns, for each user in order, whether the queue confirmed the whole outbox.
    async fn send_each(&mut self, committed: &[Committed<'_>]) -> Vec<bool> {
        let outboxes = committed.iter().map(|committed| committed.user.stored.outbox.as_slice());
        let bodies: Vec<String> = outboxes.clone().flatten().map(body).collect();
        let confirmed = self.send(&self.detector.anomalies, &bodies, SEND_RESERVE_MS).await;
        let confirmed = confirmed.unwrap_or_else(|| vec![false; bodies.len()]);
        for (message, _) in outboxes.clone().flatten().zip(&confirmed).filter(|(_, is_confirmed)| **is_confirmed) {
            self.progress.summary.sent.count_anomaly(message.severity);
        }
        let mut rest = confirmed.as_slice();
        let mut is_sent = |outbox: &[AnomalyMessage]| {
            let (own, others) = rest.split_at_checked(outbox.len()).unwrap_or((&[false], &[]));
            rest = others;
            own.iter().all(|is_confirmed| *is_confirmed)
        };
        outboxes.map(&mut is_sent).collect()
    }

    /// Clears sent outboxes, up to `COMMITS_CONCURRENT_MAX` at once, and keeps the states warm.
    async fn clear(&mut self, users: Vec<UserBatch<'_>>) {
        let clears = stream::iter(users).map(|user| self.clear_user(user));
        let cleared: Vec<bool> = clears.buffered(self.detector.settings.commits_concurrent_max).collect().await;
        self.progress.summary.outboxes_cleared += count(cleared.iter().filter(|is_cleared| **is_cleared).count());
    }

    /// Neither clearing nor caching has to succeed: an outbox that stays in the item is sent again under the same ids, which the
    /// alerter's ledger suppresses. Returns whether an outbox was cleared.
    async fn clear_user(&self, user: UserBatch<'_>) -> bool {
        if !user.has_stored_outbox {
            if user.stored.version.is_some() {
                self.detector.cache.put(user.user_id, user.stored);
            }
            return false;
        }
        let (replaced, stored) = (user.stored.version, self.next_version(user.stored));
        let cleared = self.write(user.user_id, &stored, replaced, CLEAR_RESERVE_MS).await;
        if cleared.is_ok() {
            self.detector.cache.put(user.user_id, stored);
        }
        cleared.is_ok()
    }
}

/// The next users, until they have enough messages together for one slice.
fn next_slice<'b>(committed: &mut impl Iterator<Item = Committed<'b>>) -> Vec<Committed<'b>> {
    let (mut slice, mut messages) = (Vec::new(), 0);
    while messages < MESSAGES_PER_SLICE
        && let Some(next) = committed.next()
    {
        messages += next.user.stored.outbox.len();
        slice.push(next);
    }
    slice
}

/// The body of a queue message.
fn body(message: &AnomalyMessage) -> String {
    let json = serde_json::to_string(message);
    debug_assert!(json.is_ok(), "JSON can hold strings, finite numbers and enums: {json:?}");
    json.unwrap_or_default()
}
