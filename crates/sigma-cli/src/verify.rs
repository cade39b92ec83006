//! `sigma verify`: does a deployed stack alert? A synthetic user's transactions go into the stream, and the alert has to come out at
//! a temporary subscription. Afterwards everything is removed again, whatever happened in between.
//!
//! What stays: the records in the stream and the archive, and one AnomalyCount. Other subscribers of the topic get the alert too.

mod cleanup;
mod clients;
mod commits;
mod health;
mod probe;
mod report;
mod stack;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use clap::Args;
use clients::Clients;
use commits::Measurements;
use probe::Probe;
use report::Report;
use stack::Stack;

use crate::aws::Connection;
use crate::output::{Output, say};
use crate::parse::seconds;

/// Flags of `sigma verify`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  sigma verify --stack demo --region eu-central-1\n\n\
    The caller needs the rights of an operator: to read the stack, its mapping and its alarms; to put into the stream; to create\n\
    and delete a queue and a subscription; and to delete items from the two tables. Every subscriber of the topic gets the alert of\n\
    the user sigma-verify-…\n\n\
    --commits needs to read the stack, and to put, update (dynamodb:PartiQLUpdate), get and delete items of the state table. It takes\n\
    about 3,800 write units within seconds.")]
pub struct Options {
    /// Name of the stack.
    #[arg(long, value_name = "NAME")]
    pub stack: String,
    /// Measure instead how fast the table takes state, by requests of one user and of several, and say which `CommitStatementsMax` to
    /// take. Writes 100 synthetic users 36 times each. Run it from the stack's region: the way to it counts.
    #[arg(long)]
    pub commits: bool,
    /// How long to wait for the alert.
    #[arg(long, default_value = "5m", value_parser = seconds)]
    pub timeout: f64,
    /// Output.
    #[command(flatten)]
    pub output: Output,
    /// Where AWS is.
    #[command(flatten)]
    pub connection: Connection,
}

/// Verifies a stack and prints each step.
///
/// # Errors
/// If a step failed.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let clients = Clients::new(&options.connection.config()?);
    let is_quiet = options.output.json || options.output.quiet;
    let mut report = Report::new(&options.stack, user_id(), is_quiet);
    if options.commits {
        verify_commits(&clients, interrupted(), &mut report).await;
    } else {
        let timeout = Duration::try_from_secs_f64(options.timeout)?;
        verify(&clients, timeout, interrupted(), &mut report).await;
    }
    if options.output.json {
        say(serde_json::to_string(&report)?);
    }
    anyhow::ensure!(report.is_success(), "the stack {} does not work as it should", options.stack);
    Ok(())
}

async fn verify(clients: &Clients, timeout: Duration, interrupt: impl Future<Output = ()>, report: &mut Report) {
    let stack = stack::read(clients, &report.stack).await;
    let Some(stack) = report.step("the stack is deployed", stack, Stack::summary) else { return };
    let mapping = health::mapping(clients, &stack).await;
    let delivers = report.step("the stream's mapping delivers", mapping, Clone::clone).is_some();
    if delivers {
        let mut probe = Probe::new(clients, &stack, &report.user);
        run_probe(&mut probe, timeout, interrupt, report).await;
        report.step("everything is removed", cleanup::remove(probe).await, Clone::clone);
    }
    let alarms = health::alarms(clients, &stack, report.latency_ms.is_some()).await;
    report.step("no alarm is firing", alarms, Clone::clone);
}

async fn verify_commits(clients: &Clients, interrupt: impl Future<Output = ()>, report: &mut Report) {
    let stack = stack::read(clients, &report.stack).await;
    let Some(stack) = report.step("the stack is deployed", stack, Stack::summary) else { return };
    let measured = commits::measure(&clients.dynamodb, &stack, &report.user, interrupt).await;
    report.commits = report.step("the table is measured", measured, Measurements::summary);
    report.figures();
}

/// Subscribing is not interrupted, so that what it creates is known and can be removed.
async fn run_probe(probe: &mut Probe<'_>, timeout: Duration, interrupt: impl Future<Output = ()>, report: &mut Report) {
    let subscribed = probe.subscribe().await;
    if report.step("a temporary queue is subscribed", subscribed, Clone::clone).is_none() {
        return;
    }
    tokio::select! {
        () = send_and_wait(probe, timeout, report) => return,
        () = interrupt => {}
    }
    report.interrupted();
}

async fn send_and_wait(probe: &mut Probe<'_>, timeout: Duration, report: &mut Report) {
    let sent = probe.send().await;
    if report.step("transactions are sent", sent, Clone::clone).is_none() {
        return;
    }
    let alert = probe.wait(timeout).await;
    report.latency_ms = alert.as_ref().ok().and_then(|latency| u64::try_from(latency.as_millis()).ok());
    report.step("the alert arrives", alert, |latency| format!("after {:.1} s", latency.as_secs_f64()));
}

/// Ends at Ctrl-C. It listens from now on, even before it is awaited.
fn interrupted() -> impl Future<Output = ()> {
    let signal = tokio::spawn(tokio::signal::ctrl_c());
    async move {
        if !matches!(signal.await, Ok(Ok(()))) {
            std::future::pending::<()>().await;
        }
    }
}

/// A user that nobody else has. A hasher's random keys are random enough for a name.
fn user_id() -> String {
    format!("sigma-verify-{:016x}", RandomState::new().build_hasher().finish())
}
