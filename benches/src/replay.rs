//! (h) Lines that `sigma replay` reads, decodes and judges in a CPU-second.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;
use sigma_cli::generator::Generated;
use sigma_cli::replay::{self, Options};

use crate::clock::timed;
use crate::input::{RECORDS_PER_SECOND, START_MS, recipe};
use crate::report::{Figure, Report, Target};
use crate::spread::{Spread, number};
use crate::venv;

const USERS: [u32; 3] = [5, 1_000, 10_000];
const LINES: usize = 1_000_000;
const ROUNDS: usize = 5;
const LINES_PER_SECOND_MIN: f64 = 1e6;

/// `sigma replay` as on its command line.
#[derive(Parser)]
struct Replay {
    #[command(flatten)]
    options: Options,
}

/// How transactions are written.
struct Format {
    name: &'static str,
    file_name: &'static str,
    header: &'static str,
    line: fn(&mut dyn Write, &Generated) -> anyhow::Result<()>,
}

const JSONL: Format = Format { name: "JSONL", file_name: "replay.jsonl", header: "", line: json_line };
const CSV: Format =
    Format { name: "CSV", file_name: "replay.csv", header: "userId,amount,timestamp\n", line: csv_line };

/// A file that is gone afterwards.
struct Input(PathBuf);

impl Input {
    fn new(users: u32, format: &Format) -> anyhow::Result<Self> {
        let path = venv::root().join("target/bench").join(format.file_name);
        let mut file = BufWriter::new(File::create(&path)?);
        file.write_all(format.header.as_bytes())?;
        for generated in recipe(users, RECORDS_PER_SECOND, START_MS)?.take(LINES) {
            (format.line)(&mut file, &generated)?;
        }
        file.flush()?;
        Ok(Self(path))
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        // A file that stays does no harm; the next run writes it anew.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn json_line(file: &mut dyn Write, generated: &Generated) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *file, generated)?;
    Ok(file.write_all(b"\n")?)
}

fn csv_line(file: &mut dyn Write, generated: &Generated) -> anyhow::Result<()> {
    let Generated { user_id, amount, timestamp, .. } = generated;
    Ok(writeln!(file, "{user_id},{amount},{timestamp}")?)
}

fn lines_per_cpu_second(runtime: &tokio::runtime::Runtime, path: &Path) -> anyhow::Result<f64> {
    let path = path.to_str().context("the path is not UTF-8")?;
    let replay = Replay::try_parse_from(["replay", "--quiet", "--no-sweep", "--input", path])?;
    let (seconds, summary) = timed(|| runtime.block_on(replay::replay(&replay.options)))?;
    anyhow::ensure!(summary.input.transactions == summary.input.lines, "a generated line was rejected");
    Ok(number(summary.input.lines) / seconds)
}

pub(crate) fn run(report: &mut Report) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for (users, format) in USERS.map(|users| (users, &JSONL)).into_iter().chain([(1_000, &CSV)]) {
        let input = Input::new(users, format)?;
        let rounds = (0..ROUNDS).map(|_| lines_per_cpu_second(&runtime, &input.0));
        let spread = Spread::of(rounds.collect::<anyhow::Result<Vec<_>>>()?);
        let figure =
            Figure::new('h', format!("sigma replay, {}, {users} users", format.name), "lines/CPU-s").ours(spread);
        report.add(figure.target(Target::at_least(LINES_PER_SECOND_MIN, spread.median)));
    }
    Ok(())
}
