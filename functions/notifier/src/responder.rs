//! Port: what starts the response to an anomaly.

#[cfg(feature = "test-doubles")]
pub mod memory;
pub mod step_functions;

#[cfg(feature = "test-doubles")]
pub use memory::MemoryResponder;
pub use step_functions::StepFunctions;

/// What the handler needs of the response. A response is named by its alert, so a second start of one changes nothing.
#[expect(async_fn_in_trait, reason = "one invocation at a time on one thread: its futures need not be Send")]
pub trait Responder {
    /// Starts the response to the alert with this id and document.
    async fn start(&self, id: &str, document: &str) -> Result<Started, NotStarted>;
}

/// Whose start it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// Ours, or an earlier one of ours that still runs.
    Now,
    /// An earlier one, which has ended.
    Before,
}

/// It may or may not have been started; the next attempt finds out. The reason is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the response could not be started")]
pub struct NotStarted;
