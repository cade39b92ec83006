//! `sigma policy show`: the policy in force, what is listed for users, and the versions before.

use alert_policy::{Mode, Policy, Rule, UserEntries};
use alerter::ledger::layout;
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::store::{Filter, Item, PolicyTable, Versioned, text, text_of};
use crate::ledger::place::Place;
use crate::output::{Output, say};

const DEFAULTS: &str = "There is no policy. Without one, critical alerts are told at once, at most PagesPerDayMax a day (UTC), and \
                        the rest in a summary every DigestHours; with DigestHours=0 every alert is told at once.\n\
                        Write one with `sigma policy set FILE`.";

/// Flags of `sigma policy show`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "It reads the whole table of the ledger, to find the users for whom something is listed.")]
pub(super) struct Options {
    /// Also the versions before.
    #[arg(long)]
    versions: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    place: Place,
}

/// What is stored.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    table: String,
    /// The policy in force, if there is one.
    #[serde(flatten)]
    pub(super) in_force: Option<Edition>,
    /// What is listed for users, by user.
    pub(super) users: Vec<Listed>,
    /// The versions before, the newest first, if they were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) versions: Vec<Edition>,
}

/// A version of the policy.
#[derive(Debug, Serialize)]
pub(super) struct Edition {
    pub(super) version: u64,
    pub(super) policy: Option<Policy>,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unreadable: Option<String>,
}

/// What is listed for one user.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    pub(super) user_id: String,
    pub(super) entries: Vec<Rule>,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unreadable: Option<String>,
}

/// Shows what is stored.
pub(super) async fn run(options: &Options) -> anyhow::Result<()> {
    let table = PolicyTable::open(&options.place).await?;
    let shown = read(&table, options.versions).await?;
    if let Some(text) = options.output.render(&shown, || shown.text(super::now_ms()))? {
        say(text);
    }
    Ok(())
}

/// Reads what is stored.
pub(super) async fn read(table: &PolicyTable, with_versions: bool) -> anyhow::Result<Shown> {
    let in_force = table.policy().await?.map(Edition::of);
    let (user, kept) = (layout::user(""), format!("{}#", layout::POLICY));
    let filter = Filter {
        expression: "begins_with(id, :user) OR begins_with(id, :kept)",
        values: vec![(":user", text(&user)), (":kept", text(&kept))],
    };
    let (mut users, mut versions) = (Vec::new(), Vec::new());
    let each = |item: Item| match text_of(&item, layout::ID).strip_prefix(&user).map(str::to_owned) {
        Some(user_id) => users.push(Listed::of(user_id, item)),
        None => versions.push(Edition::of(Versioned::read(item, layout::POLICY, Policy::parse))),
    };
    table.scan(filter, each).await?;
    users.retain(|user| !user.entries.is_empty() || user.unreadable.is_some());
    users.sort_by(|a, b| a.user_id.cmp(&b.user_id));
    versions.retain(|_| with_versions);
    versions.sort_by_key(|edition| std::cmp::Reverse(edition.version));
    Ok(Shown { table: table.name().to_owned(), in_force, users, versions })
}

impl Edition {
    fn of(stored: Versioned<Policy>) -> Self {
        let version = stored.version;
        match stored.content {
            Ok(policy) => Self { version, policy: Some(policy), unreadable: None },
            Err(error) => Self { version, policy: None, unreadable: Some(error.to_string()) },
        }
    }

    fn title(&self) -> String {
        let Self { version, policy, unreadable } = self;
        match (policy, unreadable) {
            (Some(policy), _) => format!("version {version}, by {}, {}", policy.by, policy.at),
            (None, reason) => format!("version {version} cannot be read: {}", reason.as_deref().unwrap_or_default()),
        }
    }
}

impl Listed {
    fn of(user_id: String, item: Item) -> Self {
        match Versioned::read(item, layout::ENTRIES, UserEntries::parse).content {
            Ok(listed) => Self { user_id, entries: listed.entries, unreadable: None },
            Err(error) => Self { user_id, entries: Vec::new(), unreadable: Some(error.to_string()) },
        }
    }

    fn lines(&self) -> Vec<String> {
        let Self { user_id, entries, unreadable } = self;
        let entries = entries.iter().map(|entry| format!("  {user_id}: {}", in_words(entry)));
        let unreadable = unreadable.iter().map(|error| {
            format!("  {user_id} cannot be read: {error}. Take it back with `sigma policy allow {user_id} --remove`")
        });
        entries.chain(unreadable).collect()
    }
}

impl Shown {
    /// For people.
    pub(super) fn text(&self, now_ms: i64) -> String {
        let mut lines = match &self.in_force {
            None => vec![DEFAULTS.to_owned()],
            Some(edition) => {
                let title = format!("Policy in {}: {}", self.table, edition.title());
                let hint = "Alerts are told as without a policy. Write one with `sigma policy set FILE`.".to_owned();
                let body = edition.policy.as_ref().map_or_else(|| vec![hint], |policy| body(policy, now_ms));
                std::iter::once(title).chain(body).collect()
            }
        };
        section(&mut lines, "Listed for users, before any rule:", self.users.iter().flat_map(Listed::lines).collect());
        let versions = self.versions.iter().map(|edition| format!("  {}", edition.title())).collect();
        section(&mut lines, "Versions before:", versions);
        lines.join("\n")
    }
}

fn section(lines: &mut Vec<String>, title: &str, content: Vec<String>) {
    if !content.is_empty() {
        lines.push(title.to_owned());
        lines.extend(content);
    }
}

fn body(policy: &Policy, now_ms: i64) -> Vec<String> {
    let Policy { mode, page, digest, rules, .. } = policy;
    let mode = match mode {
        Mode::Live => "live",
        Mode::Shadow => "shadow: nobody is told",
    };
    let score = page.score.map_or_else(String::new, |score| format!(" with a score of {score} or more"));
    let per_day = match page.per_day {
        None => "at most PagesPerDayMax a day (UTC)".to_owned(),
        Some(0) => "any number a day".to_owned(),
        Some(pages) => format!("at most {pages} a day (UTC)"),
    };
    let mut lines = vec![
        format!("  mode    {mode}"),
        format!("  page    from {} on{score}, {per_day}", page.severity.as_str()),
        format!("  digest  the {} most urgent in words", digest.top),
    ];
    let rule = |rule: &Rule| {
        let ended = if rule.until.holds_at(now_ms) { "" } else { " (ended)" };
        format!("  {}{ended}: {}", rule.id, in_words(rule))
    };
    section(&mut lines, "Rules, the first that matches decides:", rules.iter().map(rule).collect());
    lines
}

/// A rule in one line.
pub(super) fn in_words(rule: &Rule) -> String {
    let pattern =
        rule.pattern.clone().map_or_else(|| "everything".to_owned(), |pattern| Value::from(pattern).to_string());
    let by = if rule.by.is_empty() { String::new() } else { format!(" (by {})", rule.by) };
    format!("{} until {}, {pattern}: {}{by}", rule.then.as_str(), rule.until.as_str(), rule.why)
}
