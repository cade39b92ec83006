//! The function that a mapping calls.

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invoked {
    /// The function answered with this payload.
    Responded(String),
    /// The function failed: an error, a panic, a time-out.
    Failed(String),
    /// The function was not reached: throttled, or the service failed. Costs no retry.
    NotInvoked(String),
}

/// Calls a function synchronously.
#[expect(async_fn_in_trait, reason = "a mapping is driven on one thread: its futures need not be Send")]
pub trait Invoke {
    /// Hands an event, as JSON, to the function.
    async fn invoke(&self, event: &str) -> Invoked;
}
