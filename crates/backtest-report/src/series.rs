//! The busiest users: amounts, baseline and threshold over time.

use anomaly_core::Severity;
use maud::{Markup, html};

use super::chart::{Chart, Key, Pointing, dot, key, line};
use super::format::{count, money, second, signed};
use super::scale::Scale;
use backtest::summary::{Point, UserSeries};

/// Ratio of the largest to the smallest amount from which the axis is logarithmic.
const LOGARITHMIC_FROM: f64 = 30.0;
/// A threshold may stretch the axis to this multiple of the largest amount.
const HEADROOM: f64 = 1.6;

/// One user's transactions.
pub(super) fn chart(id: String, series: &UserSeries) -> Chart {
    let points = &series.points;
    let times = || points.iter().map(|point| point.event_time_ms);
    let x = Scale::time(times().min().unwrap_or(0), times().max().unwrap_or(0));
    let (y, kind) = amounts(points);
    let has_label = points.iter().any(|point| point.label.is_some());
    let mut columns = vec!["Event time", "Amount", "Mean", "Threshold", "Verdict"];
    if has_label {
        columns.push("Label");
    }
    Chart {
        id,
        title: html! { bdi { (series.user_id) } },
        note: note(series),
        x,
        y,
        x_title: "Event time, UTC".to_owned(),
        y_title: format!("Amount{kind}"),
        legend: legend(points),
        pointing: Pointing::Dot,
        backdrop: backdrop(points, &x, &y),
        marks: points.iter().map(|point| mark(point, &x, &y)).collect(),
        columns,
        rows: points.iter().map(|point| row(point, has_label)).collect(),
    }
}

fn note(series: &UserSeries) -> Markup {
    let shown = u64::try_from(series.points.len()).unwrap_or(0);
    html! {
        (count(series.alerts)) " alerts in " (count(series.transactions)) " transactions"
        @if shown < series.transactions { "; " (count(shown)) " of them are drawn" }
        @if series.flagged_left_out > 0 { ", and " (count(series.flagged_left_out)) " alerts are left out" }
        "."
    }
}

/// The axis of amounts, and the end of its title.
fn amounts(points: &[Point]) -> (Scale, &'static str) {
    let amounts = || points.iter().map(|point| point.amount);
    let (low, high) = (amounts().fold(f64::INFINITY, f64::min), amounts().fold(f64::NEG_INFINITY, f64::max));
    let thresholds = points.iter().filter_map(|point| point.threshold).fold(high, f64::max);
    let top = thresholds.min(high + HEADROOM.mul_add(high.abs(), -high.abs()));
    if low > 0.0 && high / low >= LOGARITHMIC_FROM {
        return (Scale::logarithmic(low * 0.8, top * 1.2), ", logarithmic");
    }
    (Scale::linear(low.min(0.0), top.max(0.0) * 1.05), "")
}

/// The band from the mean to the threshold, and its edges.
fn backdrop(points: &[Point], x: &Scale, y: &Scale) -> Markup {
    let at = |point: &Point, value: f64| Chart::at(x, y, (signed(point.event_time_ms), value));
    let judged: Vec<(&Point, f64, f64)> =
        points.iter().filter_map(|point| Some((point, point.mean?, point.threshold?))).collect();
    let upper = || judged.iter().map(|(point, _, threshold)| at(point, *threshold));
    let lower = || judged.iter().map(|(point, mean, _)| at(point, *mean));
    html! {
        (line("band", upper().chain(lower().rev()).map(Some)))
        (line("threshold", upper().map(Some)))
        (line("mean", lower().map(Some)))
    }
}

const fn class(point: &Point) -> &'static str {
    match (point.severity, point.label) {
        (None, Some(true)) => "dot missed",
        (None, _) => "dot",
        (Some(Severity::Warning), _) => "dot warning",
        (Some(Severity::High), _) => "dot high",
        (Some(Severity::Critical), _) => "dot critical",
    }
}

fn mark(point: &Point, x: &Scale, y: &Scale) -> Markup {
    dot(&format!("mark {}", class(point)), Chart::at(x, y, (signed(point.event_time_ms), point.amount)))
}

fn row(point: &Point, has_label: bool) -> Vec<String> {
    let or_dash = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), money);
    let verdict = match (point.severity, point.mean) {
        (Some(severity), _) => severity.as_str(),
        (None, Some(_)) => "usual",
        (None, None) => "not judged",
    };
    let label = match point.label {
        Some(true) => "anomalous",
        Some(false) => "usual",
        None => "–",
    };
    let cells = [second(point.event_time_ms), money(point.amount), or_dash(point.mean), or_dash(point.threshold)];
    cells.into_iter().chain([verdict.to_owned()]).chain(has_label.then(|| label.to_owned())).collect()
}

fn legend(points: &[Point]) -> Vec<Key> {
    let has = |wanted: &str| points.iter().any(|point| class(point) == wanted);
    let keys = [
        ("dot", "usual"),
        ("dot warning", "warning"),
        ("dot high", "high"),
        ("dot critical", "critical"),
        ("dot missed", "labelled, not flagged"),
    ];
    let seen = keys.into_iter().filter(|(class, _)| has(class)).map(|(class, text)| key(class, text));
    let has_baseline = points.iter().any(|point| point.mean.is_some());
    let baseline = has_baseline.then(|| [key("mean", "mean"), key("threshold", "threshold")]);
    seen.chain(baseline.into_iter().flatten()).collect()
}
