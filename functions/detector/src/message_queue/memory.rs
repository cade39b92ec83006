//! A queue in memory, with faults on demand.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::MessageQueue;
use crate::window_store::memory::Fault;

/// Keeps what it is sent until it is taken. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryQueue(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    bodies: Vec<String>,
    faults: VecDeque<Fault>,
}

impl MemoryQueue {
    /// The next messages meet these faults, one a message, in order.
    pub fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.locked(|inner| inner.faults.extend(faults));
    }

    /// Takes all messages, in the order of their arrival.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        self.locked(|inner| std::mem::take(&mut inner.bodies))
    }

    fn locked<T>(&self, action: impl FnOnce(&mut Inner) -> T) -> T {
        action(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl MessageQueue for MemoryQueue {
    async fn send(&self, bodies: &[String]) -> Vec<bool> {
        self.locked(|inner| bodies.iter().map(|body| inner.send(body)).collect())
    }
}

impl Inner {
    fn send(&mut self, body: &str) -> bool {
        let fault = self.faults.pop_front().unwrap_or(Fault::None);
        if fault != Fault::Refused {
            self.bodies.push(body.to_owned());
        }
        fault == Fault::None
    }
}
