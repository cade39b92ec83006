//! Port: where alerts are published.

pub mod memory;
pub mod sns;

pub use memory::MemoryPublisher;
pub use sns::SnsPublisher;

use crate::publication::Publication;

/// What the handler needs of a publisher.
#[expect(async_fn_in_trait, reason = "one invocation at a time on one thread: its futures need not be Send")]
pub trait Publisher {
    /// Publishes, and answers, for each in order, whether it is confirmed. One that is not may have been published all the
    /// same.
    async fn publish(&self, publications: &[Publication]) -> Vec<bool>;
}
