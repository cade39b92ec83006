//! Which channels are left alone, in the memory of one instance: until the time that a receiver named, or until its address changes.
//!
//! Lost with the instance, which costs a request.

use std::collections::BTreeMap;

use crate::channel::Channel;
use crate::target::Target;

/// A receiver may ask to be left alone for this long at most; the queue's visibility time-out is shorter.
const SECONDS_MAX: u64 = 900;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hold {
    UntilMs(i64),
    Gone(Target),
}

/// The channels that are left alone.
#[derive(Debug, Default)]
pub(crate) struct Holds(BTreeMap<Channel, Hold>);

/// Why a channel is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// For a while.
    Waiting,
    /// The receiver is gone for good, until the secret names another.
    Gone,
}

impl Holds {
    pub(crate) fn wait(&mut self, channel: Channel, now_ms: i64, seconds: u64) {
        let milliseconds = i64::try_from(seconds.min(SECONDS_MAX).saturating_mul(1_000)).unwrap_or(i64::MAX);
        self.0.insert(channel, Hold::UntilMs(now_ms.saturating_add(milliseconds)));
    }

    pub(crate) fn gone(&mut self, channel: Channel, target: Target) {
        self.0.insert(channel, Hold::Gone(target));
    }

    /// Whether a receiver is left alone now.
    pub(crate) fn held(&self, channel: Channel, target: &Target, now_ms: i64) -> Option<Held> {
        match self.0.get(&channel)? {
            Hold::UntilMs(until_ms) => (now_ms < *until_ms).then_some(Held::Waiting),
            Hold::Gone(gone) => (gone == target).then_some(Held::Gone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Guard;

    #[test]
    fn a_hold_ends_with_its_time_and_a_farewell_with_its_address() {
        let target = |path: &str| Target::parse(&format!("https://example.com/{path}"), Guard::On).unwrap();
        let mut holds = Holds::default();
        holds.wait(Channel::Slack, 1_000, 30);
        assert_eq!(holds.held(Channel::Slack, &target("a"), 30_999), Some(Held::Waiting));
        assert_eq!(holds.held(Channel::Slack, &target("a"), 31_000), None);
        assert_eq!(holds.held(Channel::Teams, &target("a"), 1_000), None);
        holds.gone(Channel::Slack, target("a"));
        assert_eq!(holds.held(Channel::Slack, &target("a"), i64::MAX), Some(Held::Gone));
        assert_eq!(holds.held(Channel::Slack, &target("b"), 0), None);
        holds.wait(Channel::Slack, 0, u64::MAX);
        assert_eq!(holds.held(Channel::Slack, &target("a"), 900_000), None);
    }
}
