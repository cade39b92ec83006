//! The figures for people.

use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};
use training::{AtBudget, Fitted, Part, Report};

/// The report as text.
pub(super) fn text(fitted: &Fitted, out: &Path) -> String {
    let report = &fitted.report;
    let mut lines = vec![
        format!("{} transactions, {} frauds", report.transactions, report.frauds),
        part("Trained on", report.training, report.first_event_time_ms, report.trained_until_ms),
        part("Measured on", report.future, report.future_from_ms, report.last_event_time_ms),
        table(report).to_string(),
    ];
    lines.extend(report.warnings.iter().map(|warning| format!("Warning: {warning}.")));
    lines.push(format!(
        "Wrote {}: it alerts above {:.3} log-odds, at most {} per 1,000 of the transactions it was measured on.",
        out.display(),
        fitted.model.threshold,
        report.budget.0
    ));
    lines.join("\n")
}

fn part(what: &str, part: Part, from_ms: i64, to_ms: i64) -> String {
    let Part { transactions, frauds, .. } = part;
    let unjudged = part.transactions - part.judged;
    format!(
        "{what} {} to {}: {transactions} transactions, {frauds} frauds; {unjudged} transactions with {} frauds are not judged",
        date(from_ms),
        date(to_ms),
        frauds - part.frauds_judged
    )
}

fn table(report: &Report) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(["On the future", "model", "rule's score alone"]);
    let precision = report.average_precision;
    table.add_row(["Average precision".to_owned(), share(Some(precision.model)), share(Some(precision.score))]);
    for (model, score) in report.model.iter().zip(&report.score) {
        let name = format!("Alerts at {} per 1,000; precision, recall", model.budget.0);
        table.add_row([name, at(model), at(score)]);
    }
    for index in 1..=2 {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn at(found: &AtBudget) -> String {
    format!("{}; {}, {}", found.alerts, share(found.precision), share(found.recall))
}

fn share(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{share:.4}"))
}

fn date(time_ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(time_ms).ok();
    time.map_or_else(|| "?".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M").to_string())
}
