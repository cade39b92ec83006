//! `sigma feedback`: says what an alert was. The label goes into the alert's item of the ledger, with who gave it, when and why.
//!
//! A label changes nothing by itself: `sigma export-labels` hands labels to replay and training, which propose, and people decide. What
//! `--allow` does is separate, said apart, and the work of `sigma policy allow`.

mod store;
#[cfg(test)]
mod tests;

use alert_policy::Rule;
use clap::Args;
use serde::Serialize;

use crate::label::{Judgement, Label};
use crate::ledger::place::Place;
use crate::output::{Output, say};
use crate::parse::seconds;
use crate::policy::alerts::Past;
use crate::policy::allow::{Listed, allow, entry};
use crate::policy::draft::{Author, why};
use crate::policy::store::PolicyTable;

/// Flags of `sigma feedback`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    sigma feedback 0123456789abcdef0123456789abcdef fraud --why \"the customer disputes it\" --stack demo\n  \
    sigma feedback 0123456789abcdef0123456789abcdef legitimate --why \"a new car, ticket 42\" --allow 30d --stack demo\n\n\
    docs/audit.md describes labels and what becomes of them.")]
pub struct Options {
    /// The alert's id, as the message has it.
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    id: String,
    /// What it was.
    label: Judgement,
    /// The reason, for whoever reads it in half a year.
    #[arg(long, value_name = "TEXT", value_parser = why)]
    why: String,
    /// Also silence the user for this long, such as 30d, as `sigma policy allow` does; only with legitimate.
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    allow: Option<f64>,
    /// Silence the user only at the alert's merchant.
    #[arg(long, requires = "allow")]
    same_merchant: bool,
    /// Show what would happen, and write nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    place: Place,
}

/// What a person says.
#[derive(Debug, Clone, Copy)]
struct Feedback<'a> {
    id: &'a str,
    label: Judgement,
    why: &'a str,
    /// For how long to silence the user, in seconds.
    allow: Option<f64>,
    is_same_merchant: bool,
    is_dry_run: bool,
}

/// What became of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Noted {
    id: String,
    /// Whether it was written; not in a dry run.
    is_written: bool,
    #[serde(flatten)]
    label: Label,
    /// The label before, which this one replaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced: Option<Label>,
    /// What is listed for the user then, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    listed: Option<Listed>,
}

/// Writes the label.
///
/// # Errors
/// Says what went wrong and what to do next.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    options.check()?;
    let (table, by) = PolicyTable::open_with_caller(&options.place).await?;
    let author = Author { by, now_ms: jiff::Timestamp::now().as_millisecond() };
    let noted = note(&table, &author, options.feedback()).await?;
    if let Some(text) = options.output.render(&noted, || noted.text())? {
        say(text);
    }
    Ok(())
}

impl Options {
    fn check(&self) -> anyhow::Result<()> {
        if self.allow.is_some() && self.label != Judgement::Legitimate {
            let message = "--allow silences a user whose alert was legitimate; it does not go with another label\n";
            return Err(clap::Error::raw(clap::error::ErrorKind::ArgumentConflict, message).into());
        }
        Ok(())
    }

    fn feedback(&self) -> Feedback<'_> {
        Feedback {
            id: &self.id,
            label: self.label,
            why: &self.why,
            allow: self.allow,
            is_same_merchant: self.same_merchant,
            is_dry_run: self.dry_run,
        }
    }
}

/// Writes the label, and then what is listed for the user.
async fn note(table: &PolicyTable, author: &Author, feedback: Feedback<'_>) -> anyhow::Result<Noted> {
    let Feedback { id, label, why, is_dry_run, .. } = feedback;
    let item = table.alert(id).await?;
    // Refused before anything is written.
    let new = feedback.entry(Past::of(&item).as_ref(), author)?;
    let label = Label { judgement: label, by: author.by.clone(), at_ms: author.now_ms, why: why.to_owned() };
    let replaced = if is_dry_run { Label::of(&item) } else { table.label(id, &label).await? };
    let listed = match new {
        None => None,
        Some((user_id, entry)) => Some(list(table, (&user_id, entry), author, is_dry_run).await?),
    };
    Ok(Noted { id: id.to_owned(), is_written: !is_dry_run, label, replaced, listed })
}

async fn list(
    table: &PolicyTable,
    (user_id, entry): (&str, Rule),
    author: &Author,
    is_dry_run: bool,
) -> anyhow::Result<Listed> {
    let label = if is_dry_run { "nothing is written" } else { "the label is written, and nothing is listed" };
    let listed = allow(table, (user_id, Some(entry)), author, is_dry_run).await;
    listed.map_err(|error| error.context(format!("{label}; `sigma policy allow {user_id}` lists alone")))
}

impl Feedback<'_> {
    /// The user and the entry to list, if that is asked for.
    fn entry(&self, past: Option<&Past>, author: &Author) -> anyhow::Result<Option<(String, Rule)>> {
        let Some(seconds) = self.allow else { return Ok(None) };
        let anomaly = past.and_then(|past| past.alert.anomaly.as_ref());
        let Some(anomaly) = anomaly else {
            anyhow::bail!(
                "the alert {} names no user in a form that can be read, so that nobody can be listed",
                self.id
            )
        };
        let merchant = anomaly.merchant_id.as_deref().filter(|_| self.is_same_merchant);
        anyhow::ensure!(
            merchant.is_some() || !self.is_same_merchant,
            "the alert {} names no merchant: leave --same-merchant out, or use `sigma policy allow`",
            self.id
        );
        Ok(Some((anomaly.user_id.clone(), entry(merchant, seconds, self.why, author)?)))
    }
}

impl Noted {
    fn text(&self) -> String {
        let head = if self.is_written { "Labelled" } else { "Nothing was written; it would label" };
        let mut lines = vec![format!("{head} {} as {}.", self.id, self.label.judgement.as_str())];
        lines.extend(self.replaced.as_ref().map(|before| format!("It replaces {}", before.in_words())));
        lines.extend(self.listed.as_ref().map(Listed::text));
        lines.join("\n")
    }
}
