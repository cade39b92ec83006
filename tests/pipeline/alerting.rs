//! Whom an alert reaches: policy, budget and summary through the alerter's handler.

use alert_policy::{Disposition, Reason};
use alerter::event::DIGEST_DUE;
use alerter::publication::{Audience, Publication};
use lambda_kit::Fault;
use serde_json::{Value, json};

use crate::fixtures::{AlerterBench, anomaly_body, sqs_event};

/// Long enough for a lease, and for the pause between two summaries.
const LATER_MS: i64 = 180_000;

/// An anomaly of a user of its own.
fn anomaly(number: usize, severity: &str) -> String {
    let mut message: Value = serde_json::from_str(&anomaly_body(number, 12.0)).unwrap();
    message["userId"] = json!(format!("user{number}"));
    message["severity"] = json!(severity);
    message.to_string()
}

/// Alerts one anomaly of each of these users.
async fn alert(bench: &AlerterBench, numbers: std::ops::Range<usize>, severity: &str) -> Vec<Publication> {
    let bodies: Vec<String> = numbers.map(|number| anomaly(number, severity)).collect();
    for body in bodies {
        assert_eq!(bench.handle(&sqs_event(&[body])).await.0, [""; 0]);
    }
    bench.publisher.take()
}

fn audiences(publications: &[Publication]) -> Vec<Audience> {
    publications.iter().map(|publication| publication.audience).collect()
}

fn id(number: usize) -> String {
    format!("{number:032x}")
}

#[tokio::test]
async fn critical_alerts_page_and_the_others_wait_for_one_summary() {
    let bench = AlerterBench::new();
    assert_eq!(audiences(&alert(&bench, 0..1, "critical").await), [Audience::Page]);
    assert_eq!(audiences(&alert(&bench, 1..4, "warning").await), [Audience::Digest; 3]);
    let (_, counts) = bench.handle(DIGEST_DUE).await;
    let [summary] = bench.publisher.take().try_into().unwrap();
    assert_eq!((summary.audience, summary.alert_ids.len(), counts.summarised), (Audience::Summary, 3, 3));
    assert!(summary.email.starts_with("3 anomalies since the last summary: 3 warning. The most urgent first:\n\n1. "));
    assert!(summary.email.contains("what user1 usually spends"), "{}", summary.email);
    let document: Value = serde_json::from_str(&summary.document).unwrap();
    assert_eq!(document["summary"]["top"].as_array().unwrap().len(), 3);
    bench.clock.advance(LATER_MS);
    bench.handle(DIGEST_DUE).await;
    assert!(bench.publisher.take().is_empty(), "nothing waits any more");
}

#[tokio::test]
async fn a_summary_tells_the_most_urgent_in_words_and_counts_the_others() {
    let bench = AlerterBench::new();
    bench.ledger.set_policy(Some(r#"{"digest":{"top":2}}"#.to_owned()));
    alert(&bench, 0..5, "warning").await;
    alert(&bench, 5..6, "high").await;
    bench.handle(DIGEST_DUE).await;
    let summary = bench.publisher.take().remove(0);
    assert!(summary.email.contains("\n1. high: ") && summary.email.contains("\n2. warning: "), "{}", summary.email);
    assert!(summary.email.ends_with("\nAnd 4 more: 4 warning.\n"), "{}", summary.email);
    assert_eq!(summary.alert_ids.len(), 6);
}

#[tokio::test]
async fn an_event_that_found_nothing_does_not_put_off_the_next_summary() {
    let bench = AlerterBench::new();
    bench.handle(DIGEST_DUE).await;
    alert(&bench, 0..2, "warning").await;
    assert_eq!(bench.handle(DIGEST_DUE).await.1.summarised, 2);
}

#[tokio::test]
async fn a_summary_that_is_not_confirmed_keeps_its_alerts_waiting() {
    let bench = AlerterBench::new();
    alert(&bench, 0..2, "warning").await;
    bench.publisher.faults.extend([Fault::Refused]);
    let invocation = crate::fixtures::invocation(&bench.clock);
    assert!(bench.alerter.handle(DIGEST_DUE, &invocation).await.is_err(), "Lambda repeats the event");
    bench.clock.advance(LATER_MS);
    assert_eq!(bench.handle(DIGEST_DUE).await.1.summarised, 2);
    assert_eq!(bench.publisher.take()[0].alert_ids.len(), 2);
}

#[tokio::test]
async fn the_schedule_may_fire_twice() {
    let bench = AlerterBench::new();
    alert(&bench, 0..1, "warning").await;
    assert_eq!(bench.handle(DIGEST_DUE).await.1.summarised, 1);
    assert_eq!(bench.handle(DIGEST_DUE).await.1.summarised, 0);
    assert_eq!(bench.publisher.take().len(), 1);
}

#[tokio::test]
async fn after_the_days_last_page_alerts_wait_and_machines_get_them_at_once() {
    let bench = AlerterBench::new();
    bench.ledger.set_policy(Some(r#"{"version":1,"page":{"perDay":2}}"#.to_owned()));
    let published = alert(&bench, 0..4, "critical").await;
    assert_eq!(audiences(&published), [Audience::Page, Audience::Page, Audience::Digest, Audience::Digest]);
    let says_so = |publication: &Publication| publication.email.contains("2 of 2 messages of this day (UTC) are used");
    assert_eq!(published.iter().map(says_so).collect::<Vec<_>>(), [false, true, false, false]);
    assert_eq!(bench.ledger.decisions()[&id(3)].reason, Reason::Budget);
    assert_eq!(bench.metric.sum(), 4);
    bench.clock.advance(86_400_000);
    assert_eq!(audiences(&alert(&bench, 4..5, "critical").await), [Audience::Page], "another day");
}

#[tokio::test]
async fn silent_and_shadow_alerts_are_recorded_counted_and_told_to_nobody() {
    let bench = AlerterBench::new();
    let rule = r#"{"id":"r","match":{"userId":["user0"]},"then":"silent","until":"2100-01-01","why":"w"}"#;
    bench.ledger.set_policy(Some(format!(r#"{{"version":1,"rules":[{rule}]}}"#)));
    assert!(alert(&bench, 0..1, "critical").await.is_empty());
    bench.ledger.set_policy(Some(r#"{"version":2,"mode":"shadow"}"#.to_owned()));
    assert!(alert(&bench, 1..2, "critical").await.is_empty());
    let decisions = bench.ledger.decisions();
    assert_eq!((decisions[&id(0)].disposition, decisions[&id(0)].policy_version), (Disposition::Silent, 1));
    assert_eq!(
        (decisions[&id(1)].disposition, decisions[&id(1)].would),
        (Disposition::Shadow, Some(Disposition::Page))
    );
    assert_eq!((bench.metric.sum(), bench.metric.shadow()), (1, 1));
}

#[tokio::test]
async fn a_users_entry_silences_that_user_alone() {
    let bench = AlerterBench::new();
    let entry = r#"{"entries":[{"then":"silent","until":"2100-01-01","why":"holiday"}]}"#;
    bench.ledger.set_entries("user0", entry.to_owned());
    assert_eq!(alert(&bench, 0..2, "critical").await.len(), 1);
}

#[tokio::test]
async fn no_text_that_cannot_be_read_silences_anything() {
    for policy in ["", "{", "[]", "7", r#"{"schema":9,"mode":"shadow"}"#, r#"{"mode":"shadow","x":1}"#, "\u{0}"] {
        let bench = AlerterBench::new();
        bench.ledger.set_policy(Some(policy.to_owned()));
        bench.ledger.set_entries("user0", policy.to_owned());
        let (failed, summary) = bench.handle(&sqs_event(&[anomaly(0, "critical")])).await;
        assert_eq!((failed.len(), summary.pages, summary.policy_unusable), (0, 1, 2), "{policy}");
    }
}

#[tokio::test]
async fn a_table_that_does_not_respond_is_tried_again_and_nothing_is_decided() {
    let bench = AlerterBench::new();
    bench.ledger.set_policy(Some(r#"{"mode":"shadow"}"#.to_owned()));
    bench.ledger.read_faults.extend([Fault::Refused]);
    assert_eq!(bench.handle(&sqs_event(&[anomaly(0, "critical")])).await.0, ["m0"]);
    assert!(bench.publisher.take().is_empty() && bench.ledger.decisions().is_empty());
    assert!(alert(&bench, 0..1, "critical").await.is_empty(), "the policy holds");
}

#[tokio::test]
async fn whoever_takes_over_a_claim_follows_its_decision() {
    let bench = AlerterBench::new();
    bench.ledger.set_policy(Some(r#"{"version":1,"mode":"shadow"}"#.to_owned()));
    bench.ledger.claim_faults.extend([Fault::AppliedButFailed]);
    assert_eq!(bench.handle(&sqs_event(&[anomaly(0, "critical")])).await.0, ["m0"]);
    bench.ledger.set_policy(None);
    bench.clock.advance(LATER_MS);
    assert!(alert(&bench, 0..1, "critical").await.is_empty());
    assert_eq!(bench.ledger.decisions()[&id(0)].disposition, Disposition::Shadow);
}

#[tokio::test]
async fn a_plain_text_waits_for_the_summary_and_is_told_there_as_it_is() {
    let bench = AlerterBench::new();
    let text = "ANOMALY DETECTED: User user001 has transaction of 9000.00 (avg: 1.00, stddev: 1.00, threshold: 3.50, count: 9)";
    bench.handle(&sqs_event(&[text.to_owned()])).await;
    assert_eq!(audiences(&bench.publisher.take()), [Audience::Digest]);
    bench.handle(DIGEST_DUE).await;
    assert!(bench.publisher.take()[0].email.contains(text));
}

#[tokio::test]
async fn a_summary_of_the_longest_texts_fits_sns() {
    let bench = AlerterBench::new();
    for number in 0..20 {
        let text = format!("ANOMALY DETECTED: {number}{}", "\"".repeat(32_000));
        bench.handle(&sqs_event(&[text])).await;
        bench.clock.advance(10_000);
    }
    let _ = bench.publisher.take();
    bench.handle(DIGEST_DUE).await;
    let summary = bench.publisher.take().remove(0);
    assert!(summary.message().len() <= alerter::publication::MESSAGE_BYTES_MAX);
    assert_eq!(summary.alert_ids.len(), 20);
    assert!(summary.email.contains("And "), "those that do not fit are counted");
}

/// Of a redelivery everything is known; it must not count as another alert of the user's episode.
#[tokio::test]
async fn a_redelivery_beside_a_new_alert_hides_no_page() {
    let bench = AlerterBench::new();
    let of_user = |number, severity: &str| anomaly(number, severity).replace(&format!("\"user{number}\""), "\"user0\"");
    let [high, warning, critical] =
        [(0, "high"), (1, "warning"), (2, "critical")].map(|(number, severity)| of_user(number, severity));
    bench.handle(&sqs_event(&[high.clone(), warning.clone()])).await;
    let _ = bench.publisher.take();
    bench.handle(&sqs_event(&[high, warning, critical])).await;
    assert_eq!(audiences(&bench.publisher.take()), [Audience::Page]);
    let decision = &bench.ledger.decisions()[&id(2)];
    assert_eq!((decision.repeats, &decision.reason), (2, &Reason::Priority));
}
