//! AnomalyCount in memory, with faults on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use lambda_kit::{Fault, Faults};

use super::{MetricError, MetricSink, Tally};

/// A counter in memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemorySink {
    /// Faults of the next additions.
    pub faults: Arc<Faults>,
    sum: Arc<AtomicU32>,
    shadow: Arc<AtomicU32>,
}

impl MemorySink {
    /// AnomalyCount so far.
    #[must_use]
    pub fn sum(&self) -> u32 {
        self.sum.load(Ordering::Relaxed)
    }

    /// AnomalyCountShadow so far.
    #[must_use]
    pub fn shadow(&self) -> u32 {
        self.shadow.load(Ordering::Relaxed)
    }
}

impl MetricSink for MemorySink {
    async fn add(&self, tally: Tally) -> Result<(), MetricError> {
        let fault = self.faults.next();
        if fault != Fault::Refused {
            self.sum.fetch_add(tally.anomalies, Ordering::Relaxed);
            self.shadow.fetch_add(tally.shadow, Ordering::Relaxed);
        }
        if fault == Fault::None { Ok(()) } else { Err(MetricError("injected fault".into())) }
    }
}
