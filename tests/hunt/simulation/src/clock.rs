//! The schedule's time: tokio's paused clock, which jumps to the next timer when nothing else can run.

use lambda_kit::Clock;
use tokio::time::Instant;

/// When every schedule begins, in ms since the epoch.
const START_MS: i64 = 1_760_000_100_000;

/// A clock that may go wrong by a fixed amount: containers are not in step with the platform.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SimulatedClock {
    start: Instant,
    skew_ms: i64,
}

impl SimulatedClock {
    /// A clock that shows the beginning. Needs a runtime whose time is paused.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now(), skew_ms: 0 }
    }

    /// The same clock, so much ahead.
    pub(crate) const fn skewed(self, skew_ms: i64) -> Self {
        Self { skew_ms, ..self }
    }

    /// Since the beginning.
    pub(crate) fn elapsed_ms(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

impl Clock for SimulatedClock {
    fn now_ms(&self) -> i64 {
        START_MS + self.elapsed_ms() + self.skew_ms
    }
}
