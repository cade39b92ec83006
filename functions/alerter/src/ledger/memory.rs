//! The ledger in memory, with faults on demand.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use lambda_kit::{Fault, Faults};

use super::{Claim, Lease, Ledger, LedgerError};

/// A ledger in memory.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    /// Faults of the next claims.
    pub claim_faults: Faults,
    /// Faults of the next completions.
    pub complete_faults: Faults,
    entries: Mutex<BTreeMap<String, Entry>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    Claimed(Holder),
    Published(Holder),
    Completed,
}

/// Who has a claim; nobody once it has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Holder {
    owner: Option<String>,
    until_ms: i64,
}

impl Holder {
    fn of(lease: Lease<'_>) -> Self {
        Self { owner: Some(lease.owner.to_owned()), until_ms: lease.until_ms }
    }

    fn is(&self, lease: Lease<'_>) -> bool {
        self.owner.as_deref() == Some(lease.owner)
    }

    fn is_free_for(&self, lease: Lease<'_>) -> bool {
        self.until_ms < lease.now_ms || self.is(lease)
    }
}

impl MemoryLedger {
    /// Ids that are completed.
    #[must_use]
    pub fn completed(&self) -> Vec<String> {
        self.locked(|entries| {
            entries.iter().filter(|(_, entry)| **entry == Entry::Completed).map(|(id, _)| id.clone()).collect()
        })
    }

    fn entry(&self, id: &str) -> Option<Entry> {
        self.locked(|entries| entries.get(id).cloned())
    }

    fn locked<T>(&self, action: impl FnOnce(&mut BTreeMap<String, Entry>) -> T) -> T {
        action(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, id: &str, entry: Entry, fault: Fault, action: &'static str) -> Result<(), LedgerError> {
        if fault != Fault::Refused {
            self.locked(|entries| entries.insert(id.to_owned(), entry));
        }
        if fault == Fault::None { Ok(()) } else { Err(injected(action)) }
    }
}

fn injected(action: &'static str) -> LedgerError {
    LedgerError::new(action, "injected fault")
}

impl Ledger for MemoryLedger {
    async fn claim(&self, id: &str, lease: Lease<'_>) -> Result<Claim, LedgerError> {
        let (claim, entry) = match self.entry(id) {
            Some(Entry::Completed) => return Ok(Claim::Completed),
            Some(Entry::Claimed(holder) | Entry::Published(holder)) if !holder.is_free_for(lease) => {
                return Ok(Claim::Held);
            }
            Some(Entry::Published(_)) => (Claim::GrantedPublished, Entry::Published(Holder::of(lease))),
            None | Some(Entry::Claimed(_)) => (Claim::Granted, Entry::Claimed(Holder::of(lease))),
        };
        self.set(id, entry, self.claim_faults.next(), "claim")?;
        Ok(claim)
    }

    async fn mark_published(&self, id: &str, lease: Lease<'_>) -> Result<(), LedgerError> {
        match self.entry(id) {
            Some(Entry::Claimed(holder) | Entry::Published(holder)) if holder.is(lease) => {
                let ended = Holder { owner: None, until_ms: lease.now_ms - 1 };
                self.set(id, Entry::Published(ended), Fault::None, "mark as published")
            }
            _ => Ok(()),
        }
    }

    async fn complete(&self, id: &str, _lease: Lease<'_>) -> Result<(), LedgerError> {
        self.set(id, Entry::Completed, self.complete_faults.next(), "complete")
    }
}
