//! `make bench`: the cost of sigma beside the cost of its alternatives, measured in the same run.
//!
//! Figures are CPU time, because wall time depends on what else is running. Our rounds and the peer's alternate. Each figure is the
//! median of its rounds, with the minimum and the maximum. Inputs are the same in every run.

mod aws;
mod capacity;
mod clock;
mod cost;
mod decode;
mod input;
mod invocation;
mod latency;
mod machine;
mod memory;
mod process;
mod replay;
mod report;
mod responses;
mod server;
mod spread;
mod step;
mod training;
mod venv;

use clap::Parser;
use machine::Machine;
use report::Report;

/// Measures the cost of sigma and of its alternatives.
#[derive(Debug, Parser)]
struct Options {
    /// Parts to measure.
    #[arg(long, default_value = "abcdefghi")]
    parts: String,
    /// Write the tables into docs/performance.md, of the measured parts alone, and the costs into README.md and docs/deploy.md.
    #[arg(long)]
    write_docs: bool,
    /// Leave the Python peers out.
    #[arg(long)]
    no_peer: bool,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let mut report = Report::new(Machine::read());
    let folder = venv::root().join("target/bench");
    std::fs::create_dir_all(&folder)?;
    for part in options.parts.chars() {
        match part {
            'a' => decode::run(&mut report)?,
            'b' => step::run(&mut report)?,
            'c' => invocation::run(&mut report, !options.no_peer)?,
            'd' => process::run(&mut report, !options.no_peer)?,
            'e' => capacity::run(&mut report)?,
            'f' => latency::run(&mut report)?,
            'g' => cost::run(&mut report)?,
            'h' => {
                replay::run(&mut report)?;
                training::run(&mut report)?;
            }
            'i' => memory::run(&mut report)?,
            other => anyhow::bail!("there is no part {other}"),
        }
    }
    println!("{}", report.table());
    report.write(&folder)?;
    if options.write_docs {
        report.write_docs(&venv::root().join("docs/performance.md"))?;
        cost::write_tables(&report, &venv::root())?;
    }
    Ok(())
}
