//! `sigma policy silence`: a rule before all others that silences what matches, for a time.

use alert_policy::{Pattern, Policy, Rule, utc_day};
use clap::Args;

use super::draft::{of_merchant, pattern, silencing, why};
use super::editor::{Change, Editor, WriteFlags};
use crate::ledger::place::Place;
use crate::output::Output;
use crate::parse::seconds;

/// What to silence.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
struct Subject {
    /// The alerts of one merchant.
    #[arg(long, value_name = "MERCHANT")]
    merchant: Option<String>,
    /// The alerts that match a pattern, such as `{"merchantId":["m12"]}`.
    #[arg(long = "match", value_name = "JSON", value_parser = pattern)]
    pattern: Option<Pattern>,
}

/// Flags of `sigma policy silence`.
#[derive(Debug, Clone, Args)]
pub(super) struct Options {
    #[command(flatten)]
    subject: Subject,
    /// For how long, such as 30d; a year at most.
    #[arg(long = "for", value_name = "DURATION", value_parser = seconds)]
    duration: f64,
    /// The reason, for whoever reads it in half a year.
    #[arg(long, value_name = "TEXT", value_parser = why)]
    why: String,
    /// The rule's name in decisions [default: silence-DAY].
    #[arg(long)]
    id: Option<String>,
    #[command(flatten)]
    flags: WriteFlags,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    place: Place,
}

/// Adds the rule.
pub(super) async fn run(options: &Options) -> anyhow::Result<()> {
    let editor = Editor::open(&options.place, options.flags, options.output).await?;
    let pattern = match &options.subject.merchant {
        Some(merchant) => Some(of_merchant(merchant)?),
        None => options.subject.pattern.clone(),
    };
    let rule = silencing(pattern, options.duration, &options.why, &editor.author)?;
    let change = silence(&editor, Rule { id: options.id.clone().unwrap_or_default(), ..rule }).await?;
    editor.print(&change)
}

/// Adds a rule before all others. Without an id it gets one.
pub(super) async fn silence(editor: &Editor, rule: Rule) -> anyhow::Result<Change> {
    let before = editor.table.policy().await?;
    let policy = match before.as_ref().map(|before| &before.content) {
        None => Policy::default(),
        Some(Ok(policy)) => policy.clone(),
        Some(Err(error)) => anyhow::bail!(
            "the stored policy cannot be read, so that no rule can be added: {error}. Replace it with `sigma policy set FILE`"
        ),
    };
    let (policy, notes) = without_ended(policy, editor.author.now_ms);
    let policy = with_rule(policy, rule, &utc_day(editor.author.now_ms));
    editor.replace(before.as_ref(), policy, notes).await
}

/// What has ended decides nothing, and a policy with it would be refused.
fn without_ended(mut policy: Policy, now_ms: i64) -> (Policy, Vec<String>) {
    let (rules, ended): (Vec<Rule>, Vec<Rule>) = policy.rules.into_iter().partition(|rule| rule.until.holds_at(now_ms));
    policy.rules = rules;
    let note = |rule: &Rule| format!("The rule \"{}\" ended on {} and is removed.", rule.id, rule.until.as_str());
    (policy, ended.iter().map(note).collect())
}

fn with_rule(mut policy: Policy, mut rule: Rule, day: &str) -> Policy {
    if rule.id.is_empty() {
        rule.id = free_id(&policy, day);
    }
    policy.rules.insert(0, rule);
    policy
}

/// `silence-2026-11-29`, or the first of `silence-2026-11-29-2` and so on that no rule has.
fn free_id(policy: &Policy, day: &str) -> String {
    let first = format!("silence-{day}");
    let next = (2..=policy.rules.len() + 2).map(|number| format!("{first}-{number}"));
    let is_free = |id: &String| policy.rules.iter().all(|rule| rule.id != *id);
    std::iter::once(first.clone()).chain(next).find(is_free).unwrap_or(first)
}
