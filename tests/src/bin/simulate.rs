//! `make simulate`: many schedules of the simulation on all cores, or one again.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use sigma_cli::progress::Progress;
use tests::simulation::{Violation, run};

/// Runs schedules of the simulation; each is one seed, and a seed replays it.
#[derive(Parser)]
struct Options {
    /// How many schedules.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Run this one alone.
    #[arg(long)]
    seed: Option<u64>,
}

/// What all threads share.
struct Shared {
    next: AtomicU64,
    end: u64,
    progress: Mutex<Progress>,
    records: AtomicU64,
    anomalies: AtomicU64,
    faults: AtomicU64,
    violation: Mutex<Option<Violation>>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let (from, seeds) = options.seed.map_or((options.from, options.seeds), |seed| (seed, 1));
    let shared = Shared {
        next: AtomicU64::new(from),
        end: from.saturating_add(seeds),
        progress: Mutex::new(Progress::new("schedules", seeds, false)),
        records: AtomicU64::new(0),
        anomalies: AtomicU64::new(0),
        faults: AtomicU64::new(0),
        violation: Mutex::new(None),
    };
    let started = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(|| work(&shared)))));
    report(&shared, seeds, started)
}

/// Takes seeds until there are none, or one broke a promise.
fn work(shared: &Shared) {
    loop {
        let seed = shared.next.fetch_add(1, Ordering::Relaxed);
        if seed >= shared.end {
            return;
        }
        match run(seed) {
            Ok(report) => {
                add(&shared.records, report.records);
                add(&shared.anomalies, report.anomalies);
                shared.faults.fetch_add(report.faults, Ordering::Relaxed);
            }
            Err(violation) => {
                shared.next.store(shared.end, Ordering::Relaxed);
                if let Ok(mut first) = shared.violation.lock() {
                    first.get_or_insert(violation);
                }
            }
        }
        if let Ok(mut progress) = shared.progress.lock() {
            progress.advance(1);
        }
    }
}

fn add(sum: &AtomicU64, count: usize) {
    sum.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
}

fn report(shared: &Shared, seeds: u64, started: Instant) -> ExitCode {
    let violation = shared.violation.lock().ok().and_then(|mut violation| violation.take());
    if let Some(violation) = violation {
        eprintln!("{violation}\nreplay it: make simulate SEED={}", violation.seed);
        return ExitCode::FAILURE;
    }
    let total = |sum: &AtomicU64| sum.load(Ordering::Relaxed);
    println!(
        "{seeds} schedules in {:.1} s: {} records, {} anomalies, {} faults, no promise broken",
        started.elapsed().as_secs_f64(),
        total(&shared.records),
        total(&shared.anomalies),
        total(&shared.faults)
    );
    ExitCode::SUCCESS
}
