//! A flagged transaction on its way to the outputs.

use anomaly_core::{Assessment, Severity};

use super::summary::Flag;
use super::users::UserNumber;

/// As [`Flag`], without any text: cheap to make and to drop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flagged {
    pub(super) index: u64,
    pub(super) user: UserNumber,
    pub(super) event_time_ms: i64,
    pub(super) amount: f64,
    pub(super) label: Option<bool>,
    pub(super) assessment: Assessment,
    /// Of `recipe`: where the window begins and ends.
    pub(super) window: Option<(i64, i64)>,
}

impl Flagged {
    /// As it is written.
    pub(super) fn named(&self, user_id: &str, rule: Option<&str>) -> Flag {
        let Assessment { baseline, threshold, score, severity } = self.assessment;
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
            severity: severity.unwrap_or(Severity::Warning),
            rule: rule.map(str::to_owned),
            label: self.label,
            window_start: self.window.map(|(start, _)| start),
            window_end: self.window.map(|(_, end)| end),
        }
    }

    /// When it was known: at once, or at the end of its window.
    pub(super) fn known_ms(&self) -> i64 {
        self.window.map_or(self.event_time_ms, |(_, end)| end)
    }
}
