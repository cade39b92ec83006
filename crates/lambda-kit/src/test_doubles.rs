//! Time and faults on demand, for the in-memory adapters, tests and local runs. Not in a deployed function.

mod clock;
mod fault;

pub use clock::ManualClock;
pub use fault::{Fault, Faults};
