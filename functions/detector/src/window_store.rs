//! Port: where user state is kept between batches.

pub mod dynamodb;
pub mod memory;

use anomaly_core::codec::CodecError;
use anomaly_core::{AnomalyMessage, Rule, UserState};

pub use dynamodb::DynamoDbWindowStore;
pub use memory::MemoryWindowStore;

/// A user as stored: one item, written as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredUser {
    /// What the rule remembers.
    pub state: UserState,
    /// Anomalies that are decided and perhaps not sent yet.
    pub outbox: Vec<AnomalyMessage>,
    /// The version in the store; `None` if the store has no item. The first version of an item is the time of its making in
    /// ms, so that an item that was deleted and made anew never meets an old version of itself.
    pub version: Option<u64>,
    /// When it was written, in ms since the epoch.
    pub updated_at_ms: i64,
    /// From then on it counts as absent, in seconds since the epoch.
    pub expires_at_seconds: i64,
}

impl StoredUser {
    /// A user of whom nothing is stored.
    #[must_use]
    pub fn absent(rule: &Rule) -> Self {
        Self {
            state: UserState::new(rule),
            outbox: Vec::new(),
            version: None,
            updated_at_ms: 0,
            expires_at_seconds: i64::MAX,
        }
    }

    /// The user as of now: an expired state is no state, though the item is still there (DynamoDB deletes late). What it had
    /// not sent yet stays to be sent.
    #[must_use]
    pub fn as_of(self, now_ms: i64, rule: &Rule) -> Self {
        if self.expires_at_seconds > now_ms / 1_000 {
            return self;
        }
        Self { state: UserState::new(rule), ..self }
    }
}

/// What the store holds of a user.
#[derive(Debug, Clone, PartialEq)]
pub enum Loaded {
    /// Nothing.
    Absent,
    /// A readable item.
    Present(Box<StoredUser>),
    /// An item that cannot be read.
    Corrupt(CorruptItem),
}

/// What is wrong with an item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CorruptItem {
    /// The state cannot be decoded.
    #[error("its state cannot be decoded")]
    State(#[from] CodecError),
    /// An attribute is missing or has another type or form than it is written with.
    #[error("its attribute {0} is missing or malformed")]
    Attribute(&'static str),
}

/// The store did not answer, or refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the window store failed to {action}: {reason}")]
pub struct StoreError {
    /// What was tried.
    pub action: &'static str,
    /// What the store said.
    pub reason: String,
}

/// Why a commit did not happen, or may not have happened.
#[derive(Debug, Clone, PartialEq)]
pub enum CommitError {
    /// The item has another version; this is what the store holds.
    Conflict(Loaded),
    /// Not known to be written.
    Failed(StoreError),
}

/// What the commit protocol needs of a store.
#[expect(async_fn_in_trait, reason = "one invocation at a time on one thread: its futures need not be Send")]
pub trait WindowStore {
    /// Reads users, in the order asked. May be stale: a stale read loses the conditional write.
    async fn load(&self, user_ids: &[&str]) -> Vec<Result<Loaded, StoreError>>;

    /// Writes a user as `version` if the store still holds `replaced` (`None`: no item).
    async fn commit(&self, user_id: &str, user: &StoredUser, replaced: Option<u64>) -> Result<(), CommitError>;
}
