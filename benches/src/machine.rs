//! The machine and the version of the code that were measured.

use std::fmt;
use std::process::Command;

use serde::Serialize;

/// Enough to tell whether two tables can be compared.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    date: String,
    cores: usize,
    architecture: &'static str,
    rustc: String,
    commit: String,
}

impl Machine {
    pub(crate) fn read() -> Self {
        Self {
            date: output("date", &["-u", "+%Y-%m-%d"]),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            architecture: std::env::consts::ARCH,
            rustc: output("rustc", &["--version"]),
            commit: output("git", &["describe", "--always", "--dirty"]),
        }
    }
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { date, cores, architecture, rustc, commit } = self;
        writeln!(f, "{date}, commit {commit}, {cores} cores, {architecture}, {rustc}.")
    }
}
