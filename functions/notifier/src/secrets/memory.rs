//! A secret in memory, which a test can change.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::{SecretStore, SecretUnavailable};

/// A secret in memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemorySecrets {
    text: Rc<RefCell<Option<String>>>,
    reads: Rc<Cell<u32>>,
}

impl MemorySecrets {
    /// Replaces the secret; `None` makes it unavailable.
    pub fn set(&self, text: Option<&str>) {
        *self.text.borrow_mut() = text.map(str::to_owned);
    }

    /// How often it was read.
    #[must_use]
    pub fn reads(&self) -> u32 {
        self.reads.get()
    }
}

impl SecretStore for MemorySecrets {
    async fn read(&self) -> Result<String, SecretUnavailable> {
        self.reads.set(self.reads.get() + 1);
        self.text.borrow().clone().ok_or(SecretUnavailable)
    }
}
