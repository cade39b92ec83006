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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    Claimed { until_ms: i64 },
    Published { until_ms: i64 },
    Completed,
}

impl MemoryLedger {
    /// Ids that are completed.
    #[must_use]
    pub fn completed(&self) -> Vec<String> {
        self.locked(|entries| {
            entries.iter().filter(|(_, entry)| **entry == Entry::Completed).map(|(id, _)| id.clone()).collect()
        })
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
    async fn claim(&self, id: &str, lease: Lease) -> Result<Claim, LedgerError> {
        let until_ms = lease.until_ms;
        let (claim, entry) = match self.locked(|entries| entries.get(id).copied()) {
            Some(Entry::Completed) => return Ok(Claim::Completed),
            Some(Entry::Claimed { until_ms } | Entry::Published { until_ms }) if until_ms >= lease.now_ms => {
                return Ok(Claim::Held);
            }
            Some(Entry::Published { .. }) => (Claim::GrantedPublished, Entry::Published { until_ms }),
            None | Some(Entry::Claimed { .. }) => (Claim::Granted, Entry::Claimed { until_ms }),
        };
        self.set(id, entry, self.claim_faults.next(), "claim")?;
        Ok(claim)
    }

    async fn mark_published(&self, id: &str, lease: Lease) -> Result<(), LedgerError> {
        match self.locked(|entries| entries.get(id).copied()) {
            Some(Entry::Claimed { until_ms } | Entry::Published { until_ms }) if until_ms == lease.until_ms => {
                self.set(id, Entry::Published { until_ms: lease.now_ms - 1 }, Fault::None, "mark as published")
            }
            _ => Ok(()),
        }
    }

    async fn complete(&self, id: &str, _lease: Lease) -> Result<(), LedgerError> {
        self.set(id, Entry::Completed, self.complete_faults.next(), "complete")
    }
}
