//! Port: where user state is kept between batches.

pub mod dynamodb;
#[cfg(feature = "test-doubles")]
pub mod memory;

use std::error::Error;
use std::sync::Arc;

use anomaly_core::codec::CodecError;
use anomaly_core::{AnomalyMessage, Rule, UserState};

pub use dynamodb::DynamoDbWindowStore;
#[cfg(feature = "test-doubles")]
pub use memory::MemoryWindowStore;

/// A stored user: one item. Its state is always written as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredUser {
    /// The state that the rule remembers.
    pub state: UserState,
    /// Anomalies that are decided but perhaps not sent yet.
    pub outbox: Vec<AnomalyMessage>,
    /// The version in the store; `None` if the store has no item. The first version of an item is its creation time in ms, so that
    /// an item that is deleted and created again never has the version of its predecessor.
    pub version: Option<u64>,
    /// When it was written, in ms since the epoch.
    pub updated_at_ms: i64,
    /// From this time on the state counts as absent, in seconds since the epoch.
    pub expires_at_seconds: i64,
}

impl StoredUser {
    /// A user without an item.
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

    /// The user as of now: an expired state starts over, even if DynamoDB, which deletes late, still has the item. Anomalies in the
    /// outbox are kept, since they still have to be sent.
    #[must_use]
    pub fn as_of(self, now_ms: i64, rule: &Rule) -> Self {
        if self.expires_at_seconds > now_ms / 1_000 {
            return self;
        }
        Self { state: UserState::new(rule), ..self }
    }
}

/// What the store has on a user.
#[derive(Debug, Clone, PartialEq)]
pub enum Loaded {
    /// No item.
    Absent,
    /// A readable item.
    Present(Box<StoredUser>),
    /// An item that cannot be read.
    Corrupt(CorruptItem),
}

/// Why an item cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CorruptItem {
    /// The state cannot be decoded.
    #[error("its state cannot be decoded")]
    State(#[from] CodecError),
    /// An attribute is missing, or does not have the type or form it is written with.
    #[error("its attribute {0} is missing or malformed")]
    Attribute(&'static str),
}

/// The store did not respond, or refused. Cloned for each user of a failed call.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the window store failed to {action}")]
pub struct StoreError {
    action: &'static str,
    #[source]
    source: Arc<dyn Error + Send + Sync>,
}

impl StoreError {
    /// `action` is what was tried: `read` or `write`.
    pub fn new(action: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { action, source: Arc::from(source.into()) }
    }
}

/// Why a commit did not happen, or may not have happened.
#[derive(Debug, Clone)]
pub enum CommitError {
    /// The item has another version: what the store has instead.
    Conflict(Loaded),
    /// It is not known whether the item was written.
    Failed(StoreError),
}

/// One user of several that are updated by one request. Neither the item in the store nor `user` has an outbox.
#[derive(Debug, Clone, Copy)]
pub struct Update<'u> {
    /// The key.
    pub user_id: &'u str,
    /// What the store is to have, with the new version.
    pub user: &'u StoredUser,
    /// The version that the store still has to have.
    pub replaced: u64,
}

/// What the commit protocol needs of a store.
#[expect(async_fn_in_trait, reason = "one invocation at a time on one thread: its futures need not be Send")]
pub trait WindowStore {
    /// Reads users; the results are in the order of `user_ids`. May be stale: a stale read loses the conditional write.
    async fn load(&self, user_ids: &[&str]) -> Vec<Result<Loaded, StoreError>>;

    /// Writes `user` if the store still has version `replaced` (`None`: no item).
    async fn commit(&self, user_id: &str, user: &StoredUser, replaced: Option<u64>) -> Result<(), CommitError>;

    /// Writes distinct users in one request, each by itself and as [`Self::commit`] does; the results are in the order of `updates`. Some
    /// may be written and others not. A user of whom it failed is worth a [`Self::commit`] of its own.
    async fn update(&self, updates: &[Update<'_>]) -> Vec<Result<(), CommitError>>;
}
