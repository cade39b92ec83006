//! The chart of alerts over time.

use maud::html;

use super::chart::{Chart, Pointing, bar, cap, column, key};
use super::format::{count, duration, minute, number, signed};
use super::scale::Scale;
use backtest::summary::{RuleSummary, Timeline};

/// Alerts of one rule in the bins of the timeline.
pub(super) fn chart(id: String, rule: &RuleSummary, timeline: &Timeline) -> Chart {
    let bins = timeline.transactions.len();
    let edge =
        |bin: usize| timeline.start_ms.saturating_add(timeline.bin_ms.saturating_mul(i64::try_from(bin).unwrap_or(0)));
    let of = |counts: &[u64], bin: usize| counts.get(bin).copied().unwrap_or(0);
    let most = rule.alerts_over_time.iter().chain(&timeline.labelled).copied().max().unwrap_or(0);
    let x = Scale::time(timeline.start_ms, edge(bins));
    let y = Scale::linear(0.0, number(most.max(1)) * 1.05);
    let is_labelled = !timeline.labelled.is_empty();
    let mark = |bin: usize| {
        let range = (signed(edge(bin)), signed(edge(bin + 1)));
        let bars = html! {
            (bar("alerts", &x, &y, range, number(of(&rule.alerts_over_time, bin))))
            (cap("labelled-line", &x, &y, range, number(of(&timeline.labelled, bin))))
        };
        column(&x, range, &bars)
    };
    let row = |bin: usize| {
        let counts = [&rule.alerts_over_time, &timeline.transactions];
        let counts = counts.into_iter().chain(is_labelled.then_some(&timeline.labelled));
        std::iter::once(minute(edge(bin))).chain(counts.map(|counts| count(of(counts, bin)))).collect()
    };
    let mut columns = vec!["From", "Alerts", "Transactions"];
    let mut legend = vec![key("alerts", "alerts")];
    if is_labelled {
        columns.push("Labelled");
        legend.push(key("labelled-line", "labelled as anomalous"));
    }
    Chart {
        id,
        title: html! { "Alerts over time" },
        note: html! { "Each column covers " (duration(timeline.bin_ms)) "." },
        x,
        y,
        x_title: "Event time, UTC".to_owned(),
        y_title: format!("Alerts per {}", duration(timeline.bin_ms)),
        legend,
        pointing: Pointing::Column,
        backdrop: html! {},
        marks: (0..bins).map(mark).collect(),
        columns,
        rows: (0..bins).map(row).collect(),
    }
}
