//! A flagged transaction on its way to the outputs.

use anomaly_core::{Assessment, Severity};

use super::summary::Flag;
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
            window_start: self.window.map(|(start, _)| start),
            window_end: self.window.map(|(_, end)| end),
        }
    }

    /// When it became known, in ms of event time: at once, or at the end of its window.
    pub(crate) fn known_ms(&self) -> i64 {
        self.window.map_or(self.event_time_ms, |(_, end)| end)
    }
}
