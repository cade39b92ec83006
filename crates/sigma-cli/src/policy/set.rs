//! `sigma policy set`: replaces the policy.

use std::path::PathBuf;

use alert_policy::Policy;
use clap::Args;

use super::check;
use super::editor::{Change, Editor, WriteFlags};
use super::store::Versioned;
use crate::ledger::place::Place;
use crate::output::Output;

/// Flags of `sigma policy set`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "If the file has a \"version\", as `sigma policy show --json` prints it, that version has to be in force.\n\n\
    It reads the whole table of the ledger, to count what the last 30 days would have lost."
)]
pub(super) struct Options {
    /// The policy, as docs/alerts.md describes it.
    #[arg(value_name = "FILE.json")]
    file: PathBuf,
    #[command(flatten)]
    flags: WriteFlags,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    place: Place,
}

/// Replaces the policy.
pub(super) async fn run(options: &Options) -> anyhow::Result<()> {
    let policy = check::read(&options.file, super::now_ms())?;
    let editor = Editor::open(&options.place, options.flags, options.output).await?;
    let change = set(&editor, policy).await?;
    editor.print(&change)
}

/// Replaces the policy in force. One that cannot be read is replaced too.
pub(super) async fn set(editor: &Editor, policy: Policy) -> anyhow::Result<Change> {
    let before = editor.table.policy().await?;
    let version = before.as_ref().map_or(0, |before| before.version);
    check_version(policy.version, version)?;
    let notes = before.as_ref().and_then(warning).into_iter().collect();
    editor.replace(before.as_ref(), policy, notes).await
}

/// A file that was made from another version would undo what has happened since.
fn check_version(of_file: u64, in_force: u64) -> anyhow::Result<()> {
    anyhow::ensure!(
        of_file == 0 || of_file == in_force,
        "nothing was written: the file was made from version {of_file}, and somebody changed it to version {in_force}: \
         look with `sigma policy show`. To write it all the same, remove \"version\" from the file"
    );
    Ok(())
}

fn warning(before: &Versioned<Policy>) -> Option<String> {
    let error = before.content.as_ref().err()?;
    let version = before.version;
    Some(format!("Warning: the stored policy (version {version}) cannot be read and is replaced; it is kept. {error}"))
}

#[cfg(test)]
mod tests {
    use super::check_version;

    #[test]
    fn a_file_of_an_older_version_is_refused() {
        assert!(check_version(0, 8).is_ok() && check_version(8, 8).is_ok());
        let error = check_version(7, 8).unwrap_err().to_string();
        assert!(error.contains("somebody changed it to version 8: look with `sigma policy show`"), "{error}");
    }
}
