//! `sigma policy allow`: what is listed for one user. It comes before the rules.

use alert_policy::{Rule, UserEntries};
use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::draft::{Author, of_merchant, silencing, why};
use super::store::{PolicyTable, Versioned};
use crate::ledger::place::Place;
use crate::output::{Output, say};
use crate::parse::seconds;

/// How long entries stay in the table after the last of them has ended, and an empty list after its user was removed.
const KEPT_SECONDS: i64 = 86_400;

/// Flags of `sigma policy allow`.
#[derive(Debug, Clone, Args)]
pub(super) struct Options {
    /// The user.
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    user: String,
    /// For how long, such as 30d; a year at most.
    #[arg(long = "for", value_name = "DURATION", value_parser = seconds, required_unless_present = "remove")]
    duration: Option<f64>,
    /// Only at this merchant.
    #[arg(long)]
    merchant: Option<String>,
    /// The reason, for whoever reads it in half a year.
    #[arg(long, value_name = "TEXT", value_parser = why, required_unless_present = "remove")]
    why: Option<String>,
    /// Take back everything that is listed for the user.
    #[arg(long, conflicts_with_all = ["duration", "merchant", "why"])]
    remove: bool,
    /// Show what would happen, and write nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    place: Place,
}

/// What is listed now.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listed {
    pub(crate) user_id: String,
    /// Whether it was written; not in a dry run.
    is_written: bool,
    pub(crate) entries: Vec<Rule>,
}

/// Lists a user, or takes that back.
pub(super) async fn run(options: &Options) -> anyhow::Result<()> {
    let (table, by) = PolicyTable::open_with_caller(&options.place).await?;
    let author = Author { by, now_ms: super::now_ms() };
    let new = options.entry(&author)?;
    let listed = allow(&table, (&options.user, new), &author, options.dry_run).await?;
    if let Some(text) = options.output.render(&listed, || listed.text())? {
        say(text);
    }
    Ok(())
}

impl Options {
    /// The new entry; none to take all of them back.
    fn entry(&self, author: &Author) -> anyhow::Result<Option<Rule>> {
        let (Some(seconds), Some(why)) = (self.duration, &self.why) else { return Ok(None) };
        entry(self.merchant.as_deref(), seconds, why, author).map(Some)
    }
}

/// An entry that silences a user.
pub(crate) fn entry(merchant: Option<&str>, seconds: f64, why: &str, author: &Author) -> anyhow::Result<Rule> {
    let entry = silencing(merchant.map(of_merchant).transpose()?, seconds, why, author)?;
    anyhow::ensure!(
        entry.check_dates(author.now_ms).is_ok(),
        "an entry holds for a year at most: give a shorter --for"
    );
    Ok(Rule { by: author.by.clone(), ..entry })
}

/// Adds an entry to what is listed for a user; without one, takes everything back. What has ended is left out.
pub(crate) async fn allow(
    table: &PolicyTable,
    (user_id, new): (&str, Option<Rule>),
    author: &Author,
    is_dry_run: bool,
) -> anyhow::Result<Listed> {
    let before = table.user(user_id).await?;
    let entries = match new {
        None => UserEntries::default(),
        Some(new) => with(listed(user_id, before.as_ref())?, new, author.now_ms)?,
    };
    if !is_dry_run && (before.is_some() || !entries.entries.is_empty()) {
        // An empty list stays for a day, so that versions go on.
        let expires_at_seconds = expires_at_seconds(&entries, author.now_ms);
        table.replace_user(user_id, before.as_ref(), (&entries, expires_at_seconds)).await?;
    }
    Ok(Listed { user_id: user_id.to_owned(), is_written: !is_dry_run, entries: entries.entries })
}

fn listed(user_id: &str, before: Option<&Versioned<UserEntries>>) -> anyhow::Result<UserEntries> {
    match before.map(|before| &before.content) {
        None => Ok(UserEntries::default()),
        Some(Ok(entries)) => Ok(entries.clone()),
        Some(Err(error)) => anyhow::bail!(
            "what is listed for {user_id} cannot be read: {error}. Take it back with `sigma policy allow {user_id} --remove`"
        ),
    }
}

/// The new entry comes first: the first one that matches decides.
fn with(listed: UserEntries, new: Rule, now_ms: i64) -> anyhow::Result<UserEntries> {
    let held = listed.entries.into_iter().filter(|entry| entry.until.holds_at(now_ms));
    let entries = UserEntries { entries: std::iter::once(new).chain(held).collect() };
    UserEntries::parse(&serde_json::to_string(&entries)?).context("the entry is refused")
}

fn expires_at_seconds(entries: &UserEntries, now_ms: i64) -> i64 {
    let ends_ms = entries.entries.iter().map(|entry| entry.until.end_ms());
    ends_ms.fold(now_ms, i64::max) / 1_000 + KEPT_SECONDS
}

impl Listed {
    pub(crate) fn text(&self) -> String {
        let Self { user_id, is_written, entries } = self;
        let head = if *is_written { "Listed now" } else { "Nothing was written; it would be listed" };
        if entries.is_empty() {
            return format!("{head} for {user_id}: nothing.");
        }
        let lines = entries.iter().map(|entry| format!("\n  {}", super::show::in_words(entry)));
        format!("{head} for {user_id}:{}", lines.collect::<String>())
    }
}
