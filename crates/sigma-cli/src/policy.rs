//! `sigma policy`: the live rules of alerting, in the ledger's table. They are read, checked and changed here; the alerter reads them with
//! every batch.
//!
//! Each change is on the condition that nobody else made one meanwhile, says who made it, and keeps the version before.

pub(crate) mod alerts;
pub(crate) mod allow;
mod check;
mod confirm;
pub(crate) mod draft;
mod editor;
mod losses;
mod set;
mod show;
mod silence;
pub(crate) mod store;
mod suggest;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use clap::{Args, Subcommand};

/// Flags of `sigma policy`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    sigma policy show --stack demo\n  \
    sigma policy check policy.json\n  \
    sigma policy set policy.json --stack demo --dry-run\n  \
    sigma policy allow user001 --for 30d --why \"ticket 42\" --stack demo\n  \
    sigma policy silence --merchant merchant_12 --for 30d --why \"refunds\" --stack demo\n  \
    sigma policy suggest --per-day 5 --stack demo\n\n\
    docs/alerts.md describes the policy.")]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Show the policy in force, and what is listed for users.
    Show(show::Options),
    /// Check a policy on this machine.
    Check(check::Options),
    /// Replace the policy, after showing what the last 30 days would have lost under it.
    Set(set::Options),
    /// Silence one user for a time, or take back what is listed for the user.
    Allow(allow::Options),
    /// Silence what matches for a time: a rule before all others.
    Silence(silence::Options),
    /// Suggest from which level on to page, from the last 30 days.
    Suggest(suggest::Options),
}

/// Runs one of the commands.
///
/// # Errors
/// Says what went wrong and what to do next.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    match &options.command {
        Command::Show(options) => show::run(options).await,
        Command::Check(options) => check::run(options),
        Command::Set(options) => set::run(options).await,
        Command::Allow(options) => allow::run(options).await,
        Command::Silence(options) => silence::run(options).await,
        Command::Suggest(options) => suggest::run(options).await,
    }
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
