//! One batch of one channel, in order. After the first failure that is the channel's, the rest is not tried: the queue redelivers it.
//!
//! What a receiver got and did not confirm is sent again, with the same id: a webhook's receiver and PagerDuty know it, Slack and Teams
//! show it twice. A response is started once, whatever happens here.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lambda_events::event::sqs::SqsBatchResponse;
use lambda_kit::sqs::{self, NotSqs, QueueMessage};
use lambda_kit::{Clock, Invocation, failures};
use message_queue::MessageQueue;

use crate::channel::Channel;
use crate::hold::Holds;
use crate::receiver::Receiver;
use crate::responder::Responder;
use crate::secrets::SecretStore;
use crate::summary::NotifierSummary;
use crate::target::Guard;

/// The secret is read again after this long: an address that was replaced may still answer.
const SECRET_MS: i64 = 300_000;

/// Why a whole batch fails.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The function's trigger is not an SQS queue.
    #[error(transparent)]
    NotSqs(#[from] NotSqs),
    /// No variable names the queue.
    #[error("the messages are from a queue that is no channel's: {0}")]
    UnknownQueue(String),
    /// A message failed that has no id to report.
    #[error("a message without an id failed; the whole batch has to be redelivered")]
    Unreportable,
}

/// The function's response, and what happened.
#[derive(Debug)]
pub struct Outcome {
    /// The channel of the batch.
    pub channel: Channel,
    /// For Lambda.
    pub response: SqsBatchResponse,
    /// For logs and metrics.
    pub summary: NotifierSummary,
}

/// The queue of a channel: its name, and how to send to it.
#[derive(Debug)]
pub struct ChannelQueue<Q> {
    /// The channel.
    pub channel: Channel,
    /// The last part of the queue's URL and of its ARN.
    pub name: String,
    /// The queue.
    pub queue: Q,
}

impl<Q> ChannelQueue<Q> {
    /// The queue at a URL, whose last part is its name.
    #[must_use]
    pub fn new(channel: Channel, url: &str, queue: Q) -> Self {
        Self { channel, name: url.rsplit('/').next().unwrap_or_default().to_owned(), queue }
    }
}

/// The handler over its ports: queues `Q`, receivers `R`, secrets `S`, response `X`, time `C`.
#[derive(Debug)]
pub struct Notifier<Q, R, S, X, C> {
    queues: Vec<ChannelQueue<Q>>,
    pub(crate) receiver: R,
    pub(crate) secrets: S,
    pub(crate) responder: X,
    pub(crate) clock: C,
    pub(crate) guard: Guard,
    /// The text of the secret and when it was read, until something fails or it is old.
    pub(crate) secret: Mutex<Option<(String, i64)>>,
    pub(crate) holds: Mutex<Holds>,
}

/// What becomes of one message.
pub(crate) enum Handled {
    /// The queue may forget it.
    Done,
    /// The queue has to redeliver it.
    Failed,
    /// The queue has to redeliver it and all that follow.
    Stopped,
}

/// One invocation, under way.
pub(crate) struct Run<'r, Q, R, S, X, C> {
    pub(crate) notifier: &'r Notifier<Q, R, S, X, C>,
    pub(crate) invocation: &'r Invocation,
    pub(crate) queue: &'r ChannelQueue<Q>,
    pub(crate) summary: NotifierSummary,
    /// Whether the receiver had a fault at the last message.
    pub(crate) is_suspect: bool,
}

impl<Q: MessageQueue, R: Receiver, S: SecretStore, X: Responder, C: Clock> Notifier<Q, R, S, X, C> {
    /// The handler over these ports.
    #[must_use]
    pub fn new(queues: Vec<ChannelQueue<Q>>, receiver: R, secrets: S, responder: X, clock: C, guard: Guard) -> Self {
        let (secret, holds) = (Mutex::default(), Mutex::default());
        Self { queues, receiver, secrets, responder, clock, guard, secret, holds }
    }

    /// Reads the secret, if a channel needs it. Without it the next batch tries again.
    pub async fn prepare(&self) {
        if self.queues.iter().any(|queue| queue.channel.needs_secret()) {
            let _told_in_the_log = self.secret().await;
        }
    }

    /// Handles one event, as JSON.
    ///
    /// # Errors
    /// [`HandlerError`] if SQS has to redeliver the whole batch.
    pub async fn handle(&self, event: &str, invocation: &Invocation) -> Result<Outcome, HandlerError> {
        let messages = sqs::parse(event)?;
        let queue = self.queue_of(event)?;
        let mut run = Run { notifier: self, invocation, queue, summary: NotifierSummary::default(), is_suspect: false };
        let failed = run.deliver_all(&messages).await;
        run.note_stuck();
        let failed: Option<Vec<String>> = failed.iter().map(|index| messages.get(*index)?.message_id.clone()).collect();
        let response = failures::sqs(failed.ok_or(HandlerError::Unreportable)?);
        Ok(Outcome { channel: queue.channel, response, summary: run.summary })
    }

    fn queue_of(&self, event: &str) -> Result<&ChannelQueue<Q>, HandlerError> {
        let arn = sqs::queue_arn(event).unwrap_or_default();
        let name = arn.rsplit(':').next().unwrap_or_default();
        self.queues.iter().find(|queue| queue.name == name).ok_or_else(|| HandlerError::UnknownQueue(arn.clone()))
    }

    pub(crate) async fn secret(&self) -> Option<String> {
        let now_ms = self.clock.now_ms();
        let known = lock(&self.secret).clone().filter(|(_, read_ms)| now_ms.saturating_sub(*read_ms) < SECRET_MS);
        if let Some((text, _)) = known {
            return Some(text);
        }
        let read = self.secrets.read().await.ok();
        *lock(&self.secret) = read.clone().map(|text| (text, now_ms));
        read
    }
}

impl<Q: MessageQueue, R: Receiver, S: SecretStore, X: Responder, C: Clock> Run<'_, Q, R, S, X, C> {
    fn note_stuck(&mut self) {
        let (channel, now_ms) = (self.queue.channel, self.notifier.clock.now_ms());
        if self.summary.delivered > 0 {
            lock(&self.notifier.holds).delivered(channel, now_ms);
        }
        if self.summary.is_without_delivery() && lock(&self.notifier.holds).is_stuck(channel, now_ms) {
            self.summary.note_stuck(channel);
        }
    }

    /// Returns the indices of the messages that SQS has to redeliver.
    async fn deliver_all(&mut self, messages: &[QueueMessage]) -> BTreeSet<usize> {
        self.summary.messages = count(messages.len());
        let mut failed = BTreeSet::new();
        for (index, message) in messages.iter().enumerate() {
            match self.deliver(message).await {
                Handled::Done => {}
                Handled::Failed => {
                    failed.insert(index);
                }
                Handled::Stopped => {
                    self.summary.held += count(messages.len() - index - 1);
                    failed.extend(index..messages.len());
                    break;
                }
            }
        }
        failed
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
