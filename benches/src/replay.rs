//! (h) Lines per CPU-second that a backtest reads, decodes and judges.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use backtest::{Backtest, ReaderSettings, RuleChoices, RuleName};
use scenarios::Generated;

use crate::clock::timed;
use crate::input::{RECORDS_PER_SECOND, START_MS, uniform};
use crate::report::{Figure, Report, Target};
use crate::spread::{Spread, number};
use crate::venv;

const USERS: [u32; 3] = [5, 1_000, 10_000];
const LINES: usize = 1_000_000;
const ROUNDS: usize = 5;
const LINES_PER_SECOND_MIN: f64 = 1e6;

/// A format of transactions.
struct Format {
    name: &'static str,
    file_name: &'static str,
    header: &'static str,
    line: fn(&mut dyn Write, &Generated) -> anyhow::Result<()>,
}

const JSONL: Format = Format { name: "JSONL", file_name: "replay.jsonl", header: "", line: json_line };
const CSV: Format =
    Format { name: "CSV", file_name: "replay.csv", header: "userId,amount,timestamp\n", line: csv_line };

/// An input file, removed when dropped.
struct Input(PathBuf);

impl Input {
    fn new(users: u32, format: &Format) -> anyhow::Result<Self> {
        let path = venv::root().join("target/bench").join(format.file_name);
        let mut file = BufWriter::new(File::create(&path)?);
        file.write_all(format.header.as_bytes())?;
        for generated in uniform(users, RECORDS_PER_SECOND, START_MS)?.take(LINES) {
            (format.line)(&mut file, &generated)?;
        }
        file.flush()?;
        Ok(Self(path))
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        // A file that remains does no harm: the next run overwrites it.
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

fn lines_per_cpu_second(path: &Path) -> anyhow::Result<f64> {
    let (seconds, summary) = timed(|| {
        let plan = RuleChoices { rules: vec![RuleName::Adaptive], ..RuleChoices::default() }.plan(false)?;
        let (summary, _) = Backtest::open(path, ReaderSettings::default(), &plan, false)?.run()?;
        Ok(summary)
    })?;
    anyhow::ensure!(summary.input.transactions == summary.input.lines, "a generated line was rejected");
    Ok(number(summary.input.lines) / seconds)
}

pub(crate) fn run(report: &mut Report) -> anyhow::Result<()> {
    for (users, format) in USERS.map(|users| (users, &JSONL)).into_iter().chain([(1_000, &CSV)]) {
        let input = Input::new(users, format)?;
        let rounds = (0..ROUNDS).map(|_| lines_per_cpu_second(&input.0));
        let spread = Spread::of(rounds.collect::<anyhow::Result<Vec<_>>>()?);
        let figure =
            Figure::new('h', format!("sigma replay, {}, {users} users", format.name), "lines/CPU-s").ours(spread);
        report.add(figure.target(Target::at_least(LINES_PER_SECOND_MIN, spread.median)));
    }
    Ok(())
}
