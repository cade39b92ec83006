//! One message of a channel: read, taken apart or told, and what becomes of it.

use std::time::Duration;

use lambda_kit::sqs::QueueMessage;
use lambda_kit::{Clock, telemetry::chain};
use message_queue::MessageQueue;

use crate::attempt::Attempt;
use crate::channel::Channel;
use crate::document::{Alert, Document};
use crate::handler::{Handled, Run, count, lock};
use crate::hold::Held;
use crate::receiver::Receiver;
use crate::request::{self, Request};
use crate::responder::Responder;
use crate::secrets::{Access, SecretStore};

/// No request is begun in the last 17 seconds: it may take 15.
const BEGIN_RESERVE_MS: i64 = 17_000;
/// Requests for one message in one invocation: as many as a receiver asks for that wants a second between two.
const ATTEMPTS_MAX: u32 = 30;
/// A receiver that asks for no wait gets this one.
const WAIT_SECONDS_MIN: u64 = 1;
/// How long a receiver is left alone that does not say how long.
const PAUSE_SECONDS: u64 = 30;

impl<Q: MessageQueue, R: Receiver, S: SecretStore, X: Responder, C: Clock> Run<'_, Q, R, S, X, C> {
    pub(crate) async fn deliver(&mut self, message: &QueueMessage) -> Handled {
        let document = match Document::read(message.body.as_deref()) {
            Ok(document) => document,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "A message is not a document; in the end it goes to the dead-letter queue.");
                self.summary.poison += 1;
                return Handled::Failed;
            }
        };
        if !self.queue.channel.is_one_by_one() {
            return self.tell_people(&document).await;
        }
        match self.queue.channel.alerts_for(document).as_slice() {
            [] => {
                self.summary.skipped += 1;
                Handled::Done
            }
            [alert] => self.deliver_alert(alert).await,
            alerts => self.take_apart(alerts).await,
        }
    }

    /// One message for each alert, back to the same queue. A second time they have the same ids.
    async fn take_apart(&mut self, alerts: &[Alert]) -> Handled {
        let bodies: Vec<String> = alerts.iter().map(|alert| alert.json.clone()).collect();
        let sending = self.queue.queue.send(&bodies);
        let Some(sent) = self.invocation.within(&self.notifier.clock, BEGIN_RESERVE_MS, sending).await else {
            return self.out_of_time();
        };
        if sent.into_iter().all(|is_sent| is_sent) {
            self.summary.taken_apart += count(bodies.len());
            return Handled::Done;
        }
        self.summary.unavailable += 1;
        Handled::Stopped
    }

    async fn deliver_alert(&mut self, alert: &Alert) -> Handled {
        match self.queue.channel {
            Channel::Respond => self.respond(alert).await,
            Channel::PagerDuty => self.send(|access, _| request::pagerduty(access, alert)).await,
            _ => self.send(|access, now_ms| request::webhook(access, alert, now_ms)).await,
        }
    }

    async fn tell_people(&mut self, document: &Document) -> Handled {
        match self.queue.channel {
            Channel::Teams => self.send(|access, _| request::teams(access, document)).await,
            _ => self.send(|access, _| request::slack(access, document)).await,
        }
    }

    async fn respond(&mut self, alert: &Alert) -> Handled {
        let id = alert.fields.id();
        let start = self.notifier.responder.start(&id, &alert.json);
        match self.invocation.within(&self.notifier.clock, BEGIN_RESERVE_MS, start).await {
            Some(Ok(_)) => {
                self.summary.delivered += 1;
                Handled::Done
            }
            Some(Err(_)) => {
                self.summary.unavailable += 1;
                Handled::Stopped
            }
            None => self.out_of_time(),
        }
    }

    /// Sends a request until the receiver takes or refuses it. A wait that the receiver asks for is waited out here if there is time:
    /// to leave at once would have Lambda fetch the whole backlog for nothing, and each message may be fetched only so often.
    async fn send(&mut self, request: impl Fn(Access, i64) -> Request) -> Handled {
        if !self.invocation.has_left(&self.notifier.clock, BEGIN_RESERVE_MS) {
            return self.out_of_time();
        }
        let Some(access) = self.access().await else { return Handled::Stopped };
        for _ in 1..ATTEMPTS_MAX {
            if !self.invocation.has_left(&self.notifier.clock, BEGIN_RESERVE_MS) {
                return self.out_of_time();
            }
            let attempted = self.attempt(&request, &access).await;
            let Attempt::Unavailable { retry_after_seconds: Some(seconds) } = attempted else {
                return self.settle(attempted, &access);
            };
            let seconds = seconds.max(WAIT_SECONDS_MIN);
            self.hold(seconds);
            if !self.wait(i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX)).await {
                return self.unavailable();
            }
        }
        let attempted = self.attempt(&request, &access).await;
        self.settle(attempted, &access)
    }

    async fn attempt(&self, request: &impl Fn(Access, i64) -> Request, access: &Access) -> Attempt {
        let request = request(access.clone(), self.notifier.clock.now_ms());
        Attempt::of(self.notifier.receiver.post(&request).await)
    }

    /// Waits, but not into the time that a request needs. Returns whether the wait is over.
    async fn wait(&self, milliseconds: i64) -> bool {
        let left_ms = self.invocation.left_ms(&self.notifier.clock).saturating_sub(BEGIN_RESERVE_MS);
        let waited_ms = milliseconds.min(left_ms).max(0);
        tokio::time::sleep(Duration::from_millis(waited_ms.unsigned_abs())).await;
        waited_ms == milliseconds
    }

    /// The channel's part of the secret, unless the receiver is to be left alone for longer than there is time.
    async fn access(&mut self) -> Option<Access> {
        let access = self.usable_access().await?;
        let (channel, now_ms) = (self.queue.channel, self.notifier.clock.now_ms());
        let held = lock(&self.notifier.holds).held(channel, &access, now_ms);
        match held {
            None => return Some(access),
            Some(Held::ForMs(milliseconds)) if self.wait(milliseconds).await => return Some(access),
            Some(Held::ForMs(_)) => {}
            Some(Held::Gone) => self.gone(),
        }
        self.summary.held += 1;
        None
    }

    async fn usable_access(&mut self) -> Option<Access> {
        let channel = self.queue.channel;
        let Some(secret) = self.notifier.secret().await else { return self.without_secret() };
        match Access::read(&secret, channel, self.notifier.guard) {
            Ok(access) => Some(access),
            Err(error) => {
                let channel = channel.as_str();
                tracing::warn!(channel, error = %chain(&error), "The secret has no usable part for a channel.");
                self.without_secret()
            }
        }
    }

    fn without_secret(&mut self) -> Option<Access> {
        self.forget_secret();
        self.summary.secret_unusable += 1;
        None
    }

    fn settle(&mut self, attempted: Attempt, access: &Access) -> Handled {
        let (channel, now_ms) = (self.queue.channel, self.notifier.clock.now_ms());
        match attempted {
            Attempt::Delivered => {
                self.is_suspect = false;
                self.summary.delivered += 1;
                Handled::Done
            }
            // One message may be what the receiver stumbles over; after two in a row it is the receiver.
            Attempt::Faulty if !self.is_suspect => {
                self.is_suspect = true;
                self.summary.unavailable += 1;
                Handled::Failed
            }
            Attempt::Faulty => {
                self.hold(PAUSE_SECONDS);
                self.unavailable()
            }
            Attempt::Refused { status } => {
                tracing::warn!(channel = channel.as_str(), http.status = status, "A receiver refuses a message.");
                self.summary.refused += 1;
                self.forget_secret();
                Handled::Failed
            }
            Attempt::Unavailable { retry_after_seconds } => {
                self.hold(retry_after_seconds.unwrap_or(PAUSE_SECONDS));
                self.unavailable()
            }
            Attempt::Gone => {
                lock(&self.notifier.holds).gone(channel, access.clone(), now_ms);
                self.gone();
                Handled::Stopped
            }
        }
    }

    fn hold(&self, seconds: u64) {
        lock(&self.notifier.holds).wait(self.queue.channel, self.notifier.clock.now_ms(), seconds);
    }

    fn unavailable(&mut self) -> Handled {
        self.summary.unavailable += 1;
        self.forget_secret();
        Handled::Stopped
    }

    /// The next batch reads it again: somebody may have changed it.
    fn forget_secret(&self) {
        *lock(&self.notifier.secret) = None;
    }

    fn gone(&mut self) {
        tracing::warn!(
            channel = self.queue.channel.as_str(),
            "A receiver is gone for good: its address has to be replaced."
        );
        self.forget_secret();
        self.summary.gone += 1;
    }

    fn out_of_time(&mut self) -> Handled {
        self.summary.held += 1;
        Handled::Stopped
    }
}
