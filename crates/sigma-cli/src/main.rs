//! `sigma`: the local tool.
#![recursion_limit = "256"]

use clap::{Parser, Subcommand};
use sigma_cli::demo;

/// Real-time anomaly detection for per-user transactions: try it here before you deploy it.
#[derive(Parser)]
#[command(name = "sigma", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the whole pipeline on this machine: generated transactions in, alerts out.
    Demo(demo::Options),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Demo(options) => demo::run(&options).await,
    }
}
