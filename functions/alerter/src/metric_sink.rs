//! Port: where AnomalyCount is counted.

pub mod cloudwatch;
pub mod memory;

pub use cloudwatch::CloudWatchSink;
pub use memory::MemorySink;

/// The metric was not taken, or not known to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("AnomalyCount could not be put: {0}")]
pub struct MetricError(pub String);

/// What the handler needs of a metric.
#[expect(async_fn_in_trait, reason = "one invocation at a time on one thread: its futures need not be Send")]
pub trait MetricSink {
    /// Adds to AnomalyCount.
    async fn add(&self, anomalies: u32) -> Result<(), MetricError>;
}
