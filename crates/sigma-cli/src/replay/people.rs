//! What people would get, as rows of the table.

use alert_policy::Mode;
use backtest::BacktestSummary;
use backtest::summary::{AlertCount, AlertingSummary, MessagesPerDay, PeopleSummary, Reach};

use super::table::number;

/// A row: its name, and its text for each rule.
type Row = (&'static str, fn(&PeopleSummary) -> String);

const ROWS: [Row; 4] = [
    ("Messages a day to one person: mean, most", |people| messages(people.messages)),
    ("  if every alert were one", |people| messages(people.messages_without)),
    ("  alerts told at once, in a summary", |people| format!("{}, {}", people.pages.alerts, people.digest.alerts)),
    ("  silent, shadow", |people| format!("{}, {}", people.silent.alerts, people.shadow.alerts)),
];

const LABELLED_ROWS: [Row; 2] = [
    ("Episodes told at once, in a summary, never", |people| reach(people.episodes)),
    ("Labelled users, likewise", |people| reach(people.labelled_users)),
];

/// The rows, each with one cell a rule. None if the summary does not say.
pub(super) fn rows(summary: &BacktestSummary) -> Vec<Vec<String>> {
    let people: Vec<&PeopleSummary> = summary.rules.iter().filter_map(|rule| rule.people.as_ref()).collect();
    let is_labelled = people.iter().any(|people| people.episodes.is_some());
    let labelled = LABELLED_ROWS.iter().filter(|_| is_labelled);
    let row = |(name, cell): &Row| cells((*name).to_owned(), people.iter().map(|people| cell(people)));
    let rows = ROWS.iter().chain(labelled).map(row);
    let rules = people.iter().map(|people| people.policy_rules.len()).max().unwrap_or(0);
    rows.chain((0..rules).map(|place| policy_rule(place, is_labelled, &people)))
        .filter(|_| !people.is_empty())
        .collect()
}

/// How alerts are told, in a line.
pub(super) fn heading(alerting: &AlertingSummary) -> String {
    let AlertingSummary { policy_version, mode, pages_per_day_max, digest_hours } = alerting;
    let policy = match (policy_version, mode) {
        (None, _) => "no policy".to_owned(),
        (Some(version), Mode::Live) => format!("policy version {version}"),
        (Some(version), Mode::Shadow) => format!("policy version {version}, which is in shadow mode: nobody is told"),
    };
    let pages =
        if *pages_per_day_max == 0 { "any number of".to_owned() } else { format!("at most {pages_per_day_max}") };
    let summaries =
        if *digest_hours == 0 { "no summaries".to_owned() } else { format!("a summary every {digest_hours} h") };
    format!("People get {pages} alerts a day at once, and {summaries}; {policy}")
}

/// What a rule of the policy decided.
fn policy_rule(place: usize, is_labelled: bool, people: &[&PeopleSummary]) -> Vec<String> {
    let rules = || people.iter().filter_map(|people| people.policy_rules.get(place));
    let name = rules().next().map(|rule| format!("Policy: {} ({})", rule.id, rule.then.as_str())).unwrap_or_default();
    let text = |AlertCount { alerts, labelled }: AlertCount| {
        let labelled = if is_labelled { format!(", {labelled} labelled") } else { String::new() };
        format!("{alerts} alerts{labelled}")
    };
    cells(name, rules().map(|rule| text(rule.count)))
}

fn cells(name: String, texts: impl Iterator<Item = String>) -> Vec<String> {
    std::iter::once(name).chain(texts).collect()
}

fn messages(MessagesPerDay { mean, max }: MessagesPerDay) -> String {
    format!("{}, {max}", number(mean))
}

fn reach(reach: Option<Reach>) -> String {
    reach.map_or_else(
        || "–".to_owned(),
        |Reach { at_once, in_summary, never }| format!("{at_once}, {in_summary}, {never}"),
    )
}
