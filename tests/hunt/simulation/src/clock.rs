//! The schedule's time: tokio's paused clock, which jumps to the next timer when nothing else can run.

use lambda_kit::Clock;
use tokio::time::Instant;

/// Start of every schedule, in ms since the epoch.
const START_MS: i64 = 1_760_000_100_000;

/// A clock that may be off by a fixed amount: a container's clock differs from the platform's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SimulatedClock {
    start: Instant,
    skew_ms: i64,
}

impl SimulatedClock {
    /// A clock that shows the start. Needs a runtime whose time is paused.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now(), skew_ms: 0 }
    }

    /// The same clock, `skew_ms` ahead.
    pub(crate) const fn skewed(self, skew_ms: i64) -> Self {
        Self { skew_ms, ..self }
    }

    /// Time since the start.
    pub(crate) fn elapsed_ms(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

impl Clock for SimulatedClock {
    fn now_ms(&self) -> i64 {
        START_MS + self.elapsed_ms() + self.skew_ms
    }
}
