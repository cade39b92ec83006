//! User state in memory, with the store's semantics and faults on demand: for tests and simulations.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use lambda_kit::{Fault, Faults};

use super::{CommitError, Loaded, StoreError, StoredUser, Update, WindowStore};

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryWindowStore {
    /// Faults of the next reads, one a user.
    pub load_faults: Faults,
    /// Faults of the next commits.
    pub commit_faults: Faults,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    users: BTreeMap<String, Loaded>,
    loads: usize,
    commits: usize,
}

impl MemoryWindowStore {
    /// Replaces what the store has on a user.
    pub fn put(&self, user_id: &str, loaded: Loaded) {
        self.locked(|inner| inner.users.insert(user_id.to_owned(), loaded));
    }

    /// What the store has on a user.
    #[must_use]
    pub fn get(&self, user_id: &str) -> Loaded {
        self.locked(|inner| inner.held(user_id))
    }

    /// Users read so far.
    #[must_use]
    pub fn loads(&self) -> usize {
        self.locked(|inner| inner.loads)
    }

    /// Commits tried so far.
    #[must_use]
    pub fn commits(&self) -> usize {
        self.locked(|inner| inner.commits)
    }

    fn locked<T>(&self, action: impl FnOnce(&mut Inner) -> T) -> T {
        action(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    fn held(&self, user_id: &str) -> Loaded {
        self.users.get(user_id).cloned().unwrap_or(Loaded::Absent)
    }

    fn load(&mut self, user_id: &str, fault: Fault) -> Result<Loaded, StoreError> {
        self.loads += 1;
        match fault {
            Fault::None => Ok(self.held(user_id)),
            Fault::Refused | Fault::AppliedButFailed => Err(injected("read")),
        }
    }

    fn commit(
        &mut self,
        user_id: &str,
        user: &StoredUser,
        replaced: Option<u64>,
        fault: Fault,
    ) -> Result<(), CommitError> {
        self.commits += 1;
        if fault == Fault::Refused {
            return Err(CommitError::Failed(injected("write")));
        }
        let held = self.held(user_id);
        let matches = match &held {
            Loaded::Absent => replaced.is_none(),
            Loaded::Present(stored) => stored.version == replaced,
            Loaded::Corrupt(_) => false,
        };
        if !matches {
            return Err(CommitError::Conflict(held));
        }
        self.users.insert(user_id.to_owned(), Loaded::Present(Box::new(user.clone())));
        if fault == Fault::AppliedButFailed { Err(CommitError::Failed(injected("write"))) } else { Ok(()) }
    }

    /// Leaves an outbox that the item has.
    fn update(&mut self, Update { user_id, user, replaced }: Update<'_>, fault: Fault) -> Result<(), CommitError> {
        let outbox = match self.held(user_id) {
            Loaded::Present(held) => held.outbox,
            Loaded::Absent | Loaded::Corrupt(_) => Vec::new(),
        };
        self.commit(user_id, &StoredUser { outbox, ..user.clone() }, Some(replaced), fault)
    }
}

fn injected(action: &'static str) -> StoreError {
    StoreError::new(action, "injected fault")
}

impl WindowStore for MemoryWindowStore {
    async fn load(&self, user_ids: &[&str]) -> Vec<Result<Loaded, StoreError>> {
        self.locked(|inner| user_ids.iter().map(|user_id| inner.load(user_id, self.load_faults.next())).collect())
    }

    async fn commit(&self, user_id: &str, user: &StoredUser, replaced: Option<u64>) -> Result<(), CommitError> {
        self.locked(|inner| inner.commit(user_id, user, replaced, self.commit_faults.next()))
    }

    async fn update(&self, updates: &[Update<'_>]) -> Vec<Result<(), CommitError>> {
        self.locked(|inner| updates.iter().map(|one| inner.update(*one, self.commit_faults.next())).collect())
    }
}
