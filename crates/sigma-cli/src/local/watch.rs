//! `cargo lambda watch` as a child: it compiles the functions, runs them, and does so again when the code changes.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use super::place::Place;
use super::tools::Tools;
use crate::output::say;

/// Time to end the functions and what compiles them.
const PATIENCE: Duration = Duration::from_secs(10);
/// How a function's operational metrics begin: a long line for an invocation, for CloudWatch and not for people.
const METRICS: &str = "{\"_aws\":";

/// The child, in a process group of its own: the terminal's Ctrl-C reaches this process alone, which then ends the child.
#[derive(Debug)]
pub(super) struct Watch {
    child: Child,
}

impl Watch {
    pub(super) fn start(
        tools: &Tools,
        place: &Place,
        environment: Vec<(&'static str, String)>,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(&tools.cargo_lambda);
        command.args(["lambda", "watch", "--invoke-address", &place.ip(), "--invoke-port", &place.port()]);
        command.env("PATH", &tools.path).env_remove("AWS_SESSION_TOKEN").envs(environment);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0).kill_on_drop(true);
        let mut child = command.spawn().context("cargo-lambda does not start")?;
        if let Some(output) = child.stdout.take() {
            tokio::spawn(print(output));
        }
        Ok(Self { child })
    }

    /// Fails when it ends by itself.
    pub(super) async fn ended(&mut self) -> anyhow::Result<()> {
        let status = self.child.wait().await?;
        anyhow::bail!("cargo lambda watch ended, {status}")
    }

    /// Ends it and what it started. It ends its own children when it is asked to, and only then: each has a group of its own.
    pub(super) async fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        if tokio::time::timeout(PATIENCE, self.child.wait()).await.is_err() {
            self.signal(Signal::SIGKILL);
            let _ = self.child.wait().await;
        }
    }

    /// Does nothing if it has ended: the id may then be another's.
    fn signal(&self, signal: Signal) {
        if let Some(id) = self.child.id().and_then(|id| i32::try_from(id).ok()) {
            let _ = killpg(Pid::from_raw(id), signal);
        }
    }
}

/// Passes on what the functions print, without their metrics.
async fn print(output: ChildStdout) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if !line.starts_with(METRICS) {
            say(line);
        }
    }
}
