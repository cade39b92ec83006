//! The chart of the scores' distribution, with the threshold.

use maud::{Markup, html};

use super::chart::{Chart, Pointing, bar, cap, column, key, rule_line};
use super::format::{count, decimal, number};
use super::scale::Scale;
use backtest::summary::{RuleName, RuleSummary, ScoreHistogram};

/// Bottom of the logarithmic axis: below 1, so that a single count is visible.
const COUNT_FLOOR: f64 = 0.7;

/// The scores of one rule.
pub(super) fn chart(id: String, rule: &RuleSummary) -> Chart {
    let scores = &rule.scores;
    let bins = scores.judged.len();
    let edge = |bin: usize| scores.start + scores.width * number(u64::try_from(bin).unwrap_or(0));
    let x = Scale::linear(edge(0), edge(bins));
    let most = scores.judged.iter().copied().max().unwrap_or(0);
    let y = Scale::logarithmic(COUNT_FLOOR, number(most.max(10)) * 1.5);
    let mark =
        |bin: usize| column(&x, (edge(bin), edge(bin + 1)), &bars(scores, bin, &x, &y, (edge(bin), edge(bin + 1))));
    let row = |bin: usize| {
        let counts = [&scores.judged, &scores.flagged].into_iter();
        let counts = counts.chain((!scores.labelled.is_empty()).then_some(&scores.labelled));
        let range = range(bin, bins, edge(bin), edge(bin + 1));
        std::iter::once(range).chain(counts.map(|counts| count(at(counts, bin)))).collect()
    };
    let mut columns = vec!["Score", "Judged", "Flagged"];
    let mut legend = vec![key("usual", "usual"), key("alerts", "flagged")];
    if !scores.labelled.is_empty() {
        columns.push("Labelled");
        legend.push(key("labelled-line", "labelled as anomalous"));
    }
    legend.push(key("threshold", format!("σ = {}", decimal(rule.knobs.sigmas))));
    Chart {
        id,
        title: html! { "Scores" },
        note: note(rule),
        x,
        y,
        x_title: "Score: standard deviations above the user's own mean".to_owned(),
        y_title: "Judged transactions, logarithmic".to_owned(),
        legend,
        pointing: Pointing::Column,
        backdrop: rule_line("threshold", &x, rule.knobs.sigmas),
        marks: (0..bins).map(mark).collect(),
        columns,
        rows: (0..bins).map(row).collect(),
    }
}

fn at(counts: &[u64], bin: usize) -> u64 {
    counts.get(bin).copied().unwrap_or(0)
}

fn bars(scores: &ScoreHistogram, bin: usize, x: &Scale, y: &Scale, range: (f64, f64)) -> Markup {
    let height = |counts: &[u64]| Some(number(at(counts, bin))).filter(|count| *count > 0.0);
    html! {
        @if let Some(judged) = height(&scores.judged) { (bar("usual", x, y, range, judged)) }
        @if let Some(flagged) = height(&scores.flagged) { (bar("alerts", x, y, range, flagged)) }
        @if let Some(labelled) = height(&scores.labelled) { (cap("labelled-line", x, y, range, labelled)) }
    }
}

/// The scores of a bin. The first and last bins also hold everything beyond them.
fn range(bin: usize, bins: usize, from: f64, to: f64) -> String {
    match bin {
        0 => format!("below {}", decimal(to)),
        bin if bin + 1 == bins => format!("{} and above", decimal(from)),
        _ => format!("{} to {}", decimal(from), decimal(to)),
    }
}

fn note(rule: &RuleSummary) -> Markup {
    html! {
        "The first and last columns also hold everything beyond them."
        @if rule.rule == RuleName::Adaptive {
            " The rule requires more than σ while it knows few of a user's transactions, so some columns right of the line hold both."
        }
    }
}
