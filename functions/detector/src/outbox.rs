//! The outbox: committed anomalies are sent to the queue, then cleared from the item.

use anomaly_core::AnomalyMessage;
use futures_util::{StreamExt, stream};
use lambda_kit::Clock;

use crate::commit::Committed;
use crate::group::UserBatch;
use crate::handler::{Run, count};
use crate::message_queue::MessageQueue;
use crate::window_store::WindowStore;

impl<S: WindowStore, A: MessageQueue, Q: MessageQueue, C: Clock> Run<'_, S, A, Q, C> {
    /// Sends the outbox of every user and settles those of which the queue confirmed all. Returns the users that still have pending
    /// records, because their outbox was full.
    pub(crate) async fn send_outboxes<'b>(&mut self, committed: Vec<Committed<'b>>) -> Vec<UserBatch<'b>> {
        let is_sent = self.send_each(&committed).await;
        let (mut pending, mut done) = (Vec::new(), Vec::new());
        for (Committed { mut user, taken }, is_sent) in committed.into_iter().zip(is_sent) {
            if !is_sent {
                self.progress.fail(user.pending());
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
        let confirmed = self.send(&self.detector.anomalies, &bodies).await;
        debug_assert_eq!(confirmed.len(), bodies.len(), "the queue has to answer for each message");
        self.progress.summary.anomalies_sent += count(confirmed.iter().filter(|is_confirmed| **is_confirmed).count());
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
        let Ok(stored) = self.write(user.user_id, user.stored).await else { return false };
        self.detector.cache.put(user.user_id, stored);
        true
    }
}

/// The body of a queue message.
fn body(message: &AnomalyMessage) -> String {
    let json = serde_json::to_string(message);
    debug_assert!(json.is_ok(), "JSON can hold strings, finite numbers and enums: {json:?}");
    json.unwrap_or_default()
}
