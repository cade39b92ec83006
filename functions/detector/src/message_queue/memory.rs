//! A queue in memory, with faults on demand.

use std::sync::{Arc, Mutex, PoisonError};

use lambda_kit::{Fault, Faults};

use super::MessageQueue;

/// Keeps what it is sent until it is taken. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryQueue {
    /// What messages meet, one by one.
    pub faults: Arc<Faults>,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl MemoryQueue {
    /// Takes all messages, in the order of their arrival.
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

impl MessageQueue for MemoryQueue {
    async fn send(&self, bodies: &[String]) -> Vec<bool> {
        bodies.iter().map(|body| self.send_one(body)).collect()
    }
}
