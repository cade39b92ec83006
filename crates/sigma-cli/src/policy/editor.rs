//! Replaces the policy: what `set` and `silence` have in common.

use alert_policy::Policy;
use alerter::ledger::layout;
use clap::Args;
use serde::Serialize;

use super::alerts;
use super::confirm::confirm;
use super::draft::{Author, stamped};
use super::losses::{Losses, Tally};
use super::store::{Filter, Item, PolicyTable, Versioned, text, text_of};
use crate::ledger::place::Place;
use crate::output::{Output, say};

/// Flags of commands that write.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(super) struct WriteFlags {
    /// Write without asking.
    #[arg(long, short)]
    pub(super) yes: bool,
    /// Show what would happen, and write nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// Somebody who replaces the policy.
#[derive(Debug)]
pub(super) struct Editor {
    pub(super) table: PolicyTable,
    pub(super) author: Author,
    pub(super) flags: WriteFlags,
    pub(super) output: Output,
}

/// What became of a change.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change {
    table: String,
    pub(super) version: u64,
    /// Whether it was written; not in a dry run.
    pub(super) is_written: bool,
    /// What the reader has to know.
    pub(super) notes: Vec<String>,
    /// What the last days would have lost.
    pub(super) last_days: Losses,
    pub(super) policy: Policy,
}

/// The version as which the policy in force is kept, and that of the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Numbers {
    kept: u64,
    new: u64,
}

impl Editor {
    /// At a place, as the caller.
    pub(super) async fn open(place: &Place, flags: WriteFlags, output: Output) -> anyhow::Result<Self> {
        let (table, by) = PolicyTable::open_with_caller(place).await?;
        Ok(Self { table, author: Author { by, now_ms: super::now_ms() }, flags, output })
    }

    /// Shows what the last days would have lost under a policy, asks, and writes it in place of the one that was read before.
    pub(super) async fn replace(
        &self,
        before: Option<&Versioned<Policy>>,
        policy: Policy,
        notes: Vec<String>,
    ) -> anyhow::Result<Change> {
        let numbers = self.numbers(before).await?;
        let policy = stamped(policy, numbers.new, &self.author)?;
        let last_days = self.losses(&policy).await?;
        let mut change = Change {
            table: self.table.name().to_owned(),
            version: policy.version,
            is_written: false,
            notes,
            last_days,
            policy,
        };
        self.show(&change);
        if !self.flags.dry_run {
            self.ask(&change)?;
            self.table.replace(before, numbers.kept, &change.policy).await?;
            change.is_written = true;
        }
        Ok(change)
    }

    /// Prints how it ended.
    pub(super) fn print(&self, change: &Change) -> anyhow::Result<()> {
        if let Some(text) = self.output.render(change, || change.text())? {
            say(text);
        }
        Ok(())
    }

    async fn losses(&self, policy: &Policy) -> anyhow::Result<Losses> {
        let mut tally = Tally::new(policy, self.author.now_ms);
        let reading = alerts::each(&self.table, self.author.now_ms, |past| tally.add(&past)).await?;
        Ok(tally.losses(reading))
    }

    /// What the question is about goes where the question goes; without a question, where the result goes.
    fn show(&self, change: &Change) {
        let will_ask = !self.flags.yes && !self.flags.dry_run;
        let text = change.notes.iter().cloned().chain([change.last_days.text()]).collect::<Vec<_>>().join("\n");
        if will_ask {
            eprintln!("{text}");
        } else if !self.output.json && !self.output.quiet {
            say(text);
        }
    }

    fn ask(&self, change: &Change) -> anyhow::Result<()> {
        let question = format!("Write this policy to {} as version {}?", change.table, change.version);
        if self.flags.yes { Ok(()) } else { confirm(&question) }
    }

    /// Numbers that no version has had, whatever was changed by hand: versions that are kept are never overwritten.
    async fn numbers(&self, before: Option<&Versioned<Policy>>) -> anyhow::Result<Numbers> {
        let version = before.map_or(0, |before| before.version);
        if version > 0 && !self.table.has_version(version).await? {
            return Ok(Numbers { kept: version, new: version.saturating_add(1) });
        }
        let newest = self.newest_kept().await?;
        let next = newest.map_or(version, |newest| newest.max(version).saturating_add(1));
        let new = if before.is_some() { next.saturating_add(1) } else { next.max(1) };
        Ok(Numbers { kept: next, new })
    }

    async fn newest_kept(&self) -> anyhow::Result<Option<u64>> {
        let prefix = format!("{}#", layout::POLICY);
        let filter = Filter { expression: "begins_with(id, :kept)", values: vec![(":kept", text(&prefix))] };
        let mut newest = None;
        let version = |item: &Item| text_of(item, layout::ID).strip_prefix(&prefix)?.parse().ok();
        self.table.scan(filter, |item| newest = newest.max(version(&item))).await?;
        Ok(newest)
    }
}

impl Change {
    fn text(&self) -> String {
        if self.is_written {
            format!("Version {} of the policy holds from the next batch on.", self.version)
        } else {
            format!("Nothing was written; it would be version {}.", self.version)
        }
    }
}
