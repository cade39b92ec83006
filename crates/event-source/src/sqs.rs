//! The SQS mapping. Delivery is unordered and at least once; each message succeeds or fails on its own.

mod event;
mod mapping;
mod memory;

use std::error::Error;

pub use event::event_json;
pub use mapping::{SqsMapping, SqsMappingSettings, Step};
pub use memory::MemorySqs;

/// One delivery of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The same for every delivery of the message.
    pub message_id: String,
    /// Names this delivery: deleting needs the newest one.
    pub receipt_handle: String,
    /// The body, as it was sent.
    pub body: String,
    /// Deliveries so far, this one included.
    pub receive_count: u32,
    /// When the message was sent, in ms since the epoch.
    pub sent_at_ms: i64,
}

/// The queue did not respond.
#[derive(Debug, thiserror::Error)]
#[error("the queue failed")]
pub struct QueueError(#[source] pub Box<dyn Error + Send + Sync>);

/// The queue operations that a mapping needs.
#[expect(async_fn_in_trait, reason = "a mapping is driven on one thread: its futures need not be Send")]
pub trait QueueSource {
    /// Receives up to `messages_max` visible messages and hides them for the queue's visibility time-out.
    ///
    /// # Errors
    /// [`QueueError`] if the queue does not respond.
    async fn receive(&self, messages_max: usize, now_ms: i64) -> Result<Vec<Received>, QueueError>;

    /// Deletes the message of a delivery. A stale receipt handle deletes nothing.
    ///
    /// # Errors
    /// [`QueueError`] if the queue does not respond.
    async fn delete(&self, receipt_handle: &str) -> Result<(), QueueError>;
}

/// Several owners can share a queue.
impl<Q: QueueSource> QueueSource for std::rc::Rc<Q> {
    async fn receive(&self, messages_max: usize, now_ms: i64) -> Result<Vec<Received>, QueueError> {
        self.as_ref().receive(messages_max, now_ms).await
    }

    async fn delete(&self, receipt_handle: &str) -> Result<(), QueueError> {
        self.as_ref().delete(receipt_handle).await
    }
}
