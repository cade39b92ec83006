//! The pace of publishing: SNS suspends an email subscription that gets more than ten messages a second, and deletes it after 48 hours.

use std::sync::atomic::{AtomicI64, Ordering};

/// SNS messages of one PublishBatch. SNS allows ten; with four in a second, two instances of the alerter stay below the ten messages a
/// second at which SNS suspends an email subscription.
pub(crate) const MESSAGES_TOGETHER_MAX: usize = 4;

/// Keeps publications apart, over all batches of one instance.
#[derive(Debug)]
pub(crate) struct Pace {
    interval_ms: i64,
    /// When the next message may be published, in ms since the epoch.
    next_ms: AtomicI64,
}

impl Pace {
    /// At most this many messages a second, and at least one.
    pub(crate) fn new(per_second_max: u32) -> Self {
        Self { interval_ms: 1_000 / i64::from(per_second_max.max(1)), next_ms: AtomicI64::new(0) }
    }

    /// How long messages that are published together have to wait, in ms. Each counts as if it had a turn of its own, the last one that of
    /// the call: so no second has more of them than it may.
    pub(crate) fn wait_ms(&self, now_ms: i64, messages: usize) -> i64 {
        let more_ms = self.more_ms(messages);
        let turn_ms = self.next_ms.load(Ordering::Relaxed).saturating_add(more_ms);
        // Never longer than after the largest call: the clock may have been set back.
        let longest_ms = self.more_ms(MESSAGES_TOGETHER_MAX).saturating_add(self.interval_ms).saturating_add(more_ms);
        turn_ms.saturating_sub(now_ms).clamp(0, longest_ms)
    }

    /// Notes that messages are published at `now_ms`.
    pub(crate) fn take(&self, now_ms: i64, messages: usize) {
        let next_ms = now_ms.saturating_add(self.more_ms(messages)).saturating_add(self.interval_ms);
        self.next_ms.store(next_ms, Ordering::Relaxed);
    }

    /// How many messages can be published in this time, in calls of any size.
    pub(crate) fn messages_in(&self, ms: i64) -> usize {
        usize::try_from(ms / self.interval_ms.saturating_mul(2).max(1)).unwrap_or_default()
    }

    /// Turns of the messages of a call after its first one, in ms.
    fn more_ms(&self, messages: usize) -> i64 {
        self.interval_ms.saturating_mul(i64::try_from(messages).unwrap_or(i64::MAX).saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_has_more_messages_than_it_may() {
        let pace = Pace::new(4);
        assert_eq!(pace.wait_ms(10_000, 4), 0, "after a pause at once");
        pace.take(10_000, 4);
        assert_eq!(pace.wait_ms(10_100, 1), 900, "a second after those");
        pace.take(11_000, 1);
        assert_eq!(pace.wait_ms(11_000, 4), 1_000, "a second after that");
        assert_eq!(pace.wait_ms(20_000, 1), 0);
        assert_eq!(pace.wait_ms(1_000, 1), 1_000, "a clock that was set back");
    }
}
