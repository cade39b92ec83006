//! What invokes the alerter: a batch of SQS messages, or the schedule of the summary.

use serde::Deserialize;

/// The input of the schedule, as the template has it.
pub const DIGEST_DUE: &str = r#"{"digest":"due"}"#;

/// An event of the alerter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A batch of messages; or something else, which is an error there.
    Messages,
    /// A summary is due.
    DigestDue,
}

#[derive(Deserialize)]
struct Scheduled<'a> {
    #[serde(borrow)]
    digest: &'a str,
}

impl Event {
    /// The kind of an event of Lambda's, from its JSON.
    #[must_use]
    pub fn of(event: &str) -> Self {
        match serde_json::from_str::<Scheduled<'_>>(event) {
            Ok(Scheduled { digest: "due" }) => Self::DigestDue,
            _ => Self::Messages,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_is_told_from_a_batch() {
        assert_eq!(Event::of(DIGEST_DUE), Event::DigestDue);
        for event in [r#"{"Records":[]}"#, r#"{"digest":1}"#, r#"{"digest":"x"}"#, "7", ""] {
            assert_eq!(Event::of(event), Event::Messages, "{event}");
        }
    }
}
