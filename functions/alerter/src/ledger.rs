//! Port: the table of the ledger, in three parts.
//!
//! [`Ledger`] has the alerts: an id is claimed under a lease, with the decision on it, then completed. A completed id is never alerted
//! again, and a decision is never made twice. [`PolicyStore`] has what decisions are made on. [`WaitingList`] has the alerts that wait
//! for the next summary.

pub mod dynamodb;
pub mod layout;
#[cfg(feature = "test-doubles")]
pub mod memory;
#[cfg(feature = "test-doubles")]
mod shared;

use std::collections::BTreeMap;
use std::error::Error;

use alert_policy::{Decision, Rank};

pub use dynamodb::DynamoDbLedger;
#[cfg(feature = "test-doubles")]
pub use memory::MemoryLedger;

/// The outcome of a claim. A granted claim has the decision that counts: that of the first claim, whose policy may have changed since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Ours: publish and count it.
    Granted(Decision),
    /// Ours: an earlier attempt published it but did not count it.
    GrantedPublished(Decision),
    /// Completed before.
    Completed,
    /// Another invocation has it, or had it and crashed. Its lease will run out.
    Held,
}

/// The ledger did not respond, or refused.
#[derive(Debug, thiserror::Error)]
#[error("the alert ledger failed to {action}")]
pub struct LedgerError {
    action: &'static str,
    #[source]
    source: Box<dyn Error + Send + Sync>,
}

impl LedgerError {
    /// `action` is what was tried, such as `claim`.
    pub fn new(action: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { action, source: source.into() }
    }
}

/// Who makes a claim, when, and when it ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease<'a> {
    /// The invocation. A claim that it makes again is granted again: the response to the first may be lost, and the SDK repeats the call.
    pub owner: &'a str,
    /// Now, in ms since the epoch.
    pub now_ms: i64,
    /// From this time on, another invocation can take over an unfinished claim.
    pub until_ms: i64,
    /// From this time on the entry can be forgotten, in seconds since the epoch.
    pub expires_at_seconds: i64,
}

/// An alert as the ledger keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its id.
    pub id: &'a str,
    /// The body of its message.
    pub body: &'a str,
    /// What was decided about it.
    pub decision: &'a Decision,
}

/// The end of an alert.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ending<'a> {
    /// The alert's id.
    pub id: &'a str,
    /// The decision in the end: a page that the budget refused waits for the summary.
    pub decision: &'a Decision,
    /// When SNS confirmed it, in ms since the epoch, if this attempt published it. The first such time is kept.
    pub published_at_ms: Option<i64>,
    /// Its place in the next summary, if it waits for that.
    pub rank: Option<Rank>,
}

/// The alerts.
#[expect(async_fn_in_trait, reason = "one invocation at a time on one thread: its futures need not be Send")]
pub trait Ledger {
    /// Claims an id, if it is absent, or the same owner's, or its lease has run out. The first claim's decision is kept.
    async fn claim(&self, entry: Entry<'_>, lease: Lease<'_>) -> Result<Claim, LedgerError>;

    /// Records that a claimed id is published, so that it is not published again, and ends the claim of this owner. Does nothing if
    /// that claim has ended: what was to be recorded is recorded, or another invocation has the id.
    async fn mark_published(&self, ending: Ending<'_>, lease: Lease<'_>) -> Result<(), LedgerError>;

    /// Ends the claim: published and counted. Does nothing if it is completed already.
    async fn complete(&self, ending: Ending<'_>, lease: Lease<'_>) -> Result<(), LedgerError>;
}

/// What decisions on a slice of alerts are made on, as it is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredPolicy {
    /// The policy, if there is one.
    pub policy: Option<String>,
    /// What is known of users; of a user that is not here, nothing.
    pub users: BTreeMap<String, StoredUser>,
    /// What was decided already, by alert.
    pub decided: BTreeMap<String, Decision>,
}

/// What is known of a user, as it is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredUser {
    /// What is listed for the user.
    pub entries: Option<String>,
    /// The user's alerts so far.
    pub history: Option<String>,
}

/// One of the pages of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageOfDay<'a> {
    /// The day in UTC, such as `2027-01-31`.
    pub day: &'a str,
    /// The alert that needs it. The same alert gets the same page again.
    pub id: &'a str,
    /// Pages that the day has.
    pub pages_max: u32,
    /// When the day's count can be forgotten, in seconds since the epoch.
    pub expires_at_seconds: i64,
}

/// What decisions are made on.
#[expect(async_fn_in_trait, reason = "one invocation at a time on one thread: its futures need not be Send")]
pub trait PolicyStore {
    /// Reads the policy, what is known of these users, and what was decided already about these alerts.
    async fn read(&self, user_ids: &[&str], alert_ids: &[&str]) -> Result<StoredPolicy, LedgerError>;

    /// Replaces a user's history.
    async fn write_history(&self, user_id: &str, history: &str, expires_at_seconds: i64) -> Result<(), LedgerError>;

    /// Takes one of the day's pages. Returns how many are taken then, or `None` if none was left.
    async fn take_page(&self, page: PageOfDay<'_>) -> Result<Option<u32>, LedgerError>;
}

/// An alert that waits for the next summary.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// Its id.
    pub id: String,
    /// Its place in the summary.
    pub rank: Rank,
}

/// An alert as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAlert {
    /// The body of its message.
    pub body: String,
    /// What was decided about it.
    pub decision: Decision,
}

/// Whose turn it is to make a summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Ours.
    Ours,
    /// Another invocation's, or it crashed and its lease will run out.
    Held,
    /// A summary was made just now.
    JustEnded,
}

/// The alerts that wait for the next summary.
#[expect(async_fn_in_trait, reason = "one invocation at a time on one thread: its futures need not be Send")]
pub trait WaitingList {
    /// Takes the turn to make a summary, if nobody has it.
    async fn begin_summary(&self, lease: Lease<'_>) -> Result<Turn, LedgerError>;

    /// The alerts that wait, at most about `limit`, the most urgent of each part of the list.
    async fn waiting(&self, limit: usize) -> Result<Vec<Waiting>, LedgerError>;

    /// Alerts by id; those that cannot be read are left out.
    async fn alerts(&self, ids: &[&str]) -> Result<BTreeMap<String, StoredAlert>, LedgerError>;

    /// Takes an alert off the list.
    async fn remove(&self, id: &str) -> Result<(), LedgerError>;

    /// Ends the turn. The next one can begin at `next_ms`, in ms since the epoch.
    async fn end_summary(&self, lease: Lease<'_>, next_ms: i64) -> Result<(), LedgerError>;
}

/// The whole table.
pub trait LedgerTable: Ledger + PolicyStore + WaitingList {}

impl<L: Ledger + PolicyStore + WaitingList> LedgerTable for L {}
