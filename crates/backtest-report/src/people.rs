//! What people would get of a rule's alerts: figures, messages a day, and what each rule of the policy decided.

use maud::{Markup, html};

use super::chart::{Chart, Pointing, bar, column, key};
use super::format::{count, decimal, formatted, number, percent, signed};
use super::scale::Scale;
use backtest::summary::{AlertCount, AlertingSummary, MessagesOverTime, PeopleSummary, PolicyRuleSummary, Reach};

const DAY_MS: i64 = 86_400_000;

/// The section of one rule.
pub(super) fn section(id: String, people: &PeopleSummary, alerting: Option<&AlertingSummary>) -> Markup {
    html! {
        h2 { "What people would get" }
        @if let Some(alerting) = alerting { p.note { (told(alerting)) } }
        (tiles(people))
        (chart(id, people).render())
        (policy_rules(people))
    }
}

/// How alerts are told, in words.
fn told(alerting: &AlertingSummary) -> Markup {
    let AlertingSummary { policy_version, mode, pages_per_day_max, digest_hours } = *alerting;
    html! {
        @if pages_per_day_max == 0 { "Any number of alerts a day" }
        @else { "At most " strong { (count(u64::from(pages_per_day_max))) } " alerts a day (UTC)" }
        " at once, "
        @if digest_hours == 0 { "no summaries" } @else { "a summary every " (digest_hours) " h for the rest" }
        @match policy_version {
            None => ", no policy.",
            Some(version) => { ", policy version " (version) "." }
        }
        @if mode == alert_policy::Mode::Shadow { " The policy is in shadow mode: nobody is told anything." }
    }
}

fn tiles(people: &PeopleSummary) -> Markup {
    let told_at_once = people.episodes.and_then(|reach| share(&reach, reach.at_once));
    let is_hushed = people.silent.alerts + people.shadow.alerts > 0;
    let tiles = [
        (Some(decimal(people.messages.mean)), "messages a day to one person"),
        (Some(count(people.messages.max)), "on the worst day"),
        (Some(decimal(people.messages_without.mean)), "a day if every alert were a message"),
        (Some(count(people.pages.alerts)), "alerts told at once"),
        (Some(count(people.digest.alerts)), "alerts in a summary"),
        (is_hushed.then(|| count(people.silent.alerts)), "alerts silent"),
        (is_hushed.then(|| count(people.shadow.alerts)), "alerts in shadow"),
        (told_at_once, "of labelled episodes told at once"),
        (people.episodes.and_then(|reach| share(&reach, reach.in_summary)), "only in a summary"),
        (people.episodes.and_then(|reach| share(&reach, reach.never)), "never"),
    ];
    html! {
        dl.tiles {
            @for (value, name) in tiles {
                @if let Some(value) = value { div { dt { (name) } dd { (value) } } }
            }
        }
    }
}

/// A part of the episodes; `None` if there are none.
fn share(reach: &Reach, part: u64) -> Option<String> {
    let total = reach.at_once + reach.in_summary + reach.never;
    (total > 0).then(|| percent(number(part) / number(total)))
}

/// Messages a day, as told and if every alert were a message.
fn chart(id: String, people: &PeopleSummary) -> Chart {
    let over_time = &people.over_time;
    let bins = over_time.with.len().min(over_time.without.len());
    let most = (0..bins).flat_map(|bin| [with(over_time, bin), without(over_time, bin)]).fold(0.0, f64::max);
    let x = Scale::time(over_time.start_ms, edge_ms(over_time, bins));
    let y = Scale::linear(0.0, most.max(1.0) * 1.05);
    let mark = |bin: usize| {
        let range = (signed(edge_ms(over_time, bin)), signed(edge_ms(over_time, bin + 1)));
        let bars = html! {
            (bar("usual", &x, &y, range, without(over_time, bin)))
            (bar("alerts", &x, &y, range, with(over_time, bin)))
        };
        column(&x, range, &bars)
    };
    let row = |bin: usize| {
        let day = formatted(edge_ms(over_time, bin), "%Y-%m-%d");
        vec![day, decimal(with(over_time, bin)), decimal(without(over_time, bin))]
    };
    Chart {
        id,
        title: html! { "Messages a day to one person" },
        note: html! {
            @if over_time.bin_days > 1 { "Each column is the mean of " (over_time.bin_days) " days." } @else { "Each column is a day (UTC)." }
        },
        x,
        y,
        x_title: "Event time, UTC".to_owned(),
        y_title: "Messages a day".to_owned(),
        legend: vec![key("alerts", "as told"), key("usual", "if every alert were a message")],
        pointing: Pointing::Column,
        backdrop: html! {},
        marks: (0..bins).map(mark).collect(),
        columns: vec!["From", "As told", "Every alert"],
        rows: (0..bins).map(row).collect(),
    }
}

fn with(over_time: &MessagesOverTime, bin: usize) -> f64 {
    mean(over_time, bin, &over_time.with)
}

fn without(over_time: &MessagesOverTime, bin: usize) -> f64 {
    mean(over_time, bin, &over_time.without)
}

/// The mean over the days of a bin.
fn mean(over_time: &MessagesOverTime, bin: usize, counts: &[u64]) -> f64 {
    let days = days_before(over_time, bin + 1) - days_before(over_time, bin);
    number(counts.get(bin).copied().unwrap_or(0)) / number(days.max(1))
}

/// When a bin begins.
fn edge_ms(over_time: &MessagesOverTime, bin: usize) -> i64 {
    let days = i64::try_from(days_before(over_time, bin)).unwrap_or(i64::MAX);
    over_time.start_ms.saturating_add(days.saturating_mul(DAY_MS))
}

/// Days before a bin; the last one ends with the input.
fn days_before(over_time: &MessagesOverTime, bin: usize) -> u64 {
    let bins = u64::try_from(bin).unwrap_or(u64::MAX);
    over_time.bin_days.saturating_mul(bins).min(over_time.days)
}

/// What each rule of the policy decided.
fn policy_rules(people: &PeopleSummary) -> Markup {
    html! {
        @if !people.policy_rules.is_empty() {
            h3 { "Rules of the policy" }
            div.scroll tabindex="0" {
                table {
                    thead {
                        tr { @for column in columns(people) { th scope="col" { (column) } } }
                    }
                    tbody { @for rule in &people.policy_rules { (policy_rule(rule, people)) } }
                }
            }
        }
    }
}

fn columns(people: &PeopleSummary) -> impl Iterator<Item = &'static str> {
    let labelled = people.episodes.map(|_| "Labelled");
    ["Rule", "Then", "Alerts"].into_iter().chain(labelled)
}

fn policy_rule(rule: &PolicyRuleSummary, people: &PeopleSummary) -> Markup {
    let AlertCount { alerts, labelled } = rule.count;
    html! {
        tr {
            th scope="row" { bdi { (rule.id) } }
            td { (rule.then.as_str()) }
            td { (count(alerts)) }
            @if people.episodes.is_some() { td { (count(labelled)) } }
        }
    }
}
