//! Alerts as they reach subscribers.
//!
//! One SNS message carries two texts: `email` is for people, `default` is the JSON document that sqs, lambda and https subscribers get.
//! SNS suspends an email subscription that receives more than 10 messages a second, so only the few most severe alerts of a batch
//! are published alone; the rest share digests. A digest has alerts of one severity and one side, so that a subscriber's filter policy
//! on `severity` or `score` decides on each alert as it would alone. Nothing is dropped.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use anomaly_core::{AnomalyMessage, Severity};
use aws_smithy_types::date_time::{DateTime, Format};
use lambda_kit::batch::{Limits, chunks};
use serde::Serialize;
use serde_json::{Value, json};

use crate::message::{Alert, PLAIN_TEXT_RULE};

/// The subject of every email: a contract.
pub const SUBJECT: &str = "Transaction Anomaly Alert";
/// Largest SNS message: 256 KB, less subject and attributes.
pub const MESSAGE_BYTES_MAX: usize = 256_000 - 10_000;
/// Limits of one digest. Each alert counts with the size it would have alone; the last kilobyte is for the text around them.
const DIGEST_LIMITS: Limits = Limits { entries_max: 1_000, bytes_max: MESSAGE_BYTES_MAX - 1_000 };

/// One SNS message.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    /// Ids of the alerts in it.
    pub alert_ids: Vec<String>,
    /// For people.
    pub email: String,
    /// For programs: JSON.
    pub document: String,
    /// The severity of every alert in it.
    pub severity: Severity,
    /// The rule of the first alert in it.
    pub rule: &'static str,
    /// The score with the greatest magnitude in it.
    pub score: Option<f64>,
}

impl Publication {
    /// Both texts in SNS's JSON message structure, by protocol.
    #[must_use]
    pub fn message(&self) -> String {
        json!({ "default": self.document, "email": self.email }).to_string()
    }
}

#[derive(Serialize)]
struct Document<'a> {
    text: &'a str,
    #[serde(flatten)]
    anomaly: Option<&'a AnomalyMessage>,
}

/// Plans the publications of these alerts: the `singles_max` most severe alone, the rest in digests. Every alert is in exactly one.
#[must_use]
pub fn plan(alerts: &[&Alert], singles_max: usize) -> Vec<Publication> {
    let mut sorted = alerts.to_vec();
    sorted.sort_by(|a, b| by_severity(a, b));
    let (singles, rest) = sorted.split_at(singles_max.min(sorted.len()));
    let mut publications: Vec<Publication> = singles.iter().map(|alert| single(alert)).collect();
    publications.extend(digests(rest));
    publications
}

/// The order of alerts: the most severe first.
#[must_use]
pub fn by_severity(a: &Alert, b: &Alert) -> Ordering {
    (b.severity(), magnitude(b)).partial_cmp(&(a.severity(), magnitude(a))).unwrap_or(Ordering::Equal)
}

fn magnitude(alert: &Alert) -> f64 {
    alert.score().unwrap_or_default().abs()
}

fn single(alert: &Alert) -> Publication {
    Publication {
        alert_ids: vec![alert.id.clone()],
        email: email(alert),
        document: document(alert).to_string(),
        severity: alert.severity(),
        rule: alert.rule(),
        score: alert.score(),
    }
}

fn document(alert: &Alert) -> Value {
    let value = serde_json::to_value(Document { text: &alert.text, anomaly: alert.anomaly.as_ref() });
    debug_assert!(value.is_ok(), "JSON can hold strings, finite numbers and enums: {value:?}");
    value.unwrap_or_default()
}

/// One alert with all details, as an email.
fn email(alert: &Alert) -> String {
    match &alert.anomaly {
        Some(anomaly) => format!("{}\n\n{}", alert.text, details(anomaly)),
        None => alert.text.clone(),
    }
}

fn details(anomaly: &AnomalyMessage) -> String {
    let side = if anomaly.score < 0.0 { "below" } else { "above" };
    let rows = [
        (
            "Severity",
            format!("{}: {:.1} standard deviations {side} usual", anomaly.severity.as_str(), anomaly.score.abs()),
        ),
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

fn digests(alerts: &[&Alert]) -> Vec<Publication> {
    let mut alike: BTreeMap<(Reverse<Severity>, bool), Vec<&Alert>> = BTreeMap::new();
    for alert in alerts {
        alike.entry((Reverse(alert.severity()), is_below(alert))).or_default().push(alert);
    }
    let size = |alert: &&Alert| single(alert).message().len();
    alike.values().flat_map(|alerts| chunks(alerts, DIGEST_LIMITS, size)).map(digest).collect()
}

fn is_below(alert: &Alert) -> bool {
    alert.score().is_some_and(|score| score < 0.0)
}

/// One message on alerts of one severity and side. A digest of one is just an alert.
fn digest(alerts: &[&Alert]) -> Publication {
    debug_assert!(!alerts.is_empty(), "a digest has alerts");
    if let [alert] = alerts {
        return single(alert);
    }
    let severity = alerts.first().map_or(Severity::Warning, |alert| alert.severity());
    let side = if alerts.first().is_some_and(|alert| is_below(alert)) { "below" } else { "above" };
    let (count, name) = (alerts.len(), severity.as_str());
    let mut text = format!("{count} anomalies of severity {name} at the same time, all {side} usual:\n\n");
    text.extend(alerts.iter().map(|alert| format!("{}\n", alert.text)));
    let documents: Vec<Value> = alerts.iter().map(|alert| document(alert)).collect();
    Publication {
        alert_ids: alerts.iter().map(|alert| alert.id.clone()).collect(),
        email: text,
        document: json!({ "version": 1, "digest": documents }).to_string(),
        severity,
        rule: alerts.first().map_or(PLAIN_TEXT_RULE, |alert| alert.rule()),
        score: alerts.iter().filter_map(|alert| alert.score()).max_by(|a, b| a.abs().total_cmp(&b.abs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(id: usize, score: f64) -> Alert {
        let severity = if score >= 10.0 { "critical" } else { "warning" };
        let body = json!({
            "version": 1, "id": format!("{id:032x}"), "userId": "user001", "amount": 9000.0, "eventTimeMs": 1_760_000_100_000_i64,
            "transactionId": "txn_1", "mean": 100.0, "stddev": 10.0, "threshold": 125.0, "score": score, "count": 30,
            "severity": severity, "rule": "adaptive", "shardId": "shardId-000000000000", "sequenceNumber": "7", "subSequence": 0,
        });
        let message = crate::message::QueueMessage { message_id: Some("m".to_owned()), body: Some(body.to_string()) };
        Alert::read(&message).unwrap()
    }

    fn planned(scores: &[f64], singles_max: usize) -> Vec<Publication> {
        let alerts: Vec<Alert> = scores.iter().enumerate().map(|(id, score)| alert(id, *score)).collect();
        plan(&alerts.iter().collect::<Vec<_>>(), singles_max)
    }

    #[test]
    fn the_most_severe_are_published_alone_and_nothing_is_dropped() {
        let publications = planned(&[3.0, 40.0, 4.0, 12.0, 2.6], 2);
        assert_eq!(publications.len(), 3);
        assert_eq!(publications[0].score, Some(40.0));
        assert_eq!(publications[1].score, Some(12.0));
        assert_eq!(publications[2].alert_ids.len(), 3);
        assert_eq!(publications[2].severity, Severity::Warning);
        assert!(
            publications[2].email.starts_with("3 anomalies of severity warning at the same time, all above usual:")
        );
    }

    #[test]
    fn a_digest_has_one_severity_and_one_side() {
        let publications = planned(&[3.0, 40.0, 4.0, 12.0, -15.0, -3.0], 0);
        let shape = |p: &Publication| (p.severity, p.score.unwrap_or_default() < 0.0, p.alert_ids.len());
        let (critical, warning) = (Severity::Critical, Severity::Warning);
        let expected = [(critical, false, 2), (warning, false, 2), (warning, true, 2)];
        assert_eq!(publications.iter().map(shape).collect::<Vec<_>>(), expected);
        assert!(
            publications[2].email.starts_with("2 anomalies of severity warning at the same time, all below usual:")
        );
    }

    #[test]
    fn a_digest_of_one_is_an_alert() {
        let publications = planned(&[3.0, 4.0, 5.0], 2);
        assert_eq!(publications.iter().map(|p| p.alert_ids.len()).collect::<Vec<_>>(), [1, 1, 1]);
        assert_eq!(planned(&[], 2), []);
        assert_eq!(planned(&[3.0, 4.0], 0)[0].alert_ids.len(), 2);
    }

    #[test]
    fn people_read_a_text_and_programs_a_document() {
        let publication = planned(&[890.0], 10).remove(0);
        assert!(
            publication.email.starts_with("ANOMALY DETECTED: User user001 has transaction of 9000.00 (avg: 100.00, ")
        );
        assert!(publication.email.contains("Time         2025-10-09T08:55:00Z"), "{}", publication.email);
        let document: Value = serde_json::from_str(&publication.document).unwrap();
        assert_eq!(document["userId"], "user001");
        assert_eq!(document["text"].as_str().unwrap().len(), publication.email.find("\n\n").unwrap());
    }

    #[test]
    fn a_huge_digest_becomes_several() {
        let publications = planned(&vec![3.0; 1_000], 0);
        assert!(publications.len() > 1);
        assert_eq!(publications.iter().map(|p| p.alert_ids.len()).sum::<usize>(), 1_000);
        assert!(publications.iter().all(|p| p.document.len() + p.email.len() < 240_000));
    }
}
