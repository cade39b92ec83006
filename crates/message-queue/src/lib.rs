//! Port: a queue that accepts messages, and its adapters. The detector has one for anomalies and one for quarantine; the notifier has
//! one for each channel.
//!
//! To send to something other than SQS, write an adapter beside `sqs.rs` and name it in the function's `main.rs`.
//!
//! Deliberately absent: receiving. Lambda does that.

#[cfg(feature = "test-doubles")]
pub mod memory;
pub mod sqs;

#[cfg(feature = "test-doubles")]
pub use memory::MemoryMessageQueue;
pub use sqs::SqsQueue;

/// What the commit protocol needs of a queue: at-least-once acceptance, per message.
#[expect(async_fn_in_trait, reason = "one invocation at a time on one thread: its futures need not be Send")]
pub trait MessageQueue {
    /// Sends messages. Returns, for each in order, whether the queue confirmed it. A message that is not confirmed may still have
    /// been accepted.
    async fn send(&self, bodies: &[String]) -> Vec<bool>;
}
