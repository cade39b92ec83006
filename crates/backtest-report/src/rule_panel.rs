//! The findings of each rule, in a panel of its own. One panel is shown at a time.

use maud::{Markup, html};

use super::format::{count, decimal, money, percent, second};
use super::{people, scores, series, timeline};
use backtest::summary::{BacktestSummary, Flag, RuleSummary};

/// Maximum number of users drawn, over all rules: the page should stay below a few MB.
const SERIES_MAX: usize = 18;
const SERIES_PER_RULE_MIN: usize = 2;
/// Maximum number of flagged transactions listed.
const FLAGS_MAX: usize = 20;

/// The panels, and the choice between them if there are several.
pub(super) fn sections(summary: &BacktestSummary) -> Markup {
    let series_max = (SERIES_MAX / summary.rules.len().max(1)).max(SERIES_PER_RULE_MIN);
    html! {
        @if summary.rules.len() > 1 {
            fieldset.choice {
                legend { "Rule shown below" }
                @for (number, rule) in summary.rules.iter().enumerate() {
                    span {
                        input type="radio" name="rule" id=(format!("rule-{number}")) checked[number == 0];
                        label for=(format!("rule-{number}")) { (rule.label) }
                    }
                }
            }
        }
        @for (number, rule) in summary.rules.iter().enumerate() { (panel(number, rule, summary, series_max)) }
    }
}

fn panel(number: usize, rule: &RuleSummary, summary: &BacktestSummary, series_max: usize) -> Markup {
    html! {
        section class=(format!("panel panel-{number}")) {
            h2 { (rule.label) }
            (tiles(rule))
            div.grid {
                (timeline::chart(format!("timeline-{number}"), rule, &summary.timeline).render())
                (scores::chart(format!("scores-{number}"), rule).render())
            }
            @if let Some(people) = &rule.people {
                (people::section(format!("messages-{number}"), people, summary.alerting.as_ref()))
            }
            @if !rule.series.is_empty() {
                h2 { "The busiest users" }
                div.grid {
                    @for (place, user) in rule.series.iter().take(series_max).enumerate() {
                        (series::chart(format!("series-{number}-{place}"), user).render())
                    }
                }
            }
            (noisiest(rule))
            (flags(&rule.top_flags))
        }
    }
}

fn tiles(rule: &RuleSummary) -> Markup {
    let quality = rule.detection.as_ref().map(|detection| &detection.quality);
    let share = |share: Option<f64>| share.map(percent);
    let tiles = [
        (Some(count(rule.alerts)), "alerts"),
        (Some(decimal(rule.alerts_per_day)), "alerts per day"),
        (Some(decimal(rule.alerts_per_1000)), "alerts per 1,000 transactions"),
        (Some(percent(rule.users_alerted_share)), "of users with an alert"),
        (share(quality.and_then(|quality| quality.precision)), "precision"),
        (share(quality.and_then(|quality| quality.recall)), "recall"),
    ];
    html! {
        dl.tiles {
            @for (value, name) in tiles {
                @if let Some(value) = value { div { dt { (name) } dd { (value) } } }
            }
        }
    }
}

fn noisiest(rule: &RuleSummary) -> Markup {
    html! {
        @if !rule.noisiest_users.is_empty() {
            h2 { "Users with the most alerts" }
            div.scroll tabindex="0" {
                table {
                    thead { tr { th scope="col" { "User" } th scope="col" { "Alerts" } th scope="col" { "Transactions" } } }
                    tbody {
                        @for user in &rule.noisiest_users {
                            tr { th scope="row" { bdi { (user.user_id) } } td { (count(user.alerts)) } td { (count(user.transactions)) } }
                        }
                    }
                }
            }
        }
    }
}

fn flags(flags: &[Flag]) -> Markup {
    let has_words = flags.iter().any(|flag| flag.because.is_some());
    html! {
        @if !flags.is_empty() {
            h2 { "The most remarkable transactions" }
            div.scroll tabindex="0" {
                table {
                    thead {
                        tr {
                            @for column in ["User", "Event time", "Amount", "Mean", "Threshold", "Score", "Severity"] {
                                th scope="col" { (column) }
                            }
                            @if has_words { th.words scope="col" { "In words" } }
                        }
                    }
                    tbody { @for flag in flags.iter().take(FLAGS_MAX) { (flag_row(flag, has_words)) } }
                }
            }
        }
    }
}

fn flag_row(flag: &Flag, has_words: bool) -> Markup {
    html! {
        tr {
            th scope="row" { bdi { (flag.user_id) } }
            td { (second(flag.timestamp)) }
            td { (money(flag.amount)) }
            td { (money(flag.mean)) }
            td { (money(flag.threshold)) }
            td { (decimal(flag.score)) }
            td { (flag.severity.as_str()) }
            @if has_words { td.words { @if let Some(because) = &flag.because { bdi { (because) } } } }
        }
    }
}
