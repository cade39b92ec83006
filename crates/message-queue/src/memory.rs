//! A queue in memory, with faults on demand: for tests and local runs.

use std::sync::{Arc, Mutex, PoisonError};

use lambda_kit::{Fault, Faults};

use crate::MessageQueue;

/// Keeps messages until they are taken. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryMessageQueue {
    /// Faults of the next messages.
    pub faults: Arc<Faults>,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl MemoryMessageQueue {
    /// Takes all messages, in order of arrival.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.bodies.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn send_one(&self, body: &str) -> bool {
        let fault = self.faults.next();
        if fault != Fault::Refused {
            self.bodies.lock().unwrap_or_else(PoisonError::into_inner).push(body.to_owned());
        }
        fault == Fault::None
    }
}

impl MessageQueue for MemoryMessageQueue {
    async fn send(&self, bodies: &[String]) -> Vec<bool> {
        bodies.iter().map(|body| self.send_one(body)).collect()
    }
}
