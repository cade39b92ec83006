//! The SQS mapping: unordered, at least once, each message for itself.

mod event;
mod mapping;
mod memory;

use std::error::Error;

pub use event::event_json;
pub use mapping::{SqsMapping, SqsMappingSettings, Step};
pub use memory::MemorySqs;

/// A message as it is received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The same at every delivery.
    pub message_id: String,
    /// Of this delivery.
    pub receipt_handle: String,
    /// What was sent.
    pub body: String,
    /// Deliveries so far, this one included.
    pub receive_count: u32,
    /// When it was sent, in ms since the epoch.
    pub sent_at_ms: i64,
}

/// The queue did not respond.
#[derive(Debug, thiserror::Error)]
#[error("the queue failed")]
pub struct QueueError(#[source] pub Box<dyn Error + Send + Sync>);

/// What the mapping needs of a queue.
#[expect(async_fn_in_trait, reason = "a mapping is driven on one thread: its futures need not be Send")]
pub trait QueueSource {
    /// Receives up to `messages_max` visible messages and hides them for the queue's visibility time-out.
    async fn receive(&self, messages_max: usize, now_ms: i64) -> Result<Vec<Received>, QueueError>;

    /// Deletes a delivery. A receipt handle that is out of date deletes nothing.
    async fn delete(&self, receipt_handle: &str) -> Result<(), QueueError>;
}

/// A shared queue is a queue.
impl<Q: QueueSource> QueueSource for std::rc::Rc<Q> {
    async fn receive(&self, messages_max: usize, now_ms: i64) -> Result<Vec<Received>, QueueError> {
        self.as_ref().receive(messages_max, now_ms).await
    }

    async fn delete(&self, receipt_handle: &str) -> Result<(), QueueError> {
        self.as_ref().delete(receipt_handle).await
    }
}
