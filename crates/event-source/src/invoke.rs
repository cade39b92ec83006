//! The function that a mapping calls.

/// The outcome of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invoked {
    /// The function returned this payload.
    Responded(String),
    /// The function failed, for this reason: an error, a panic, a time-out.
    Failed(String),
    /// The function did not run, for this reason: the call was throttled, or the service failed. Costs no retry.
    NotInvoked(String),
}

/// Calls a function synchronously.
#[expect(async_fn_in_trait, reason = "a mapping is driven on one thread: its futures need not be Send")]
pub trait Invoke {
    /// Calls the function with an event, as JSON.
    async fn invoke(&self, event: &str) -> Invoked;
}
