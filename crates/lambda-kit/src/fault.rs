//! Faults on demand for in-memory adapters: what a test or a simulation makes the world do.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It succeeds.
    None,
    /// It fails and has no effect.
    Refused,
    /// It takes effect, and fails all the same: the answer got lost.
    AppliedButFailed,
}

/// Faults for the calls to come; when they are used up, calls succeed.
#[derive(Debug, Default)]
pub struct Faults(Mutex<VecDeque<Fault>>);

impl Faults {
    /// Adds faults, one a call, in order.
    pub fn extend(&self, faults: impl IntoIterator<Item = Fault>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(faults);
    }

    /// The fault of the call that is being made.
    pub fn next(&self) -> Fault {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front().unwrap_or(Fault::None)
    }
}
