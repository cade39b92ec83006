use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// What happens to one call of an in-memory adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It succeeds.
    None,
    /// It fails and has no effect.
    Refused,
    /// It takes effect but fails: the response is lost.
    AppliedButFailed,
}

/// Faults for the next calls, one each. Once they are used up, calls succeed.
#[derive(Debug, Default)]
pub struct Faults(Mutex<VecDeque<Fault>>);

impl Faults {
    /// Adds faults for the calls after those already planned.
    pub fn extend(&self, faults: impl IntoIterator<Item = Fault>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(faults);
    }

    /// Replaces the planned faults.
    pub fn replace(&self, faults: impl IntoIterator<Item = Fault>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = faults.into_iter().collect();
    }

    /// The fault of the current call.
    pub fn next(&self) -> Fault {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front().unwrap_or(Fault::None)
    }
}
