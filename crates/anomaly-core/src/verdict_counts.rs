//! Verdicts, counted.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::{Severity, Verdict};

/// How many transactions got which verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictCounts {
    /// Folded in; too few observations to judge.
    pub warming_up: u64,
    /// Judged and usual.
    pub normal: u64,
    /// Anomalies beyond the threshold and below 5 s.
    pub warning: u64,
    /// Anomalies from 5 s.
    pub high: u64,
    /// Anomalies from 10 s.
    pub critical: u64,
    /// Applied before, or a producer's retry.
    pub duplicates: u64,
    /// Older than the window.
    pub late: u64,
}

impl VerdictCounts {
    /// Counts one verdict.
    pub const fn count(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::WarmingUp => self.warming_up += 1,
            Verdict::Normal(_) => self.normal += 1,
            Verdict::Anomaly(_, severity) => self.count_anomaly(*severity),
            Verdict::Duplicate => self.duplicates += 1,
            Verdict::Late => self.late += 1,
        }
    }

    /// Counts one anomaly.
    pub const fn count_anomaly(&mut self, severity: Severity) {
        match severity {
            Severity::Warning => self.warning += 1,
            Severity::High => self.high += 1,
            Severity::Critical => self.critical += 1,
        }
    }

    /// Anomalies of every severity.
    #[must_use]
    pub const fn anomalies(&self) -> u64 {
        self.warning + self.high + self.critical
    }
}

impl AddAssign for VerdictCounts {
    fn add_assign(&mut self, other: Self) {
        self.warming_up += other.warming_up;
        self.normal += other.normal;
        self.warning += other.warning;
        self.high += other.high;
        self.critical += other.critical;
        self.duplicates += other.duplicates;
        self.late += other.late;
    }
}
