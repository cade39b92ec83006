//! The steps of a verification and their outcomes, printed as they happen.

use serde::Serialize;

use super::commits::Measurements;
use crate::output::say;

/// See the module.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) stack: String,
    /// The synthetic user.
    pub(super) user: String,
    /// From before the outlier is put until its alert is received.
    pub(super) latency_ms: Option<u64>,
    /// What `--commits` measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) commits: Option<Measurements>,
    pub(super) steps: Vec<Step>,
    #[serde(skip)]
    is_quiet: bool,
}

/// One step.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) ok: bool,
    /// What was found; for a failed step, what to look at.
    pub(super) detail: String,
}

impl Report {
    pub(super) fn new(stack: &str, user: String, is_quiet: bool) -> Self {
        Self { stack: stack.to_owned(), user, latency_ms: None, commits: None, steps: Vec::new(), is_quiet }
    }

    /// Adds a step. Returns what it produced, if it succeeded.
    pub(super) fn step<T>(
        &mut self,
        name: &'static str,
        outcome: anyhow::Result<T>,
        detail: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        let text = outcome.as_ref().map_or_else(|error| format!("{error:#}"), detail);
        self.add(Step { name, ok: outcome.is_ok(), detail: text });
        outcome.ok()
    }

    /// The user has ended the verification.
    pub(super) fn interrupted(&mut self) {
        self.add(Step { name: "the alert arrives", ok: false, detail: "interrupted".to_owned() });
    }

    /// Prints what was measured.
    pub(super) fn figures(&self) {
        if let Some(commits) = self.commits.as_ref().filter(|_| !self.is_quiet) {
            say(commits.table());
        }
    }

    pub(super) fn is_success(&self) -> bool {
        !self.steps.is_empty() && self.steps.iter().all(|step| step.ok)
    }

    fn add(&mut self, step: Step) {
        if !self.is_quiet {
            say(format_args!("{} {}: {}", if step.ok { "✓" } else { "✗" }, step.name, step.detail));
        }
        self.steps.push(step);
    }
}
