//! `sigma explain`: why there was an alert, and what became of it, as the ledger has it. With an archive the verdict is recomputed, to the
//! bit, by the detector's own code.
//!
//! It reads and never writes. What the archive cannot say, it does not guess: see `backtest::Recomputation`.

mod archive;
mod settings;
#[cfg(test)]
mod tests;
mod text;

use std::path::PathBuf;

use alert_policy::Decision;
use alerter::ledger::layout;
use anomaly_core::AnomalyMessage;
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use crate::label::Label;
use crate::ledger::item::{Item, number_of, text_of};
use crate::ledger::place::Place;
use crate::output::{Output, say};
use crate::policy::alerts::Past;
use crate::policy::store::PolicyTable;
use archive::Check;
use settings::SettingsOptions;

/// Flags of `sigma explain`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Exit codes: 0, also if there is no archive to compare with; 1 if the archive gives another verdict, or the alert or its \
    record is not found.\n\n\
    Examples:\n  \
    sigma explain 0123456789abcdef0123456789abcdef --stack demo\n  \
    sigma explain 0123456789abcdef0123456789abcdef --stack demo --archive archive/2026/\n  \
    sigma explain 0123456789abcdef0123456789abcdef --stack demo --archive archive/2026/ --sigmas 3 --json\n\n\
    docs/audit.md describes what is kept and what is compared."
)]
pub struct Options {
    /// The alert's id, as the message has it.
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    id: String,
    /// Files or folders of the archive, plain or gzip, in the order of arrival; from the user's first record, or from long before the alert.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    archive: Vec<PathBuf>,
    /// The settings that the detector had.
    #[command(flatten)]
    settings: SettingsOptions,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    place: Place,
}

/// What is known of an alert.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Explained {
    id: String,
    table: String,
    /// `claimed`, `published` or `completed`.
    status: String,
    decided_at_ms: i64,
    /// None if nobody was told, or if an earlier release told them.
    published_at_ms: Option<i64>,
    expires_at_seconds: Option<i64>,
    /// Whether it still waits for a summary.
    waits_for_summary: bool,
    /// The alert in one line.
    text: String,
    /// Why it is an anomaly, in words; a plain text says it itself.
    because: Option<String>,
    /// The message; `None` for a plain text.
    message: Option<AnomalyMessage>,
    decision: Decision,
    label: Option<Label>,
    /// Where the response has got to, if there was one.
    response: Option<Response>,
    /// What the archive says, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    archive: Option<Check>,
}

/// The response to an alert. The token of a question that is open stays in the ledger.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    /// When a person was asked, if one was.
    asked_at_ms: Option<i64>,
    /// What was done, as the state machine recorded it; `None` while nobody has answered.
    ended: Option<Value>,
}

/// Explains the alert.
///
/// # Errors
/// If there is no such alert, or the archive does not give the same verdict.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let table = PolicyTable::open(&options.place).await?;
    let mut explained = read(&table, &options.id).await?;
    if !options.archive.is_empty() {
        explained.archive = Some(options.check(&explained)?);
    }
    if let Some(text) = options.output.render(&explained, || text::text(&explained))? {
        say(text);
    }
    explained.archive.as_ref().map_or(Ok(()), Check::outcome)
}

impl Options {
    fn check(&self, explained: &Explained) -> anyhow::Result<Check> {
        let Some(message) = &explained.message else {
            anyhow::bail!("the alert {} is a plain text: it names no record of an archive", self.id)
        };
        let settings = self.settings.detector(message.rule)?;
        archive::check(message, settings, &self.archive, self.output.quiet)
    }
}

/// Reads what the ledger has.
async fn read(table: &PolicyTable, id: &str) -> anyhow::Result<Explained> {
    let item = table.alert(id).await?;
    let past = Past::of(&item);
    let past = past.ok_or_else(|| {
        anyhow::anyhow!(
            "the alert {id} is there, but of a version that this sigma cannot read: use the release that the stack has"
        )
    })?;
    Ok(Explained::new(table.name(), &item, past))
}

impl Response {
    fn of(item: &Item) -> Option<Self> {
        let asked_at_ms = number_of(item, layout::RESPONSE_ASKED_AT);
        let ended = text_of(item, layout::RESPONSE);
        // One that cannot be read is shown as it is.
        let ended = (!ended.is_empty()).then(|| serde_json::from_str(ended).unwrap_or_else(|_| ended.into()));
        (asked_at_ms.is_some() || ended.is_some()).then_some(Self { asked_at_ms, ended })
    }
}

impl Explained {
    fn new(table: &str, item: &Item, Past { alert, decision, decided_at_ms }: Past) -> Self {
        Self {
            id: alert.id.clone(),
            table: table.to_owned(),
            status: text_of(item, layout::STATUS).to_owned(),
            decided_at_ms,
            published_at_ms: number_of(item, layout::PUBLISHED_AT),
            expires_at_seconds: number_of(item, layout::EXPIRES_AT),
            waits_for_summary: item.contains_key(layout::DIGEST_KEY),
            because: alert.because(&decision),
            text: alert.text,
            message: alert.anomaly,
            decision,
            label: Label::of(item),
            response: Response::of(item),
            archive: None,
        }
    }
}
