//! Port: where AnomalyCount is counted.

pub mod cloudwatch;
#[cfg(feature = "test-doubles")]
pub mod memory;

use std::error::Error;

pub use cloudwatch::CloudWatchSink;
#[cfg(feature = "test-doubles")]
pub use memory::MemorySink;

/// The metric was not accepted, or it is not known whether it was.
#[derive(Debug, thiserror::Error)]
#[error("AnomalyCount could not be put")]
pub struct MetricError(#[source] pub Box<dyn Error + Send + Sync>);

/// Anomalies to add: each alert counts once, told or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// For AnomalyCount.
    pub anomalies: u32,
    /// For AnomalyCountShadow: an alarm on AnomalyCount would tell people.
    pub shadow: u32,
}

/// What the handler needs of a metric.
#[expect(async_fn_in_trait, reason = "one invocation at a time on one thread: its futures need not be Send")]
pub trait MetricSink {
    /// Adds to AnomalyCount and AnomalyCountShadow: both or neither.
    async fn add(&self, tally: Tally) -> Result<(), MetricError>;
}
