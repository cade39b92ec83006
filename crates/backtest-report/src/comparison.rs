//! The rules side by side.

use maud::{Markup, html};

use super::curves;
use super::format::{count, decimal, duration, percent, percent_or_dash};
use backtest::summary::{BacktestSummary, Detection, Quality, RuleSummary};

/// A table of the rules, and the curves of the sweep.
pub(super) fn section(summary: &BacktestSummary) -> Markup {
    let has_label = summary.rules.iter().any(|rule| rule.detection.is_some());
    let title = if summary.rules.len() > 1 { "The rules compared" } else { "The rule" };
    html! {
        section {
            h2 { (title) }
            div.scroll tabindex="0" {
                table.rules {
                    thead { tr { @for column in columns(has_label) { th scope="col" { (column) } } } }
                    tbody {
                        @for rule in &summary.rules {
                            tr { th scope="row" { (rule.label) } @for cell in cells(rule, has_label) { td { (cell) } } }
                        }
                    }
                }
            }
            p.note {
                "Merged: alerts per day if those of one user within 24 hours are one."
                @if has_label { " At equal alerts: F1 of the rule if its threshold gave as many alerts as the first rule raises." }
            }
            div.grid {
                @if let Some(chart) = curves::precision_by_recall(&summary.rules) { (chart.render()) }
                @if let Some(chart) = curves::alerts_by_sigmas(&summary.rules) { (chart.render()) }
            }
        }
    }
}

fn columns(has_label: bool) -> Vec<&'static str> {
    let mut columns = vec!["Rule", "Alerts", "per day", "merged", "per 1,000", "Users alerted", "Not judged"];
    if has_label {
        columns.extend(["Precision", "Recall", "F1", "at equal alerts", "False per 1,000", "Delay"]);
    }
    columns
}

fn cells(rule: &RuleSummary, has_label: bool) -> Vec<String> {
    let mut cells = vec![
        count(rule.alerts),
        decimal(rule.alerts_per_day),
        decimal(rule.alerts_per_day_merged),
        decimal(rule.alerts_per_1000),
        percent(rule.users_alerted_share),
        percent(rule.warming_up_share),
    ];
    if has_label {
        cells.extend(
            rule.detection
                .as_ref()
                .map_or_else(|| vec!["–".to_owned(); 6], |detection| detection_cells(rule, detection)),
        );
    }
    cells
}

fn f1(quality: Option<&Quality>) -> String {
    quality.and_then(|quality| quality.f1).map_or_else(|| "–".to_owned(), decimal)
}

fn detection_cells(rule: &RuleSummary, detection: &Detection) -> Vec<String> {
    let quality = &detection.quality;
    let delay_ms = detection.delay.ms_median.and_then(|ms| i64::try_from(ms).ok());
    vec![
        percent_or_dash(quality.precision),
        percent_or_dash(quality.recall),
        f1(Some(quality)),
        f1(rule.at_equal_alerts.as_ref()),
        decimal(quality.false_alerts_per_1000),
        delay_ms.map_or_else(|| "–".to_owned(), duration),
    ]
}
