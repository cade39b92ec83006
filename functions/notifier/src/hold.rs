//! Which channels are left alone, in the memory of one instance: until the time that a receiver named. One that says that it
//! is gone for good is left alone until its part of the secret changes, and is asked again every hour: somebody may have brought it back.
//!
//! Lost with the instance, which costs a request.

use std::collections::BTreeMap;

use crate::channel::Channel;
use crate::secrets::Access;

/// A receiver may ask to be left alone for this long at most; the queue's visibility time-out is shorter.
const SECONDS_MAX: u64 = 900;

/// A receiver that is gone is left alone for this long.
const GONE_MS: i64 = 3_600_000;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hold {
    UntilMs(i64),
    Gone(Access, i64),
}

/// A channel that has delivered nothing for this long, while messages wait, is stuck: the queues' visibility time-out.
const STUCK_MS: i64 = 300_000;

/// The channels that are left alone, and when each delivered last.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    holds: BTreeMap<Channel, Hold>,
    delivered_ms: BTreeMap<Channel, i64>,
}

/// Why a channel is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// For this long, in ms.
    ForMs(i64),
    /// The receiver is gone for good, until the secret names another.
    Gone,
}

impl Holds {
    pub(crate) fn delivered(&mut self, channel: Channel, now_ms: i64) {
        self.delivered_ms.insert(channel, now_ms);
    }

    /// Whether a channel that delivers nothing now has delivered nothing for a while.
    pub(crate) fn is_stuck(&self, channel: Channel, now_ms: i64) -> bool {
        self.delivered_ms.get(&channel).is_none_or(|last_ms| now_ms.saturating_sub(*last_ms) >= STUCK_MS)
    }

    pub(crate) fn wait(&mut self, channel: Channel, now_ms: i64, seconds: u64) {
        let milliseconds = i64::try_from(seconds.min(SECONDS_MAX).saturating_mul(1_000)).unwrap_or(i64::MAX);
        self.holds.insert(channel, Hold::UntilMs(now_ms.saturating_add(milliseconds)));
    }

    pub(crate) fn gone(&mut self, channel: Channel, access: Access, now_ms: i64) {
        self.holds.insert(channel, Hold::Gone(access, now_ms.saturating_add(GONE_MS)));
    }

    /// Whether a receiver is left alone now.
    pub(crate) fn held(&self, channel: Channel, access: &Access, now_ms: i64) -> Option<Held> {
        match self.holds.get(&channel)? {
            Hold::UntilMs(until_ms) if now_ms < *until_ms => Some(Held::ForMs(until_ms - now_ms)),
            Hold::Gone(gone, until_ms) if gone == access && now_ms < *until_ms => Some(Held::Gone),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Guard;

    fn access(path: &str) -> Access {
        let secret = format!(r#"{{"slack":{{"url":"https://example.com/{path}"}}}}"#);
        Access::read(&secret, Channel::Slack, Guard::On).unwrap()
    }

    #[test]
    fn a_hold_ends_with_its_time() {
        let mut holds = Holds::default();
        holds.wait(Channel::Slack, 1_000, 30);
        assert_eq!(holds.held(Channel::Slack, &access("a"), 30_999), Some(Held::ForMs(1)));
        assert_eq!(holds.held(Channel::Slack, &access("a"), 31_000), None);
        assert_eq!(holds.held(Channel::Teams, &access("a"), 1_000), None);
        holds.wait(Channel::Slack, 0, u64::MAX);
        assert_eq!(holds.held(Channel::Slack, &access("a"), 900_000), None);
    }

    #[test]
    fn a_farewell_ends_with_another_address_or_after_an_hour() {
        let mut holds = Holds::default();
        holds.gone(Channel::Slack, access("a"), 0);
        assert_eq!(holds.held(Channel::Slack, &access("a"), GONE_MS - 1), Some(Held::Gone));
        assert_eq!(holds.held(Channel::Slack, &access("b"), 0), None);
        assert_eq!(holds.held(Channel::Slack, &access("a"), GONE_MS), None);
    }
}
