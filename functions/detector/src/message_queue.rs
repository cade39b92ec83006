//! Port: a queue that accepts messages. The detector has two, one for anomalies and one for quarantine.
//!
//! To send to something other than SQS, write an adapter beside `sqs.rs` and name it in `main.rs`.

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
