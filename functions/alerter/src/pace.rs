//! The pace of publishing: SNS suspends an email subscription that gets more than ten messages a second, and deletes it after 48 hours.

use std::sync::atomic::{AtomicI64, Ordering};

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

    /// Takes a turn for messages that are published together at `now_ms`. Returns how long to wait for it, in ms. Each message counts
    /// as if it had a turn of its own, the last one that of the call: so no second has more of them than it may.
    pub(crate) fn take(&self, now_ms: i64, messages: usize) -> u64 {
        let more_ms = self.interval_ms.saturating_mul(i64::try_from(messages).unwrap_or(i64::MAX).saturating_sub(1));
        let turn_ms = self.next_ms.load(Ordering::Relaxed).saturating_add(more_ms).max(now_ms);
        let next_ms = turn_ms.saturating_add(more_ms).saturating_add(self.interval_ms);
        self.next_ms.store(next_ms, Ordering::Relaxed);
        u64::try_from(turn_ms.saturating_sub(now_ms)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_has_more_messages_than_it_may() {
        let pace = Pace::new(4);
        assert_eq!(pace.take(10_000, 4), 0, "after a pause at once");
        assert_eq!(pace.take(10_100, 1), 900, "a second after those");
        assert_eq!(pace.take(11_000, 4), 1_000, "a second after that");
        assert_eq!(pace.take(20_000, 1), 0);
    }
}
