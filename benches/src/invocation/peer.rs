//! The Python peers: one detector, which commits in one of two ways.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::Context;
use serde::Deserialize;

use super::CACHE_USERS_MAX;
use crate::{aws, venv};

/// How a peer commits the users of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Commits {
    /// Each user by itself.
    PutItem,
    /// 25 users a request.
    BatchExecuteStatement,
}

/// A peer, which stays alive between rounds like a warm container.
pub(super) struct Peer {
    pub(super) commits: Commits,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    events: PathBuf,
    messages: u64,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct PeerResponse {
    cpu_seconds: f64,
    failures: u64,
    messages: u64,
}

impl Commits {
    pub(super) const ALL: [Self; 2] = [Self::PutItem, Self::BatchExecuteStatement];

    /// How the report calls the peer.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::PutItem => "Python peer, PutItem",
            Self::BatchExecuteStatement => "Python peer, BatchExecuteStatement",
        }
    }

    /// The peer's module.
    const fn module(self) -> &'static str {
        match self {
            Self::PutItem => "detector",
            Self::BatchExecuteStatement => "batching",
        }
    }

    /// How many times the peer's rate ours has to be, if there is a target.
    pub(super) const fn ratio_min(self, users: u32, records: usize) -> Option<f64> {
        match (self, users, records) {
            (Self::PutItem, 1_000, 1_000) => Some(25.0),
            (Self::PutItem, ..) | (Self::BatchExecuteStatement, 20_000, _) => Some(10.0),
            (Self::BatchExecuteStatement, 1_000, 1_000) => Some(12.0),
            (Self::BatchExecuteStatement, ..) => None,
        }
    }
}

impl Peer {
    pub(super) fn start(commits: Commits) -> anyhow::Result<Self> {
        let mut child = Command::new(venv::python()?)
            .arg(venv::peers().join("offline.py"))
            .arg(commits.module())
            .envs(aws::function_environment(None))
            .env("CACHE_USERS_MAX", CACHE_USERS_MAX)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().context("no input")?;
        let output = BufReader::new(child.stdout.take().context("no output")?);
        let events = venv::root().join(format!("target/bench/events-{}.jsonl", commits.module()));
        let mut peer = Self { commits, child, input, output, events, messages: 0 };
        peer.read_response()?;
        Ok(peer)
    }

    /// Has the peer handle these events. Returns the CPU seconds.
    pub(super) fn handle(&mut self, events: &[String]) -> anyhow::Result<f64> {
        std::fs::write(&self.events, events.join("\n"))?;
        writeln!(self.input, "{}", self.events.display())?;
        let response = self.read_response()?;
        anyhow::ensure!(response.failures == 0, "the peer reported {} failures", response.failures);
        self.messages += response.messages;
        Ok(response.cpu_seconds)
    }

    /// The anomaly messages that it has sent since this was last asked.
    pub(super) fn take_messages(&mut self) -> u64 {
        std::mem::take(&mut self.messages)
    }

    fn read_response(&mut self) -> anyhow::Result<PeerResponse> {
        let mut line = String::new();
        anyhow::ensure!(self.output.read_line(&mut line)? > 0, "the peer ended");
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends by itself when its input does, but we do not wait for a peer that hangs.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.events);
    }
}
