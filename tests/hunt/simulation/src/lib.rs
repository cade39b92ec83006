//! A deterministic simulation: one seed decides what producers put, which effect fails, and when a container dies. The handlers
//! and the mappings are the real ones; only the ports and time are simulated.
//!
//! While faults are on, any effect on the world may be refused, be late, take place and lose its response, or never respond; reads
//! may be stale; a container may die before or after any effect; a call whose caller stopped waiting runs on beside the next ones;
//! events are delivered twice and in any order; the policy changes in the middle of batches; deadlines are near; clocks differ; shards split and merge; batches are bisected
//! and, in some schedules, discarded. Then the faults stop, everything has to drain within a bounded number of steps, and the
//! result is compared with a plain fold of the same records (`promises`). What the topic took then goes through the channels, in the
//! same way (`channels`).
//!
//! [`explore`] takes one small batch and tries every mishap at every effect, instead of a random choice of them.

mod channels;
mod clock;
mod dice;
mod function;
mod life;
mod model;
mod policies;
mod ports;
mod producer;
mod promises;
mod reference;
mod schedule;
mod telling;
mod trace;
mod world;

use tokio::runtime::Builder;
use tokio::task::LocalSet;
use trace::Trace;

pub use model::{Explored, explore};

/// The result of a schedule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Records put.
    pub records: usize,
    /// Anomalies that had to be alerted.
    pub anomalies: usize,
    /// User records in batches that the infrastructure discarded.
    pub discarded: usize,
    /// Effects that met a mishap.
    pub mishaps: u64,
    /// Users whose write was one of several in a request, conflicts included.
    pub together: u64,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}: {what}")]
pub struct Violation {
    /// The seed that reproduces it.
    pub seed: u64,
    /// The promise that did not hold.
    pub what: String,
}

/// Runs the schedule of one seed.
///
/// # Errors
/// [`Violation`] says which promise did not hold.
pub fn run(seed: u64) -> Result<Report, Violation> {
    play(seed, schedule::run(seed, &Trace::default()))
}

/// Runs the schedule of one seed and returns its trace, line by line.
pub fn trace(seed: u64) -> (Result<Report, Violation>, Vec<String>) {
    let trace = Trace::new(true);
    let outcome = play(seed, schedule::run(seed, &trace));
    (outcome, trace.lines())
}

/// Runs a future in a runtime of its own, whose time advances only when nothing else can run.
fn play<T>(seed: u64, future: impl Future<Output = Result<T, Violation>>) -> Result<T, Violation> {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.map_err(|error| Violation { seed, what: error.to_string() })?;
    LocalSet::new().block_on(&runtime, future)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_schedule_breaks_a_promise() {
        let reports: Vec<Report> =
            (0..200).map(|seed| run(seed).unwrap_or_else(|violation| panic!("{violation}"))).collect();
        let sum = |of: fn(&Report) -> usize| reports.iter().map(of).sum::<usize>();
        assert!(sum(|report| report.records) > 20_000 && sum(|report| report.anomalies) > 500);
        assert!(sum(|report| report.discarded) > 500);
        assert!(reports.iter().map(|report| report.mishaps).sum::<u64>() > 2_000);
        assert!(reports.iter().map(|report| report.together).sum::<u64>() > 2_000);
    }

    #[test]
    fn a_seed_reproduces_its_schedule() {
        let (outcome, lines) = trace(7);
        assert_eq!(run(7), outcome);
        assert_eq!(trace(7), (outcome, lines));
    }

    #[test]
    fn no_two_mishaps_in_one_small_batch_break_a_promise() {
        let explored = explore(2, &|_| {}).unwrap_or_else(|violation| panic!("{violation}"));
        assert!(explored.schedules > 1_000, "{explored:?}");
    }
}
