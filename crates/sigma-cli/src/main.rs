//! `sigma`: the local tool.
#![recursion_limit = "256"]

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use sigma_cli::{
    calibrate, decide, deliver, demo, explain, export_labels, feedback, generate, local, policy, replay, send, train,
    verify,
};

const EXIT_CODES: &str = "Exit codes: 0 success, 1 failure (the message says why), 2 wrong usage.";

/// Real-time anomaly detection for per-user transactions: try it here before you deploy it.
#[derive(Parser)]
#[command(name = "sigma", version, about, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the whole pipeline on this machine: generated transactions in, alerts out.
    Demo(demo::Options),
    /// Generate labelled transactions of a scenario.
    Generate(generate::Options),
    /// Backtest rules on recorded transactions: what would they have alerted?
    Replay(Box<replay::Options>),
    /// Train a model for the rule `profile` on labelled transactions, if it finds more fraud than the rule alone.
    Train(Box<train::Options>),
    /// Find the SIGMAS that keep a budget of alerts, and what is large for everybody. Needs no labels.
    Calibrate(Box<calibrate::Options>),
    /// Run both functions on this machine for `cargo lambda invoke`, and print the mails that they send.
    Local(local::Options),
    /// Put transactions from a file into a Kinesis stream.
    Send(send::Options),
    /// Deliver a stream to a deployed function as Lambda's event source mapping does, for emulators whose own mapping is not faithful.
    Deliver(deliver::Options),
    /// Verify a deployed stack: a synthetic user's transactions in, the alert out, everything removed again.
    Verify(verify::Options),
    /// Look at the live rules of alerting, and change them: the next batch follows them.
    Policy(Box<policy::Options>),
    /// Answer the response to a critical alert: freeze, release, or nothing.
    Decide(decide::Options),
    /// Say what an alert was: legitimate, fraud or unsure. The label stays in the ledger and changes nothing by itself.
    Feedback(Box<feedback::Options>),
    /// Write what people said of alerts to a file that replay and train read as labels.
    ExportLabels(Box<export_labels::Options>),
    /// Explain an alert: what was decided, when and why; with an archive, recompute the verdict to the bit.
    Explain(Box<explain::Options>),
    /// Print the completion script of a shell.
    #[command(after_help = "Example:\n  sigma completions bash > ~/.local/share/bash-completion/completions/sigma")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Cli::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast::<clap::Error>() {
            Ok(called_wrongly) => called_wrongly.exit(),
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Demo(options) => demo::run(&options).await,
        Command::Generate(options) => generate::run(&options),
        Command::Replay(options) => replay::run(&options).await,
        Command::Train(options) => train::run(&options),
        Command::Calibrate(options) => calibrate::run(&options),
        Command::Local(options) => local::run(&options).await,
        Command::Send(options) => send::run(&options).await,
        Command::Deliver(options) => deliver::run(&options).await,
        Command::Verify(options) => verify::run(&options).await,
        Command::Policy(options) => policy::run(&options).await,
        Command::Decide(options) => decide::run(&options).await,
        Command::Feedback(options) => feedback::run(&options).await,
        Command::ExportLabels(options) => export_labels::run(&options).await,
        Command::Explain(options) => explain::run(&options).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "sigma", &mut script);
            // A reader that has seen enough is not a failure.
            let _ = std::io::stdout().write_all(&script);
            Ok(())
        }
    }
}
