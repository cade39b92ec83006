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
    /// Batches of which nothing was delivered, by channel, where nothing had been delivered shortly before either.
    pub stuck: [u64; Channel::ALL.len()],
}

impl NotifierSummary {
    /// The operational metrics.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let counts = Counts::new("notifier")
            .with("Messages", self.messages)
            .with("Poison", self.poison)
            .with("Delivered", self.delivered)
            .with("TakenApart", self.taken_apart)
            .with("DeliveriesRefused", self.refused)
            .with("DeliveriesFailed", self.unavailable)
            .with("DeliveriesHeld", self.held)
            .with("ReceiverGone", self.gone)
            .with("SecretUnusable", self.secret_unusable);
        Channel::ALL
            .into_iter()
            .zip(self.stuck)
            .fold(counts, |counts, (channel, stuck)| counts.with(stuck_metric(channel), stuck))
    }

    /// Whether a batch had messages that failed and none that was delivered. To take messages apart delivers none.
    pub(crate) const fn is_without_delivery(&self) -> bool {
        let failed = self.unavailable + self.refused + self.held + self.gone + self.secret_unusable + self.poison;
        failed > 0 && self.delivered == 0
    }

    pub(crate) fn note_stuck(&mut self, channel: Channel) {
        for (known, stuck) in Channel::ALL.into_iter().zip(&mut self.stuck) {
            *stuck += u64::from(known == channel);
        }
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
            stuck = self.stuck.iter().sum::<u64>(),
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
        self.stuck.iter_mut().zip(other.stuck).for_each(|(stuck, more)| *stuck += more);
    }
}

/// A metric for each channel: its alarm has to name the channel.
const fn stuck_metric(channel: Channel) -> &'static str {
    match channel {
        Channel::Slack => "StuckSlack",
        Channel::PagerDuty => "StuckPagerDuty",
        Channel::Teams => "StuckTeams",
        Channel::Webhook => "StuckWebhook",
        Channel::Respond => "StuckRespond",
    }
}
