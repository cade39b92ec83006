//! A flagged transaction on its way to the outputs.

use std::borrow::Cow;

use anomaly_core::{AnomalyMessage, Assessment, Origin, Position, RuleKind, Severity, Transaction};

use super::summary::Flag;
use super::track::SHARD;
use super::users::UserNumber;

/// A [`Flag`] without its strings: cheap to make and to drop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flagged {
    pub(crate) index: u64,
    pub(crate) user: UserNumber,
    pub(crate) event_time_ms: i64,
    pub(crate) amount: f64,
    pub(crate) label: Option<bool>,
    pub(crate) assessment: Assessment,
    pub(crate) severity: Severity,
    /// Only for `tumbling`: start and end of the window, in ms since the epoch.
    pub(crate) window: Option<(i64, i64)>,
}

impl Flagged {
    /// The flag with its strings, as it is written.
    pub(crate) fn named(&self, user_id: &str, rule: Option<&str>) -> Flag {
        let Assessment { baseline, threshold, score, .. } = self.assessment;
        Flag {
            index: self.index,
            user_id: user_id.to_owned(),
            timestamp: self.event_time_ms,
            amount: self.amount,
            count: baseline.count,
            mean: baseline.mean,
            stddev: baseline.stddev,
            threshold,
            score,
            severity: self.severity,
            rule: rule.map(str::to_owned),
            label: self.label,
            because: None,
            window_start: self.window.map(|(start, _)| start),
            window_end: self.window.map(|(_, end)| end),
        }
    }

    /// What is known of the transaction of an ended window: its user, amount and time.
    pub(crate) fn transaction<'a>(&self, user_id: &'a str) -> Transaction<'a> {
        Transaction {
            user_id: Cow::Borrowed(user_id),
            amount: self.amount,
            event_time_ms: self.event_time_ms,
            transaction_id: None,
            merchant_id: None,
        }
    }

    /// The message that the detector would send. `tumbling`, which it does not have, is taken for `plain`.
    pub(crate) fn message(
        &self,
        transaction: &Transaction<'_>,
        rule: Option<RuleKind>,
    ) -> anyhow::Result<AnomalyMessage> {
        let position = Position { sequence_number: self.index.to_string().parse()?, sub_sequence: 0 };
        let origin = Origin { stream: "", shard: &SHARD.parse()?, position };
        let verdict = (&self.assessment, self.severity);
        Ok(AnomalyMessage::new(&origin, transaction, verdict, rule.unwrap_or(RuleKind::Plain)))
    }

    /// When it became known, in ms of event time: at once, or at the end of its window.
    pub(crate) fn known_ms(&self) -> i64 {
        self.window.map_or(self.event_time_ms, |(_, end)| end)
    }
}
