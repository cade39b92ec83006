//! `make simulate`: many schedules of the simulation on all cores, one schedule with its trace, or the small model.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use simulation::{Report, Violation, explore, run, trace};

/// Lines of a failed schedule's trace that are printed; the file has all of them.
const LINES_SHOWN: usize = 60;

/// Runs schedules of the simulation. Each schedule follows from one seed, which reproduces it.
#[derive(Parser)]
struct Options {
    /// Number of schedules.
    #[arg(long, default_value_t = 20_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Run this seed alone and print its trace.
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// Instead, try every combination of at most this many mishaps in one small batch.
    #[arg(long, conflicts_with_all = ["seeds", "from", "seed"])]
    mishaps: Option<usize>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match (options.seed, options.mishaps) {
        (Some(seed), _) => run_traced(seed),
        (None, Some(mishaps)) => run_model(mishaps),
        (None, None) => run_many(options.from, options.seeds),
    }
}

/// One schedule with its trace.
fn run_traced(seed: u64) -> ExitCode {
    let (outcome, lines) = trace(seed);
    println!("{}", lines.join("\n"));
    match outcome {
        Ok(report) => {
            println!("seed {seed}: {report:?}, no promise broken");
            ExitCode::SUCCESS
        }
        Err(violation) => {
            println!("{violation}");
            ExitCode::FAILURE
        }
    }
}

/// Every combination of mishaps in one small batch.
fn run_model(mishaps: usize) -> ExitCode {
    let bar = ProgressBar::new_spinner().with_message("schedules");
    let started = Instant::now();
    match explore(mishaps, &|schedules| bar.set_position(schedules)) {
        Ok(explored) => {
            println!(
                "{} schedules in {:.1} s: every combination of at most {mishaps} mishaps at the {} effects of one batch and those \
                 of its redeliveries, no promise broken",
                explored.schedules,
                started.elapsed().as_secs_f64(),
                explored.effects
            );
            ExitCode::SUCCESS
        }
        Err(violation) => {
            eprintln!("{}", violation.what);
            ExitCode::FAILURE
        }
    }
}

/// Shared by all threads.
struct Shared {
    next: AtomicU64,
    end: u64,
    bar: ProgressBar,
    total: Mutex<Report>,
    violation: Mutex<Option<Violation>>,
}

fn run_many(from: u64, seeds: u64) -> ExitCode {
    let shared = Shared {
        next: AtomicU64::new(from),
        end: from.saturating_add(seeds),
        bar: bar(seeds),
        total: Mutex::default(),
        violation: Mutex::default(),
    };
    let started = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(|| run_seeds(&shared)))));
    shared.bar.finish_and_clear();
    match shared.violation.lock().ok().and_then(|mut violation| violation.take()) {
        Some(violation) => report_failure(&violation, violation.seed - from + 1),
        None => report_success(&shared, seeds, started.elapsed()),
    }
}

fn bar(seeds: u64) -> ProgressBar {
    let template = "{bar:40} {human_pos} of {human_len} schedules, {per_sec}, {eta} left";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(seeds).with_style(style)
}

/// Runs seeds until none are left or one breaks a promise.
fn run_seeds(shared: &Shared) {
    loop {
        let seed = shared.next.fetch_add(1, Ordering::Relaxed);
        if seed >= shared.end {
            return;
        }
        match run(seed) {
            Ok(report) => shared.total.lock().map(|mut total| add(&mut total, report)).unwrap_or_default(),
            Err(violation) => {
                shared.next.store(shared.end, Ordering::Relaxed);
                keep_first(shared, violation);
            }
        }
        shared.bar.inc(1);
    }
}

/// Keeps the violation with the lowest seed: other threads are still running and may find a lower one.
fn keep_first(shared: &Shared, violation: Violation) {
    let Ok(mut first) = shared.violation.lock() else { return };
    if first.as_ref().is_none_or(|first| violation.seed < first.seed) {
        *first = Some(violation);
    }
}

fn add(total: &mut Report, report: Report) {
    total.records += report.records;
    total.anomalies += report.anomalies;
    total.discarded += report.discarded;
    total.mishaps += report.mishaps;
    total.together += report.together;
}

fn report_success(shared: &Shared, seeds: u64, elapsed: Duration) -> ExitCode {
    let total = shared.total.lock().map(|total| *total).unwrap_or_default();
    let per_second = u128::from(seeds) * 1_000 / elapsed.as_millis().max(1);
    println!(
        "{seeds} schedules in {:.1} s, {per_second} a second: {} records, {} anomalies, {} mishaps, {} records discarded by the infrastructure, \
         {} users written together, no promise broken",
        elapsed.as_secs_f64(),
        total.records,
        total.anomalies,
        total.mishaps,
        total.discarded,
        total.together
    );
    ExitCode::SUCCESS
}

/// Prints the end of the trace, the broken promise, how to reproduce it, and where the whole trace is.
fn report_failure(violation: &Violation, schedules: u64) -> ExitCode {
    let (_, lines) = trace(violation.seed);
    let last = lines.get(lines.len().saturating_sub(LINES_SHOWN)..).unwrap_or_default();
    eprintln!(
        "{}\n{violation}\nfound after {schedules} schedules; reproduce it with: make simulate SEED={}",
        last.join("\n"),
        violation.seed
    );
    let path = PathBuf::from(format!("target/simulation/seed-{}.txt", violation.seed));
    let written = std::fs::create_dir_all("target/simulation").and_then(|()| std::fs::write(&path, lines.join("\n")));
    if written.is_ok() {
        eprintln!("the whole trace: {}", path.display());
    }
    ExitCode::FAILURE
}
