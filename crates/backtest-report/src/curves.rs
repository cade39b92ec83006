//! Curves of the sweep: alerts by sigmas, and precision by recall.

use maud::{Markup, html};

use super::chart::{Chart, Key, Pointing, dot, key, line};
use super::format::{count, decimal, percent};
use super::scale::Scale;
use backtest::summary::{Quality, RuleSummary, SweepPoint};

/// Number of colours. Rules beyond them use the same colours again, in order.
const COLOURS: usize = 6;
/// Lowest rate that the axis shows, in alerts per 1,000 transactions.
const ALERTS_FLOOR: f64 = 0.01;

/// A point of a rule's curve: the rule, its number and the point.
type Placed<'a> = (&'a RuleSummary, usize, &'a SweepPoint);

fn points(rules: &[RuleSummary]) -> impl Iterator<Item = Placed<'_>> {
    let numbered = rules.iter().enumerate();
    numbered.flat_map(|(number, rule)| rule.sweep.iter().map(move |point| (rule, number, point)))
}

/// Alerts by sigmas; `None` if there is no sweep.
pub(super) fn alerts_by_sigmas(rules: &[RuleSummary]) -> Option<Chart> {
    let all = || points(rules).map(|(_, _, point)| point);
    let high = all().map(|point| point.alerts_per_1000).fold(0.1, f64::max);
    let low = all().map(|point| point.alerts_per_1000).filter(|rate| *rate > 0.0).fold(high, f64::min);
    let (first, last) = (all().map(|p| p.sigmas).reduce(f64::min)?, all().map(|p| p.sigmas).reduce(f64::max)?);
    let x = Scale::linear(first, last);
    let y = Scale::logarithmic((low * 0.7).clamp(ALERTS_FLOOR, high), high * 1.4);
    Some(Chart {
        id: "alerts-by-sigmas".to_owned(),
        title: html! { "Alerts at other thresholds" },
        note: html! { "Each point is a backtest of its own, not an extrapolation. The large points are the rules that you chose." },
        x,
        y,
        x_title: "Threshold: σ".to_owned(),
        y_title: "Alerts per 1,000 transactions, logarithmic".to_owned(),
        legend: legend(rules),
        pointing: Pointing::Dot,
        backdrop: lines(rules, &x, &y, |point| Some((point.sigmas, point.alerts_per_1000))),
        marks: points(rules).map(|placed| mark(placed, &x, &y, (placed.2.sigmas, placed.2.alerts_per_1000))).collect(),
        columns: vec!["Rule", "σ", "Alerts per 1,000", "Alerts per day", "Alerts", "Users alerted"],
        rows: points(rules).map(row).collect(),
    })
}

fn row((rule, _, point): Placed<'_>) -> Vec<String> {
    vec![
        rule.rule.as_str().to_owned(),
        decimal(point.sigmas),
        decimal(point.alerts_per_1000),
        decimal(point.alerts_per_day),
        count(point.alerts),
        count(point.users_alerted),
    ]
}

/// Recall and precision, if both are defined.
fn recall_precision(point: &SweepPoint) -> Option<(f64, f64)> {
    let quality = point.quality.as_ref()?;
    Some((quality.recall?, quality.precision?))
}

/// Precision by recall; `None` without labels.
pub(super) fn precision_by_recall(rules: &[RuleSummary]) -> Option<Chart> {
    let placed: Vec<_> = points(rules).filter_map(|placed| Some((placed, recall_precision(placed.2)?))).collect();
    if placed.is_empty() {
        return None;
    }
    let x = Scale::linear(0.0, placed.iter().map(|(_, value)| value.0).fold(0.1, f64::max) * 1.05);
    let y = Scale::linear(0.0, placed.iter().map(|(_, value)| value.1).fold(0.1, f64::max) * 1.05);
    Some(Chart {
        id: "precision-by-recall".to_owned(),
        title: html! { "Precision and recall" },
        note: html! { "Further up and to the right is better. Along a curve, σ grows from right to left. The large points are the rules that you chose." },
        x,
        y,
        x_title: "Recall: share of the labelled transactions that are flagged".to_owned(),
        y_title: "Precision: share of the flagged transactions that are labelled".to_owned(),
        legend: legend(rules),
        pointing: Pointing::Dot,
        backdrop: lines(rules, &x, &y, recall_precision),
        marks: placed.iter().map(|(placed, value)| mark(*placed, &x, &y, *value)).collect(),
        columns: vec!["Rule", "σ", "Precision", "Recall", "F1", "True alerts", "False alerts"],
        rows: placed
            .iter()
            .filter_map(|((rule, _, point), _)| Some(quality_row(rule, point, point.quality.as_ref()?)))
            .collect(),
    })
}

fn quality_row(rule: &RuleSummary, point: &SweepPoint, quality: &Quality) -> Vec<String> {
    let share = super::format::percent_or_dash;
    vec![
        rule.rule.as_str().to_owned(),
        decimal(point.sigmas),
        quality.precision.map_or_else(|| share(None), percent),
        share(quality.recall),
        quality.f1.map_or_else(|| share(None), decimal),
        count(quality.true_alerts),
        count(quality.false_alerts),
    ]
}

fn mark((rule, number, point): Placed<'_>, x: &Scale, y: &Scale, value: (f64, f64)) -> Markup {
    let is_own = (point.sigmas - rule.knobs.sigmas).abs() < 1e-9;
    let own = if is_own { " own" } else { "" };
    dot(&format!("mark dot colour-{}{own}", number % COLOURS), Chart::at(x, y, value))
}

fn lines(rules: &[RuleSummary], x: &Scale, y: &Scale, value: impl Fn(&SweepPoint) -> Option<(f64, f64)>) -> Markup {
    let through = |rule: &RuleSummary| -> Vec<_> {
        rule.sweep.iter().map(|point| value(point).map(|value| Chart::at(x, y, value))).collect()
    };
    html! {
        @for (number, rule) in rules.iter().enumerate() {
            (line(&format!("curve colour-{}", number % COLOURS), through(rule)))
        }
    }
}

fn legend(rules: &[RuleSummary]) -> Vec<Key> {
    let with_curve = rules.iter().enumerate().filter(|(_, rule)| !rule.sweep.is_empty());
    with_curve.map(|(number, rule)| key(format!("curve colour-{}", number % COLOURS), &rule.label)).collect()
}
