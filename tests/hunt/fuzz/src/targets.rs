//! The targets, each with the name of its folder in `corpus/`.

mod aggregate;
mod alerts;
mod batch;
mod event;
mod message;
mod record;
mod sequence;
mod state;

/// Latest arrival time in the targets, in ms since the epoch.
const ARRIVAL_MS: i64 = 1_760_000_100_000;
/// The default of `MAX_CLOCK_SKEW_SECONDS`, in ms.
const CLOCK_SKEW_MS: i64 = 300_000;

/// A function that takes any bytes, and its name.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name in `FUZZ_TARGET` and `corpus/`.
    pub name: &'static str,
    /// Panics if a property does not hold.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: [Target; 8] = [
    Target { name: "aggregate", run: aggregate::run },
    Target { name: "alerts", run: alerts::run },
    Target { name: "batch", run: batch::run },
    Target { name: "event", run: event::run },
    Target { name: "message", run: message::run },
    Target { name: "record", run: record::run },
    Target { name: "sequence", run: sequence::run },
    Target { name: "state", run: state::run },
];

/// Runs a handler to its end on this thread.
fn block_on<F: Future>(future: F) -> F::Output {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap()
}
