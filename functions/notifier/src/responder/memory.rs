//! Responses in memory, with faults on demand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use lambda_kit::{Fault, Faults};

use super::{NotStarted, Responder, Started};

/// Keeps what was started. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryResponder {
    /// Faults of the next starts.
    pub faults: Arc<Faults>,
    started: Arc<Mutex<BTreeMap<String, String>>>,
}

impl MemoryResponder {
    /// The documents by alert id.
    #[must_use]
    pub fn started(&self) -> BTreeMap<String, String> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn insert(&self, id: &str, document: &str) -> Started {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        if started.contains_key(id) {
            return Started::Before;
        }
        started.insert(id.to_owned(), document.to_owned());
        Started::Now
    }
}

impl Responder for MemoryResponder {
    async fn start(&self, id: &str, document: &str) -> Result<Started, NotStarted> {
        match self.faults.next() {
            Fault::Refused => Err(NotStarted),
            Fault::AppliedButFailed => {
                self.insert(id, document);
                Err(NotStarted)
            }
            Fault::None => Ok(self.insert(id, document)),
        }
    }
}
