//! `sigma`: the local tool.
#![recursion_limit = "256"]

use clap::{Parser, Subcommand};
use sigma_cli::{deliver, demo, send};

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
    /// Put transactions from a file into a Kinesis stream.
    Send(send::Options),
    /// Deliver a stream to a deployed function as Lambda's event source mapping would: for emulators whose own mapping is not faithful.
    Deliver(deliver::Options),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Demo(options) => demo::run(&options).await,
        Command::Send(options) => send::run(&options).await,
        Command::Deliver(options) => deliver::run(&options).await,
    }
}
