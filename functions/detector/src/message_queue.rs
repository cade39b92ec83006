//! Port: a queue that takes messages. The detector has two, one for anomalies and one for quarantine.
//!
//! To send somewhere else than SQS, write an adapter beside `sqs.rs` and name it in `main.rs`.

pub mod memory;
pub mod sqs;

pub use memory::MemoryQueue;
pub use sqs::SqsQueue;

/// What the commit protocol needs of a queue: at-least-once acceptance, message by message.
#[expect(async_fn_in_trait, reason = "one invocation at a time on one thread: its futures need not be Send")]
pub trait MessageQueue {
    /// Sends messages and answers, for each in order, whether the queue has confirmed it. One that is not confirmed may have
    /// been taken all the same.
    async fn send(&self, bodies: &[String]) -> Vec<bool>;
}
