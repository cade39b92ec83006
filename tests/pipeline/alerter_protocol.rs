//! Lease, publish, count, complete: every port fails wherever it can, and each time the messages are redelivered.

use lambda_kit::{Clock, Fault};

use crate::fixtures::{AlerterBench, anomaly_body, sqs_event};

/// Long enough for every lease to run out.
const VISIBILITY_MS: i64 = 180_000;

fn event(numbers: &[usize]) -> String {
    sqs_event(&numbers.iter().map(|number| anomaly_body(*number, 3.0)).collect::<Vec<_>>())
}

#[tokio::test]
async fn an_alert_is_published_and_counted_once_however_often_it_is_delivered() {
    let bench = AlerterBench::new();
    for _ in 0..3 {
        assert_eq!(bench.handle(&event(&[1, 2, 1])).await.0, [""; 0]);
    }
    assert_eq!((bench.publisher.take().len(), bench.metric.sum()), (2, 2));
}

#[tokio::test]
async fn a_refused_publication_is_retried_and_the_others_are_done() {
    let bench = AlerterBench::new();
    bench.publisher.faults.extend([Fault::None, Fault::Refused]);
    let (failed, summary) = bench.handle(&event(&[1, 2, 3])).await;
    assert_eq!((failed, summary.alerts), (vec!["m1".to_owned()], 2));
    bench.clock.advance(VISIBILITY_MS);
    assert_eq!(bench.handle(&event(&[2])).await.0, [""; 0]);
    assert_eq!((bench.publisher.take().len(), bench.metric.sum()), (3, 3));
}

#[tokio::test]
async fn if_only_the_metric_failed_nothing_is_published_again() {
    let bench = AlerterBench::new();
    bench.metric.faults.extend([Fault::Refused]);
    let (failed, _) = bench.handle(&event(&[1, 2])).await;
    assert_eq!(failed, ["m0", "m1"]);
    assert_eq!(bench.publisher.take().len(), 2);
    bench.clock.advance(VISIBILITY_MS);
    assert_eq!(bench.handle(&event(&[1, 2, 3])).await.0, [""; 0]);
    assert_eq!((bench.publisher.take().len(), bench.metric.sum()), (1, 3));
}

#[tokio::test]
async fn the_ledger_says_when_an_alert_was_published_and_not_when_it_was_counted() {
    let bench = AlerterBench::new();
    let published_ms = bench.clock.now_ms();
    bench.metric.faults.extend([Fault::Refused]);
    bench.handle(&event(&[1])).await;
    assert_eq!(bench.ledger.published_at_ms().into_values().collect::<Vec<_>>(), [published_ms]);
    bench.clock.advance(VISIBILITY_MS);
    bench.handle(&event(&[1, 2])).await;
    let times: Vec<i64> = bench.ledger.published_at_ms().into_values().collect();
    assert_eq!(times.len(), 2);
    assert!(times.contains(&published_ms) && times.contains(&(published_ms + VISIBILITY_MS)), "{times:?}");
}

#[tokio::test]
async fn what_nobody_is_told_was_never_published() {
    let bench = AlerterBench::new();
    bench.ledger.set_policy(Some(r#"{"mode":"shadow"}"#.to_owned()));
    bench.handle(&event(&[1])).await;
    assert_eq!((bench.ledger.completed().len(), bench.ledger.published_at_ms().len()), (1, 0));
}

#[tokio::test]
async fn a_claim_that_is_held_waits_for_its_lease() {
    let bench = AlerterBench::new();
    // The claim was written, but the invocation that made it failed.
    bench.ledger.claim_faults.extend([Fault::AppliedButFailed]);
    assert_eq!(bench.handle(&event(&[1])).await.0, ["m0"]);
    let (failed, summary) = bench.handle(&event(&[1])).await;
    assert_eq!((failed, summary.held), (vec!["m0".to_owned()], 1));
    bench.clock.advance(VISIBILITY_MS);
    assert_eq!(bench.handle(&event(&[1])).await.0, [""; 0]);
    assert_eq!((bench.publisher.take().len(), bench.metric.sum()), (1, 1));
}

#[tokio::test]
async fn a_refused_claim_publishes_nothing() {
    let bench = AlerterBench::new();
    bench.ledger.claim_faults.extend([Fault::Refused]);
    assert_eq!(bench.handle(&event(&[1])).await.0, ["m0"]);
    assert!(bench.publisher.take().is_empty());
}

#[tokio::test]
async fn a_duplicate_is_possible_only_between_publish_and_complete() {
    let bench = AlerterBench::new();
    bench.ledger.complete_faults.extend([Fault::Refused]);
    assert_eq!(bench.handle(&event(&[1])).await.0, ["m0"]);
    bench.clock.advance(VISIBILITY_MS);
    bench.handle(&event(&[1])).await;
    assert_eq!(bench.publisher.take().len(), 2, "as documented");
    assert_eq!(bench.ledger.completed().len(), 1);
}

#[tokio::test]
async fn many_alerts_become_singles_and_a_digest_and_all_are_counted() {
    let bench = AlerterBench::new();
    let (failed, summary) = bench.handle(&event(&(0..9).collect::<Vec<_>>())).await;
    assert_eq!((failed.len(), summary.alerts, summary.publications), (0, 9, 4));
    assert_eq!(bench.metric.sum(), 9);
    let published = bench.publisher.take();
    assert_eq!(published.iter().map(|publication| publication.alert_ids.len()).sum::<usize>(), 9);
}

#[tokio::test]
async fn a_full_batch_is_a_digest_alone() {
    let bench = AlerterBench::new();
    let (failed, summary) = bench.handle(&event(&(0..10).collect::<Vec<_>>())).await;
    assert_eq!((failed.len(), summary.alerts, summary.publications), (0, 10, 1));
}

#[tokio::test]
async fn a_failed_digest_fails_all_its_alerts() {
    let bench = AlerterBench::new();
    bench.publisher.faults.extend((0..4).map(|i| if i == 3 { Fault::Refused } else { Fault::None }));
    let (failed, summary) = bench.handle(&event(&(0..9).collect::<Vec<_>>())).await;
    assert_eq!((failed.len(), summary.alerts, bench.metric.sum()), (6, 3, 3));
}

#[tokio::test]
async fn poison_fails_at_each_delivery_and_harms_nobody() {
    let bench = AlerterBench::new();
    let bodies = ["hello".to_owned(), anomaly_body(1, 3.0), String::new()];
    for _ in 0..2 {
        let (failed, summary) = bench.handle(&sqs_event(&bodies)).await;
        assert_eq!((failed, summary.poison), (vec!["m0".to_owned(), "m2".to_owned()], 2));
    }
    assert_eq!(bench.publisher.take().len(), 1);
}

#[tokio::test]
async fn near_the_deadline_nothing_is_claimed_and_everything_is_redelivered() {
    let bench = AlerterBench::new();
    let mut invocation = crate::fixtures::invocation(&bench.clock);
    invocation.deadline_ms -= 26_001;
    let outcome = bench.alerter.handle(&event(&[1, 2]), &invocation).await.unwrap();
    assert_eq!(outcome.response.batch_item_failures.len(), 2);
    assert!(bench.publisher.take().is_empty() && bench.ledger.completed().is_empty());
    assert_eq!(bench.handle(&event(&[1, 2])).await.0, [""; 0]);
}
