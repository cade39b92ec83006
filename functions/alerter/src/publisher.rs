//! Port: where alerts are published.

#[cfg(feature = "test-doubles")]
pub mod memory;
pub mod sns;

#[cfg(feature = "test-doubles")]
pub use memory::MemoryPublisher;
pub use sns::SnsPublisher;

use crate::publication::Publication;

/// What the handler needs of a publisher.
#[expect(async_fn_in_trait, reason = "one invocation at a time on one thread: its futures need not be Send")]
pub trait Publisher {
    /// Publishes what fits one call. Returns, for each in order, whether it was confirmed. A publication that is not confirmed may still have been
    /// published.
    async fn publish(&self, publications: &[Publication]) -> Vec<bool>;
}
