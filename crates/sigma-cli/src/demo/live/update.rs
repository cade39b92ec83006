//! What the page is told.

use serde::Serialize;

use super::audit::Counts;
use super::charts::Series;
use super::phone::Phone;
use super::switches::Switches;
use super::told::Told;

/// What the page shows, or what is new on it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Update {
    /// Whether it is everything, for a page that has just opened.
    pub(super) is_whole: bool,
    /// Event time now, in ms since the epoch.
    pub(super) now: i64,
    pub(super) users: Vec<Series>,
    /// The newest last.
    pub(super) alerts: Vec<Told>,
    pub(super) phone: Phone,
    pub(super) counters: Counters,
    pub(super) switches: Switches,
}

/// What is always in sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counters {
    pub(super) transactions: u64,
    #[serde(flatten)]
    pub(super) alerts: Counts,
    /// Messages between detector and alerter.
    pub(super) waiting: usize,
    /// Repeated messages that were not published again.
    pub(super) suppressed: u64,
    /// Rejected records, each in quarantine.
    pub(super) quarantined: u64,
    /// Times that the alerter died.
    pub(super) deaths: u64,
}
