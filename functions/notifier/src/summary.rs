//! What happened in one invocation: counted once, logged once, emitted once.

use std::ops::AddAssign;

use lambda_kit::metrics::Counts;

use crate::channel::Channel;

/// The counts of one invocation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NotifierSummary {
    /// SQS messages in the batch.
    pub messages: u64,
    /// Messages that are not documents of the topic.
    pub poison: u64,
    /// Messages that a receiver has, or whose response is started.
    pub delivered: u64,
    /// Alerts that went back to the queue, one message each.
    pub taken_apart: u64,
    /// Messages of which a channel has no use: a summary, or an alert that is not urgent enough for a response.
    pub skipped: u64,
    /// Messages that a receiver refuses.
    pub refused: u64,
    /// Attempts that found no receiver, or one that takes nothing.
    pub unavailable: u64,
    /// Messages that were not tried after a failure, or for want of time.
    pub held: u64,
    /// Whether the receiver says that it is gone for good.
    pub gone: u64,
    /// Whether the secret, or the channel's part of it, could not be used.
    pub secret_unusable: u64,
}

impl NotifierSummary {
    /// The operational metrics.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts::new("notifier")
            .with("Messages", self.messages)
            .with("Poison", self.poison)
            .with("Delivered", self.delivered)
            .with("TakenApart", self.taken_apart)
            .with("DeliveriesRefused", self.refused)
            .with("DeliveriesFailed", self.unavailable)
            .with("DeliveriesHeld", self.held)
            .with("ReceiverGone", self.gone)
            .with("SecretUnusable", self.secret_unusable)
    }

    /// Writes the one log line of the invocation.
    pub fn log(&self, channel: Channel, request_id: &str, duration_ms: i64) {
        tracing::info!(
            request_id,
            duration_ms,
            channel = channel.as_str(),
            messages = self.messages,
            poison = self.poison,
            delivered = self.delivered,
            taken_apart = self.taken_apart,
            skipped = self.skipped,
            deliveries.refused = self.refused,
            deliveries.failed = self.unavailable,
            deliveries.held = self.held,
            receiver.gone = self.gone,
            secret.unusable = self.secret_unusable,
            "Delivered a batch of a channel."
        );
    }
}

/// Sums over several invocations.
impl AddAssign for NotifierSummary {
    fn add_assign(&mut self, other: Self) {
        self.messages += other.messages;
        self.poison += other.poison;
        self.delivered += other.delivered;
        self.taken_apart += other.taken_apart;
        self.skipped += other.skipped;
        self.refused += other.refused;
        self.unavailable += other.unavailable;
        self.held += other.held;
        self.gone += other.gone;
        self.secret_unusable += other.secret_unusable;
    }
}
