//! A topic in memory, with faults on demand.

use std::sync::{Arc, Mutex, PoisonError};

use lambda_kit::{Fault, Faults};

use super::Publisher;
use crate::publication::Publication;

/// Keeps publications until they are taken. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryPublisher {
    /// Faults of the next publications.
    pub faults: Arc<Faults>,
    published: Arc<Mutex<Vec<Publication>>>,
}

impl MemoryPublisher {
    /// Takes all publications so far, in order.
    #[must_use]
    pub fn take(&self) -> Vec<Publication> {
        std::mem::take(&mut *self.published.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn publish_one(&self, publication: &Publication) -> bool {
        let fault = self.faults.next();
        if fault != Fault::Refused {
            self.published.lock().unwrap_or_else(PoisonError::into_inner).push(publication.clone());
        }
        fault == Fault::None
    }
}

impl Publisher for MemoryPublisher {
    async fn publish(&self, publications: &[Publication]) -> Vec<bool> {
        publications.iter().map(|publication| self.publish_one(publication)).collect()
    }
}
