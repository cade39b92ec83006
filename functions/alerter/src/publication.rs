//! Alerts as they reach subscribers.
//!
//! One SNS message carries two texts: `email` is for people, `default` is the JSON document that sqs, lambda and https subscribers get.
//! SNS suspends an email subscription that receives more than 10 messages a second, so only the few most urgent alerts of a batch
//! are published alone; the rest share messages. Those have alerts of one disposition, one severity and one side, so that a
//! subscriber's filter policy on `disposition`, `severity` or `score` decides on each alert as it would alone. Nothing is dropped.

mod summary;
mod text;

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use anomaly_core::Severity;
use lambda_kit::batch::{Limits, chunks};
use serde_json::{Value, json};

use crate::case::Case;
use crate::message::PLAIN_TEXT_RULE;

pub use summary::{Counted, summary};
pub use text::document;
use text::{email, for_subscribers, of_bundle};

/// The subject of every email: a contract.
pub const SUBJECT: &str = "Transaction Anomaly Alert";
/// Largest SNS message: 256 KB, less subject and attributes.
pub const MESSAGE_BYTES_MAX: usize = 256_000 - 10_000;
/// Limits of one bundle. Each alert counts with the size it would have alone; the last kilobyte is for the text around them.
const BUNDLE_LIMITS: Limits = Limits { entries_max: 1_000, bytes_max: MESSAGE_BYTES_MAX - 1_000 };

/// Whom a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Audience {
    /// People, at once, and machines.
    Page,
    /// Machines; people read it in the next summary.
    Digest,
    /// People: the ranked summary of what waited.
    Summary,
}

impl Audience {
    /// The message attribute `disposition`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Digest => "digest",
            Self::Summary => "summary",
        }
    }

    fn of(case: &Case) -> Self {
        if case.decision.disposition == alert_policy::Disposition::Page { Self::Page } else { Self::Digest }
    }
}

/// One SNS message.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    /// Ids of the alerts in it.
    pub alert_ids: Vec<String>,
    /// Whom it is for.
    pub audience: Audience,
    /// For people.
    pub email: String,
    /// For programs: JSON.
    pub document: String,
    /// The severity of every alert in it; of a summary, the highest.
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

/// Plans the publications of these alerts: the `singles_max` most urgent alone, the rest in bundles. Every alert is in exactly one.
#[must_use]
pub fn plan(cases: &[&Case], singles_max: usize) -> Vec<Publication> {
    let mut sorted = cases.to_vec();
    sorted.sort_by(|a, b| (Audience::of(a)).cmp(&Audience::of(b)).then_with(|| by_priority(a, b)));
    let (singles, rest) = sorted.split_at(singles_max.min(sorted.len()));
    let mut publications: Vec<Publication> = singles.iter().map(|case| single(case)).collect();
    publications.extend(bundles(rest));
    publications
}

/// The order of alerts: the most urgent first.
#[must_use]
pub fn by_priority(a: &Case, b: &Case) -> Ordering {
    let rank = |case: &Case| case.decision.rank(case.alert.score().unwrap_or_default());
    rank(b).partial_cmp(&rank(a)).unwrap_or(Ordering::Equal)
}

fn single(case: &Case) -> Publication {
    Publication {
        alert_ids: vec![case.alert.id.clone()],
        audience: Audience::of(case),
        email: email(case),
        document: for_subscribers(case).to_string(),
        severity: case.alert.severity(),
        rule: case.alert.rule(),
        score: case.alert.score(),
    }
}

fn bundles(cases: &[&Case]) -> Vec<Publication> {
    let mut alike: BTreeMap<(Audience, Reverse<Severity>, bool), Vec<&Case>> = BTreeMap::new();
    for case in cases {
        let of = (Audience::of(case), Reverse(case.alert.severity()), is_below(case));
        alike.entry(of).or_default().push(case);
    }
    let size = |case: &&Case| single(case).message().len();
    alike.values().flat_map(|cases| chunks(cases, BUNDLE_LIMITS, size)).map(bundle).collect()
}

fn is_below(case: &Case) -> bool {
    case.alert.score().is_some_and(|score| score < 0.0)
}

/// One message on alerts of one disposition, severity and side. A bundle of one is just an alert.
fn bundle(cases: &[&Case]) -> Publication {
    debug_assert!(!cases.is_empty(), "a bundle has alerts");
    if let [case] = cases {
        return single(case);
    }
    let documents: Vec<Value> = cases.iter().map(|case| for_subscribers(case)).collect();
    let first = cases.first();
    Publication {
        alert_ids: cases.iter().map(|case| case.alert.id.clone()).collect(),
        audience: first.map_or(Audience::Digest, |case| Audience::of(case)),
        email: of_bundle(cases),
        // The name of the field is a contract.
        document: json!({ "version": 1, "digest": documents }).to_string(),
        severity: first.map_or(Severity::Warning, |case| case.alert.severity()),
        rule: first.map_or(PLAIN_TEXT_RULE, |case| case.alert.rule()),
        score: cases.iter().filter_map(|case| case.alert.score()).max_by(|a, b| a.abs().total_cmp(&b.abs())),
    }
}

#[cfg(test)]
mod tests {
    use alert_policy::{Decision, Disposition, Reason};

    use super::*;
    use crate::message::Alert;

    fn case(id: usize, score: f64) -> Case {
        let severity = if score >= 10.0 { "critical" } else { "warning" };
        let body = json!({
            "version": 1, "id": format!("{id:032x}"), "userId": "user001", "amount": 9000.0, "eventTimeMs": 1_760_000_100_000_i64,
            "transactionId": "txn_1", "mean": 100.0, "stddev": 10.0, "threshold": 125.0, "score": score, "count": 30,
            "severity": severity, "rule": "adaptive", "shardId": "shardId-000000000000", "sequenceNumber": "7", "subSequence": 0,
        });
        let message = crate::message::QueueMessage { message_id: Some("m".to_owned()), body: Some(body.to_string()) };
        let alert = Alert::read(&message).unwrap();
        let decision = Decision {
            disposition: if score >= 10.0 { Disposition::Page } else { Disposition::Digest },
            would: None,
            reason: Reason::Priority,
            policy_version: 0,
            priority: alert.severity(),
            episode: alert.id.clone(),
            repeats: 2,
            pages_per_day_max: 20,
        };
        Case::new(alert, decision)
    }

    fn planned(scores: &[f64], singles_max: usize) -> Vec<Publication> {
        let cases: Vec<Case> = scores.iter().enumerate().map(|(id, score)| case(id, *score)).collect();
        plan(&cases.iter().collect::<Vec<_>>(), singles_max)
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
    fn a_bundle_has_one_disposition_one_severity_and_one_side() {
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
    fn a_bundle_of_one_is_an_alert() {
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
        let because = document["because"].as_str().unwrap();
        assert!(because.ends_with("third unusual payment in 7 days.") && publication.email.contains(because));
        assert_eq!((&document["disposition"], &document["priority"]), (&json!("page"), &json!("critical")));
    }

    #[test]
    fn a_huge_bundle_becomes_several() {
        let publications = planned(&vec![3.0; 1_000], 0);
        assert!(publications.len() > 1);
        assert_eq!(publications.iter().map(|p| p.alert_ids.len()).sum::<usize>(), 1_000);
        assert!(publications.iter().all(|p| p.document.len() + p.email.len() < 240_000));
    }
}
