//! Port: what has been alerted. An id is claimed under a lease, then completed; a completed one is never alerted again.

pub mod dynamodb;
pub mod memory;

pub use dynamodb::DynamoDbLedger;
pub use memory::MemoryLedger;

/// The answer to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Ours, to publish and count.
    Granted,
    /// Ours, published by an earlier attempt and not counted yet.
    GrantedPublished,
    /// Done before.
    Completed,
    /// Somebody else is at it, or was and crashed; the lease will run out.
    Held,
}

/// The ledger did not answer, or refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the alert ledger failed to {action}: {reason}")]
pub struct LedgerError {
    /// What was tried.
    pub action: &'static str,
    /// What the ledger said.
    pub reason: String,
}

/// When a claim is made, and when it ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Now, in ms since the epoch.
    pub now_ms: i64,
    /// An unfinished claim can be taken over from then on.
    pub until_ms: i64,
    /// The entry can be forgotten from then on, in seconds since the epoch.
    pub expires_at_seconds: i64,
}

/// What the handler needs of a ledger.
#[expect(async_fn_in_trait, reason = "one invocation at a time on one thread: its futures need not be Send")]
pub trait Ledger {
    /// Claims an id, if it is absent or its lease has run out.
    async fn claim(&self, id: &str, lease: Lease) -> Result<Claim, LedgerError>;

    /// Notes that a claimed id is published, so that nobody publishes it again.
    async fn mark_published(&self, id: &str, lease: Lease) -> Result<(), LedgerError>;

    /// Ends the claim: published and counted.
    async fn complete(&self, id: &str, lease: Lease) -> Result<(), LedgerError>;
}
