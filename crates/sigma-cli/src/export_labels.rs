//! `sigma export-labels`: what people said of alerts, as a file that `sigma replay` and `sigma train` join to an archive.
//!
//! `unsure` says nothing about a transaction and is left out, and so is an alert of the plain-text contract: it names no transaction.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anomaly_core::AnomalyMessage;
use aws_sdk_dynamodb::types::AttributeValue;
use clap::Args;
use serde::Serialize;

use crate::files;
use crate::label::{Judgement, Label};
use crate::ledger::item::Item;
use crate::ledger::place::Place;
use crate::output::{Output, say};
use crate::parse::seconds;
use crate::policy::alerts::message_of;
use crate::policy::store::{Filter, PolicyTable};
use crate::progress::Counting;
use crate::times::time;

/// Flags of `sigma export-labels`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "It reads the whole table of the ledger.\n\n\
    Example:\n  \
    sigma export-labels --since 90d --out labels.jsonl --stack demo\n  \
    sigma replay --input archive/2026/ --labels labels.jsonl\n  \
    sigma train archive/2026/ --labels labels.jsonl --out model/model.json\n\n\
    docs/audit.md describes the file.")]
pub struct Options {
    /// Only of alerts decided this long ago or less, such as 90d [default: all that the ledger has].
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    since: Option<f64>,
    /// File to write: a label a line, as JSON.
    #[arg(long, short, value_name = "FILE.jsonl")]
    out: PathBuf,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    place: Place,
}

/// A line of the file. The fields up to `label` are those by which it is joined.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_id: Option<String>,
    user_id: String,
    timestamp: i64,
    amount: f64,
    label: Judgement,
    alert_id: String,
    by: String,
    at: String,
    why: String,
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Exported {
    file: String,
    fraud: u64,
    legitimate: u64,
    /// Labels that say nothing.
    unsure: u64,
    /// Labels of alerts that name no transaction, or of another version.
    unusable: u64,
    /// Whether the whole table was read.
    is_complete: bool,
}

/// Writes the file.
///
/// # Errors
/// Says what went wrong and what to do next.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let table = PolicyTable::open(&options.place).await?;
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let since_ms = options.since.map(|seconds| now_ms.saturating_sub(ms(seconds)));
    let exported = export(&table, since_ms, &options.out, options.output.quiet).await?;
    if let Some(text) = options.output.render(&exported, || exported.text())? {
        say(text);
    }
    Ok(())
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "`as` saturates: longer ago than ever is all"
)]
fn ms(seconds: f64) -> i64 {
    (seconds * 1_000.0) as i64
}

/// Writes the labels of alerts decided since a time, in ms since the epoch, in the order of their transactions.
async fn export(table: &PolicyTable, since_ms: Option<i64>, out: &Path, is_quiet: bool) -> anyhow::Result<Exported> {
    let (mut exported, mut lines) = (Exported { file: out.display().to_string(), ..Exported::default() }, Vec::new());
    let mut counting = Counting::new("items of the ledger", is_quiet);
    let each = |item: Item| lines.extend(exported.line(&item));
    let is_complete = table.scan_counted(filter(since_ms), each, |items| counting.advance(items)).await?;
    counting.finish();
    exported.is_complete = is_complete;
    anyhow::ensure!(
        !lines.is_empty(),
        "the ledger {} has no label to export{}: give some with `sigma feedback`",
        table.name(),
        if exported.unsure > 0 { ", only some that are unsure" } else { "" }
    );
    lines.sort_by(|a, b| (a.timestamp, &a.alert_id).cmp(&(b.timestamp, &b.alert_id)));
    let json = lines.iter().map(|line| Ok(serde_json::to_string(line)? + "\n"));
    files::write(out, &json.collect::<anyhow::Result<String>>()?)?;
    Ok(exported)
}

fn filter(since_ms: Option<i64>) -> Filter {
    let Some(since_ms) = since_ms else {
        return Filter { expression: "attribute_exists(labelAt)", values: Vec::new() };
    };
    Filter {
        expression: "attribute_exists(labelAt) AND decidedAt >= :since",
        values: vec![(":since", AttributeValue::N(since_ms.to_string()))],
    }
}

impl Exported {
    /// Counts a label, and gives its line if it says something.
    fn line(&mut self, item: &Item) -> Option<Line> {
        let (label, message) = (Label::of(item), message_of(item));
        let (Some(label), Some(message)) = (label, message) else {
            self.unusable += 1;
            return None;
        };
        match label.judgement {
            Judgement::Fraud => self.fraud += 1,
            Judgement::Legitimate => self.legitimate += 1,
            Judgement::Unsure => {
                self.unsure += 1;
                return None;
            }
        }
        Some(Line::new(message, label))
    }

    fn text(&self) -> String {
        let Self { file, fraud, legitimate, unsure, unusable, is_complete } = self;
        let mut lines =
            vec![format!("Wrote {} labels to {file}: {fraud} fraud, {legitimate} legitimate.", fraud + legitimate)];
        if *unsure > 0 {
            lines.push(format!("{unsure} are unsure and are left out."));
        }
        if *unusable > 0 {
            lines.push(format!("Warning: {unusable} name no transaction that this version can read and are left out."));
        }
        if !is_complete {
            lines.push("Warning: the table is too large; only a part of it was read.".to_owned());
        }
        lines.join("\n")
    }
}

impl Line {
    fn new(message: AnomalyMessage, label: Label) -> Self {
        Self {
            transaction_id: message.transaction_id,
            user_id: message.user_id,
            timestamp: message.event_time_ms,
            amount: message.amount,
            label: label.judgement,
            alert_id: message.id.to_string(),
            by: label.by,
            at: time(label.at_ms),
            why: label.why,
        }
    }
}
