//! The texts of single alerts and of bundles.

use alert_policy::Decision;
use anomaly_core::AnomalyMessage;
use aws_smithy_types::date_time::{DateTime, Format};
use serde::Serialize;
use serde_json::{Value, json};

use crate::case::Case;
use crate::message::Alert;

#[derive(Serialize)]
struct Document<'a> {
    text: &'a str,
    #[serde(flatten)]
    anomaly: Option<&'a AnomalyMessage>,
}

/// The document of an alert: what patterns of a policy look at. Subscribers get what was decided with it.
#[must_use]
pub fn document(alert: &Alert) -> Value {
    let value = serde_json::to_value(Document { text: &alert.text, anomaly: alert.anomaly.as_ref() });
    debug_assert!(value.is_ok(), "JSON can hold strings, finite numbers and enums: {value:?}");
    value.unwrap_or_default()
}

/// The document, why it is an anomaly, and what was decided about it.
pub(super) fn for_subscribers(case: &Case) -> Value {
    let Decision { disposition, priority, episode, repeats, .. } = &case.decision;
    let because = case.because().map(|because| ("because", json!(because)));
    let decided = [
        ("disposition", json!(disposition)),
        ("priority", json!(priority)),
        ("episode", json!(episode)),
        ("repeats", json!(repeats)),
    ];
    let mut document = case.document.clone();
    if let Some(fields) = document.as_object_mut() {
        fields.extend(because.into_iter().chain(decided).map(|(name, value)| (name.to_owned(), value)));
    }
    document
}

/// One alert with all details, as an email.
pub(super) fn email(case: &Case) -> String {
    let text = &case.alert.text;
    let budget = last_page(case).map(|line| format!("\n{line}\n")).unwrap_or_default();
    match (&case.alert.anomaly, case.because()) {
        (Some(anomaly), Some(because)) => {
            format!("{text}\n\n{because}\n\n{}{budget}", details(anomaly, &case.decision))
        }
        _ => format!("{text}{budget}"),
    }
}

/// What the reader has to know if this is the day's last page.
fn last_page(case: &Case) -> Option<String> {
    let pages_max = case.decision.pages_per_day_max;
    let is_last = case.pages_taken.is_some_and(|taken| taken >= pages_max);
    is_last.then(|| {
        format!("{pages_max} of {pages_max} messages of this day (UTC) are used: the rest is in the next summary.")
    })
}

fn details(anomaly: &AnomalyMessage, decision: &Decision) -> String {
    let side = if anomaly.score < 0.0 { "below" } else { "above" };
    let raised = if decision.priority > anomaly.severity {
        format!(", {} as a repeat", decision.priority.as_str())
    } else {
        String::new()
    };
    let (severity, score) = (anomaly.severity.as_str(), anomaly.score.abs());
    let rows = [
        ("Severity", format!("{severity}{raised}: {score:.1} standard deviations {side} usual")),
        ("Time", time(anomaly.event_time_ms)),
        ("Transaction", anomaly.transaction_id.clone().unwrap_or_default()),
        ("Merchant", anomaly.merchant_id.clone().unwrap_or_default()),
        ("Rule", anomaly.rule.as_str().to_owned()),
        ("Record", format!("{} {}", anomaly.shard_id, anomaly.sequence_number)),
        ("Alert id", anomaly.id.to_string()),
    ];
    let known = rows.into_iter().filter(|(_, value)| !value.is_empty());
    known.fold(String::new(), |text, (name, value)| text + &format!("{name:<12} {value}\n"))
}

fn time(event_time_ms: i64) -> String {
    let time = DateTime::from_millis(event_time_ms);
    time.fmt(Format::DateTime).unwrap_or_else(|_| format!("{event_time_ms} ms since the epoch"))
}

/// Alerts of one severity and side as one email.
pub(super) fn of_bundle(cases: &[&Case]) -> String {
    let first = cases.first();
    let severity = first.map_or("", |case| case.alert.severity().as_str());
    let side = if first.is_some_and(|case| super::is_below(case)) { "below" } else { "above" };
    let mut text = format!("{} anomalies of severity {severity} at the same time, all {side} usual:\n\n", cases.len());
    text.extend(cases.iter().map(|case| in_bundle(case)));
    let last_page = cases.iter().find_map(|case| last_page(case));
    text.extend(last_page.map(|line| format!("\n{line}\n")));
    text
}

fn in_bundle(case: &Case) -> String {
    let because = case.because().map(|because| format!("  {because}\n"));
    format!("{}\n{}", case.alert.text, because.unwrap_or_default())
}
