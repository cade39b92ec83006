//! The figures for people: one column per rule.

use backtest::BacktestSummary;
use backtest::summary::{Delay, Difference, LabelsSummary, Quality, RuleSummary};
use comfy_table::{CellAlignment, Table, presets};

use super::people;

/// A row: its name, and its text for each rule.
type Row = (&'static str, fn(&RuleSummary) -> String);

const ROWS: [Row; 15] = [
    ("Alerts", |rule| rule.alerts.to_string()),
    ("  warning, high, critical", |rule| {
        let verdicts = &rule.verdicts;
        format!("{}, {}, {}", verdicts.warning, verdicts.high, verdicts.critical)
    }),
    ("Alerts a day", |rule| number(rule.alerts_per_day)),
    ("  merged by user within 24 h", |rule| number(rule.alerts_per_day_merged)),
    ("Alerts per 1,000 transactions", |rule| number(rule.alerts_per_1000)),
    ("Alerts per user", |rule| number(rule.alerts_per_user)),
    ("Users alerted", |rule| format!("{} ({})", rule.users_alerted, percent(rule.users_alerted_share))),
    ("Warming up", |rule| percent(rule.warming_up_share)),
    ("Duplicates, late", |rule| format!("{}, {}", rule.verdicts.duplicates, rule.verdicts.late)),
    ("Precision", |rule| quality(rule, |quality| share(quality.precision))),
    ("Recall", |rule| quality(rule, |quality| share(quality.recall))),
    ("F1", |rule| quality(rule, |quality| share(quality.f1))),
    ("  at equal alerts", |rule| rule.at_equal_alerts.map_or_else(|| "–".to_owned(), |quality| share(quality.f1))),
    ("  less that of the first rule", difference),
    ("False alerts per 1,000", |rule| quality(rule, |quality| number(quality.false_alerts_per_1000))),
];

/// Rows that only a label gives, at the end of [`ROWS`].
const LABELLED_ROWS: usize = 6;

/// The summary as text.
pub(super) fn text(summary: &BacktestSummary) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    let labels = summary.rules.iter().map(|rule| rule.label.clone());
    table.set_header(std::iter::once(String::new()).chain(labels));
    let is_labelled = summary.input.labelled.is_some_and(|labelled| labelled > 0);
    let shown = if is_labelled { ROWS.len() } else { ROWS.len() - LABELLED_ROWS };
    for (name, cell) in ROWS.into_iter().take(shown) {
        table.add_row(std::iter::once(name.to_owned()).chain(summary.rules.iter().map(cell)));
    }
    if is_labelled {
        let delays = summary.rules.iter().map(delay);
        table.add_row(std::iter::once("Episodes detected, median delay".to_owned()).chain(delays));
    }
    if summary.input.labels.is_some() {
        let rules = summary.rules.iter().map(of_labelled);
        table.add_row(std::iter::once("Precision of the alerts with a label".to_owned()).chain(rules));
    }
    for row in people::rows(summary) {
        table.add_row(row);
    }
    for index in 1..=summary.rules.len() {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{}\n{table}", heading(summary))
}

/// The input in a few lines.
fn heading(summary: &BacktestSummary) -> String {
    let input = &summary.input;
    let mut lines = vec![format!(
        "{} transactions of {} users from {} to {}, {} lines a second",
        input.transactions,
        input.users,
        date(input.first_event_time_ms),
        date(input.last_event_time_ms),
        number(summary.lines_per_second.round()),
    )];
    lines.extend(input.labelled.map(|labelled| format!("{labelled} of them are labelled as anomalous")));
    lines.extend(input.labels.as_ref().map(|labels| {
        let LabelsSummary { rows, matched } = labels;
        format!("{matched} of {rows} labels are about a transaction of the input; one without a label counts as not anomalous")
    }));
    lines.extend(input.columns.as_ref().map(|columns| {
        let rest = [("id", &columns.id), ("merchant", &columns.merchant), ("label", &columns.label)];
        let rest = rest.iter().filter_map(|(what, name)| Some(format!(", {what} = {}", (*name).as_ref()?)));
        let (user, amount, time) = (&columns.user, &columns.amount, &columns.time);
        format!("Columns: user = {user}, amount = {amount}, time = {time}{}", rest.collect::<String>())
    }));
    if input.rejected > 0 {
        let reasons = input.rejected_by_reason.iter().map(|(reason, count)| format!("{count} {reason}"));
        lines.push(format!("{} records rejected: {}", input.rejected, reasons.collect::<Vec<_>>().join(", ")));
    }
    if input.out_of_order * 10 > input.transactions {
        lines.push(format!(
            "{} transactions are older than the one before them of the same user: sort the input by time, or most will be late",
            input.out_of_order
        ));
    }
    lines.extend(summary.alerting.as_ref().map(people::heading));
    lines.join("\n")
}

fn quality(rule: &RuleSummary, text: impl Fn(&Quality) -> String) -> String {
    rule.detection.as_ref().map_or_else(String::new, |detection| text(&detection.quality))
}

/// How many of the alerts that somebody looked at were right to be raised.
fn of_labelled(rule: &RuleSummary) -> String {
    let (labelled, anomalous) = rule.labelled_alerts;
    let precision = (labelled > 0).then(|| ratio(anomalous, labelled));
    format!("{} ({anomalous} of {labelled})", share(precision))
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a ratio needs no more than 53 bits")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// With its interval of 95 %, by a bootstrap over users.
fn difference(rule: &RuleSummary) -> String {
    rule.f1_difference.map_or_else(String::new, |Difference { observed, low, high }| {
        format!("{observed:+.3} ({low:+.3} to {high:+.3})")
    })
}

fn delay(rule: &RuleSummary) -> String {
    let Some(detection) = &rule.detection else { return String::new() };
    let Delay { episodes, episodes_detected, transactions_median, ms_median, .. } = detection.delay;
    let delay = transactions_median.zip(ms_median);
    let delay = delay.map(|(transactions, ms)| format!(", {transactions} transactions, {}", duration(ms)));
    format!("{episodes_detected} of {episodes}{}", delay.unwrap_or_default())
}

/// A span in the largest unit that it fills.
fn duration(ms: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    let unit = UNITS.into_iter().find(|(length, _)| ms >= *length);
    unit.map_or_else(
        || format!("{ms} ms"),
        |(length, name)| format!("{}.{} {name}", ms / length, ms % length * 10 / length),
    )
}

fn date(time_ms: Option<i64>) -> String {
    let time = time_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| "?".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M").to_string())
}

fn share(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{share:.4}"))
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// Three digits or so.
pub(super) fn number(number: f64) -> String {
    match number {
        n if n >= 100.0 || n == 0.0 => format!("{n:.0}"),
        n if n >= 10.0 => format!("{n:.1}"),
        n => format!("{n:.2}"),
    }
}
