//! Port: who takes a request.

pub mod https;
#[cfg(feature = "test-doubles")]
pub mod memory;
mod resolver;

pub use https::HttpsReceiver;
#[cfg(feature = "test-doubles")]
pub use memory::MemoryReceiver;

use crate::request::Request;

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// HTTP's status.
    pub status: u16,
    /// How long the receiver wants to be left alone, in seconds.
    pub retry_after_seconds: Option<u64>,
}

/// Nothing came back that could be read. The reason is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the receiver did not answer")]
pub struct NoAnswer;

/// What the handler needs of the world outside.
#[expect(async_fn_in_trait, reason = "one invocation at a time on one thread: its futures need not be Send")]
pub trait Receiver {
    /// Sends a request once. Without an answer, it may have arrived.
    async fn post(&self, request: &Request) -> Result<Answer, NoAnswer>;
}
