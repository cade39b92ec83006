//! The report of a backtest: one HTML page that opens offline.
//!
//! The file contains everything: SVG drawn here, a style sheet, and a script that only shows values the page already has. A table
//! under each chart has the same values, for readers who cannot see the chart or use a pointer.
//!
//! Names of users and files are hostile. They appear only in text and attributes, escaped. The page's policy runs no script except
//! the one whose hash it names, and fetches nothing.

mod advice;
mod chart;
mod comparison;
mod curves;
mod format;
mod people;
mod rule_panel;
mod scale;
mod scores;
mod series;
mod timeline;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use backtest::summary::{BacktestSummary, InputSummary};
use format::{count, minute};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// The report, as HTML.
#[must_use]
pub fn render(summary: &BacktestSummary) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "sigma replay: " (summary.input.source) }
                style { (PreEscaped(STYLE)) (PreEscaped(panel_style(summary.rules.len()))) }
            }
            body {
                (header(&summary.input))
                main {
                    (advice::section(summary))
                    @if !summary.rules.is_empty() { (comparison::section(summary)) }
                    (rule_panel::sections(summary))
                }
                (footer(summary))
                div #tip role="status" {}
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// The content security policy: nothing is fetched, and only our script runs.
fn policy() -> String {
    let hash = BASE64_STANDARD.encode(Sha256::digest(SCRIPT));
    format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'"
    )
}

/// Shows only the panel of the chosen rule. A browser without `:has` shows all panels.
fn panel_style(rules: usize) -> String {
    let hide = |rule| format!("body:has(#rule-{rule}:checked) .panel:not(.panel-{rule}){{display:none}}");
    (0..rules).map(hide).collect()
}

fn header(input: &InputSummary) -> Markup {
    html! {
        header {
            h1 { "Alerts these transactions would have raised" }
            p.lead {
                strong { (count(input.transactions)) } " transactions by " strong { (count(input.users)) } " users from "
                bdi { (input.source) }
                @if let (Some(first), Some(last)) = (input.first_event_time_ms, input.last_event_time_ms) {
                    ", " (minute(first)) " to " (minute(last)) " UTC"
                }
                @if let Some(labelled) = input.labelled { ", " strong { (count(labelled)) } " of them labelled as anomalous" }
                "."
            }
        }
    }
}

fn footer(summary: &BacktestSummary) -> Markup {
    html! {
        footer {
            p {
                (summary.tool) ": " (count(summary.input.lines)) " records in " (format::decimal(summary.elapsed_seconds))
                " s. Times are event times in UTC. A score is the distance from the mean of the user's own baseline, in standard deviations."
            }
        }
    }
}

#[cfg(test)]
mod tests;
