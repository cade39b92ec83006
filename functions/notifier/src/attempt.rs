//! What an answer means for a message, and for the others of its channel.

use crate::receiver::{Answer, NoAnswer};

/// What became of one attempt to deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// The receiver has it.
    Delivered,
    /// The receiver refuses this message. The next may be accepted.
    Refused {
        /// HTTP's status.
        status: u16,
    },
    /// The receiver has a fault, which may be this message's.
    Faulty,
    /// The receiver takes nothing at the moment.
    Unavailable {
        /// How long it wants to be left alone, in seconds.
        retry_after_seconds: Option<u64>,
    },
    /// The receiver says that it will never take anything again.
    Gone,
}

impl Attempt {
    /// Reads an answer. A redirect is a failure: following it would send the document somewhere that nobody configured.
    #[must_use]
    pub fn of(answered: Result<Answer, NoAnswer>) -> Self {
        let Ok(Answer { status, retry_after_seconds }) = answered else {
            return Self::Unavailable { retry_after_seconds: None };
        };
        match status {
            200..300 => Self::Delivered,
            // Slack returns it for an archived channel; Standard Webhooks defines it as a disabled endpoint.
            410 => Self::Gone,
            // What is wrong with this message alone. PagerDuty's 400 is of an event, Slack's of a payload.
            400 | 413 | 415 | 422 => Self::Refused { status },
            500..600 if retry_after_seconds.is_none() => Self::Faulty,
            _ => Self::Unavailable { retry_after_seconds },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_whose_fault_it_is() {
        let of = |status| Attempt::of(Ok(Answer { status, retry_after_seconds: Some(7) }));
        assert_eq!(of(204), Attempt::Delivered);
        assert_eq!(of(410), Attempt::Gone);
        assert_eq!(of(413), Attempt::Refused { status: 413 });
        for status in [301, 302, 308, 401, 403, 404, 429, 500, 502, 503, 504] {
            assert_eq!(of(status), Attempt::Unavailable { retry_after_seconds: Some(7) }, "{status}");
        }
        assert_eq!(Attempt::of(Ok(Answer { status: 500, retry_after_seconds: None })), Attempt::Faulty);
        let lost = Attempt::of(Err(NoAnswer));
        assert_eq!(lost, Attempt::Unavailable { retry_after_seconds: None });
    }
}
