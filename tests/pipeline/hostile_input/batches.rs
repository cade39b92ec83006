//! Batches at the limits of what Lambda sends: empty, of one user, of ten thousand users, and at an invocation's 6 MB.

use std::collections::BTreeMap;

use anomaly_core::RejectReason::NotJson;
use detector::window_store::Loaded;
use event_source::kinesis::StreamRecord;

use crate::fixtures::{DetectorBench, kinesis_event, record, sequence, transaction, warm_up};

/// Maximum number of records in a batch.
const RECORDS_MAX: usize = 10_000;
/// Maximum size of an invocation's event.
const EVENT_BYTES_MAX: usize = 6 * 1024 * 1024;

/// A full batch: as many records as Lambda sends, each as long as the event's size limit permits.
fn full(payload: impl Fn(usize) -> StreamRecord) -> String {
    let pad = |bytes: usize| {
        let padded = |index| {
            let mut record = payload(index);
            record.data.resize(record.data.len() + bytes, b' ');
            record
        };
        kinesis_event(&(0..RECORDS_MAX).map(padded).collect::<Vec<_>>())
    };
    // Four characters of base64 for three bytes.
    let room = (EVENT_BYTES_MAX - pad(0).len()) / RECORDS_MAX / 4 * 3;
    let event = pad(room);
    assert!((EVENT_BYTES_MAX - 100_000..=EVENT_BYTES_MAX).contains(&event.len()), "{} bytes", event.len());
    event
}

#[tokio::test]
async fn an_empty_batch_succeeds_and_does_no_work() {
    let bench = DetectorBench::new();
    assert_eq!(bench.handle(r#"{"Records":[]}"#).await, (None, detector::DetectorSummary::default()));
    assert_eq!((bench.store.0.loads(), bench.store.0.commits()), (0, 0));
}

#[tokio::test]
async fn a_full_batch_of_one_user_costs_one_read_and_one_write() {
    let bench = DetectorBench::new();
    let (failed, summary) = bench.handle(&full(|index| transaction(index, "u", 100.0))).await;
    assert_eq!((failed, summary.users, summary.verdicts.warming_up + summary.verdicts.normal), (None, 1, 10_000));
    assert_eq!((bench.store.0.loads(), bench.store.0.commits()), (1, 1));
}

#[tokio::test]
async fn a_full_batch_of_ten_thousand_users_costs_a_read_and_a_write_each() {
    let bench = DetectorBench::new();
    let event = full(|index| transaction(index, &format!("user{index}"), 100.0));
    let (failed, summary) = bench.handle(&event).await;
    assert_eq!((failed, summary.users, summary.verdicts.warming_up), (None, 10_000, 10_000));
    assert_eq!((bench.store.0.loads(), bench.store.0.commits()), (10_000, 10_000));
    let (_, again) = bench.handle(&event).await;
    assert_eq!((again.cache_hits, again.verdicts.duplicates), (10_000, 10_000));
    assert_eq!(bench.store.0.commits(), 10_000);
}

#[tokio::test]
async fn a_full_batch_of_bad_records_is_all_quarantined() {
    let bench = DetectorBench::new();
    let (failed, summary) = bench.handle(&full(|index| record(index, "{"))).await;
    assert_eq!((failed, summary.rejected), (None, BTreeMap::from([(NotJson, 10_000)])));
    let kept = bench.quarantine.take();
    assert_eq!(kept.len(), RECORDS_MAX);
    let is_of = |(index, message): (usize, &String)| message.contains(&format!("\"{}\"", sequence(index)));
    assert!(kept.iter().enumerate().all(is_of), "in order");
}

#[tokio::test]
async fn one_good_record_among_ten_thousand_bad_ones_is_folded() {
    let bench = DetectorBench::new();
    let payload = |index| if index == 5_000 { transaction(index, "u", 1.0) } else { record(index, "{") };
    let (failed, summary) = bench.handle(&full(payload)).await;
    assert_eq!((failed, summary.verdicts.warming_up, bench.quarantine.take().len()), (None, 1, 9_999));
    assert!(matches!(bench.store.0.get("u"), Loaded::Present(_)));
}

#[tokio::test]
async fn a_batch_of_nothing_but_one_users_anomalies_sends_them_all() {
    let bench = DetectorBench::new();
    bench.handle(&kinesis_event(&warm_up(0, "u"))).await;
    // Each amount is larger than the one before, so that each is beyond the threshold.
    let amount = |index: usize| 1_000.0 * 1.02_f64.powi(i32::try_from(index).unwrap());
    let records: Vec<_> = (20..1_020).map(|index| transaction(index, "u", amount(index))).collect();
    let (failed, summary) = bench.handle(&kinesis_event(&records)).await;
    assert_eq!((failed, summary.sent.anomalies()), (None, summary.verdicts.anomalies()));
    let ids: std::collections::BTreeSet<String> = bench.sent_ids().into_iter().collect();
    assert_eq!(u64::try_from(ids.len()).unwrap(), summary.verdicts.anomalies());
    assert!(ids.len() > 50, "more than one outbox: {}", ids.len());
}
