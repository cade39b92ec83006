//! Port: the ledger of alerts. An id is claimed under a lease, then completed. A completed id is never alerted again.

pub mod dynamodb;
#[cfg(feature = "test-doubles")]
pub mod memory;

use std::error::Error;

pub use dynamodb::DynamoDbLedger;
#[cfg(feature = "test-doubles")]
pub use memory::MemoryLedger;

/// The outcome of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Ours: publish and count it.
    Granted,
    /// Ours: an earlier attempt published it but did not count it.
    GrantedPublished,
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

/// What the handler needs of a ledger.
#[expect(async_fn_in_trait, reason = "one invocation at a time on one thread: its futures need not be Send")]
pub trait Ledger {
    /// Claims an id, if it is absent, or the same owner's, or its lease has run out.
    async fn claim(&self, id: &str, lease: Lease<'_>) -> Result<Claim, LedgerError>;

    /// Records that a claimed id is published, so that it is not published again, and ends the claim of this owner. Does nothing if
    /// that claim has ended: what was to be recorded is recorded, or another invocation has the id.
    async fn mark_published(&self, id: &str, lease: Lease<'_>) -> Result<(), LedgerError>;

    /// Ends the claim: published and counted.
    async fn complete(&self, id: &str, lease: Lease<'_>) -> Result<(), LedgerError>;
}
