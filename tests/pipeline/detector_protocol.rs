//! The commit protocol, one promise for each test: every port fails wherever it can, and each time the batch is redelivered, as
//! Lambda would do.

use anomaly_core::{RejectReason, ShardId};
use detector::shard_ranges::ShardRanges;
use detector::window_store::Loaded;
use detector::{Detector, DetectorSettings};
use intake::aggregate::{HashRange, pack_keyed};
use lambda_kit::{Env, Fault};

use crate::fixtures::{
    DetectorBench, SHARD, STREAM, SharedStore, invocation, kinesis_event, record, sequence, transaction, warm_up,
};
use event_source::kinesis::{StreamRecord, event_json};

/// Twenty ordinary transactions of a user and then an anomaly.
fn with_anomaly(first: usize, user_id: &str) -> Vec<StreamRecord> {
    let mut records = warm_up(first, user_id);
    records.push(transaction(first + 20, user_id, 9_000.0));
    records
}

#[tokio::test]
async fn a_warm_user_costs_no_read_and_one_write_a_batch() {
    let bench = DetectorBench::new();
    for batch in 0..10 {
        let records: Vec<_> = (0..30).map(|i| transaction(batch * 30 + i, &format!("u{}", i % 3), 100.0)).collect();
        bench.handle(&kinesis_event(&records)).await;
    }
    assert_eq!(bench.store.0.loads(), 3);
    assert_eq!(bench.store.0.commits(), 30);
}

#[tokio::test]
async fn nothing_is_written_when_nothing_changed() {
    let bench = DetectorBench::new();
    let event = kinesis_event(&warm_up(0, "u"));
    bench.handle(&event).await;
    bench.handle(&event).await;
    assert_eq!(bench.store.0.commits(), 1);
}

#[tokio::test]
async fn a_refused_commit_fails_the_users_records_and_nobody_elses() {
    let bench = DetectorBench::new();
    let records = [warm_up(0, "a"), warm_up(20, "b")].concat();
    bench.store.0.commit_faults.extend([Fault::None, Fault::Refused]);
    let (failed, summary) = bench.handle(&kinesis_event(&records)).await;
    assert_eq!(failed, Some(sequence(20)), "the first record of the second user");
    assert_eq!(summary.users_failed, 1);
    assert!(matches!(bench.store.get_state("a"), Loaded::Present(_)));
    assert_eq!(bench.store.get_state("b"), Loaded::Absent);
    let (failed, _) = bench.handle(&kinesis_event(&records[20..])).await;
    assert_eq!(failed, None);
}

#[tokio::test]
async fn a_commit_whose_response_is_lost_is_not_applied_twice_and_its_anomaly_is_sent_on_redelivery() {
    let bench = DetectorBench::new();
    let event = kinesis_event(&with_anomaly(0, "u"));
    bench.store.0.commit_faults.extend([Fault::AppliedButFailed]);
    let (failed, _) = bench.handle(&event).await;
    assert_eq!((failed, bench.sent_ids().len()), (Some(sequence(0)), 0));
    let (failed, summary) = bench.handle(&event).await;
    assert_eq!((failed, summary.verdicts.duplicates), (None, 21));
    assert_eq!(bench.sent_ids().len(), 1);
}

#[tokio::test]
async fn a_crash_after_the_commit_loses_no_anomaly() {
    let bench = DetectorBench::new();
    let event = kinesis_event(&with_anomaly(0, "u"));
    bench.anomalies.faults.extend([Fault::Refused]);
    let (failed, _) = bench.handle(&event).await;
    assert_eq!(failed, Some(sequence(0)));
    // Another container gets the redelivery.
    let other = DetectorBench::on(bench.store.clone());
    let (failed, summary) = other.handle(&event).await;
    assert_eq!((failed, summary.verdicts.duplicates, other.sent_ids().len()), (None, 21, 1));
    let (_, summary) = other.handle(&event).await;
    assert_eq!((summary.sent.anomalies(), other.sent_ids().len()), (0, 0), "the outbox is clear");
}

#[tokio::test]
async fn an_anomaly_sent_twice_has_the_same_id() {
    let bench = DetectorBench::new();
    let event = kinesis_event(&with_anomaly(0, "u"));
    bench.anomalies.faults.extend([Fault::AppliedButFailed]);
    bench.handle(&event).await;
    bench.handle(&event).await;
    let ids = bench.sent_ids();
    assert_eq!((ids.len(), &ids[0]), (2, &ids[1]));
}

#[tokio::test]
async fn an_outbox_that_could_not_be_cleared_is_harmless() {
    let bench = DetectorBench::new();
    bench.store.0.commit_faults.extend([Fault::None, Fault::Refused]);
    let (failed, summary) = bench.handle(&kinesis_event(&with_anomaly(0, "u"))).await;
    assert_eq!((failed, summary.sent.anomalies(), summary.outboxes_cleared), (None, 1, 0));
    let first = bench.sent_ids();
    bench.handle(&kinesis_event(&[transaction(30, "u", 100.0)])).await;
    assert_eq!(bench.sent_ids(), first, "sent again under the same id");
    bench.handle(&kinesis_event(&[transaction(31, "u", 100.0)])).await;
    assert!(bench.sent_ids().is_empty());
}

#[tokio::test]
async fn a_stale_cache_loses_its_write_and_folds_again() {
    let first = DetectorBench::new();
    let second = DetectorBench::on(first.store.clone());
    first.handle(&kinesis_event(&warm_up(0, "u"))).await;
    second.handle(&kinesis_event(&warm_up(20, "u"))).await;
    let (failed, summary) = first.handle(&kinesis_event(&[transaction(40, "u", 9_000.0)])).await;
    assert_eq!((failed, summary.cache_hits, summary.state_conflicts), (None, 1, 1));
    assert_eq!(first.sent_ids().len(), 1);
    let alone = DetectorBench::new();
    let all = [warm_up(0, "u"), warm_up(20, "u"), vec![transaction(40, "u", 9_000.0)]].concat();
    alone.handle(&kinesis_event(&all)).await;
    assert_eq!(state_of(&first.store), state_of(&alone.store));
}

#[tokio::test]
async fn a_users_anomalies_beyond_one_outbox_are_all_sent() {
    let bench = DetectorBench::new();
    let mut records = warm_up(0, "u");
    // Each third is an anomaly, larger than the one before; more of them would be a new level.
    records.extend((20..560_u16).map(|i| {
        let amount = if i % 3 == 0 { f64::from(i).powi(2) * 1_000.0 } else { 100.0 + f64::from(i % 7) };
        transaction(i.into(), "u", amount)
    }));
    let (failed, summary) = bench.handle(&kinesis_event(&records)).await;
    assert_eq!((failed, summary.verdicts.anomalies(), summary.outboxes_cleared), (None, 180, 1));
    assert_eq!(bench.sent_ids().len(), 180);
    assert_eq!(bench.store.0.commits(), 180_usize.div_ceil(50) + 1);
}

#[tokio::test]
async fn every_bad_record_is_quarantined_unchanged_and_delays_nobody() {
    let bench = DetectorBench::new();
    let bad: Vec<u8> = vec![0xFF, 0x00, b'{'];
    let mut records = warm_up(0, "u");
    records.insert(10, record(99, bad.clone()));
    let (failed, summary) = bench.handle(&kinesis_event(&records)).await;
    assert_eq!((failed, summary.rejected.values().sum::<u64>()), (None, 1));
    let message: serde_json::Value = serde_json::from_str(&bench.quarantine.take()[0]).unwrap();
    assert_eq!(message["reason"], "not-utf8");
    assert_eq!(message["payload"], "/wB7");
    assert_eq!(message["sequenceNumber"], sequence(99));
    assert_eq!(message["shardId"], SHARD);
    assert_eq!(message["partitionKey"], "k");
    assert_eq!(message["payloadOmitted"], false);
}

#[tokio::test]
async fn a_large_payload_is_left_out_of_quarantine_and_marked_as_omitted() {
    let bench = DetectorBench::new();
    bench.handle(&kinesis_event(&[record(0, vec![b' '; 300 * 1024])])).await;
    let message: serde_json::Value = serde_json::from_str(&bench.quarantine.take()[0]).unwrap();
    assert_eq!((message["reason"].as_str(), message.get("payload")), (Some("record-too-large"), None));
    assert_eq!((&message["payloadOmitted"], &message["payloadBytes"]), (&true.into(), &(300 * 1024).into()));
}

#[tokio::test]
async fn a_bad_record_that_quarantine_refuses_is_redelivered() {
    let bench = DetectorBench::new();
    let mut records = warm_up(0, "u");
    records.insert(10, record(10, "not json"));
    bench.quarantine.faults.extend([Fault::Refused]);
    let (failed, summary) = bench.handle(&kinesis_event(&records)).await;
    assert_eq!((failed, summary.quarantine_failed), (Some(sequence(10)), 1));
    let (failed, summary) = bench.handle(&kinesis_event(&records[10..])).await;
    assert_eq!((failed, summary.verdicts.duplicates), (None, 10), "the good ones were applied the first time");
    assert_eq!(bench.quarantine.take().len(), 1);
}

#[tokio::test]
async fn a_bad_envelope_is_reported_by_the_record_before_it() {
    let bench = DetectorBench::new();
    let mut event: serde_json::Value = serde_json::from_str(&kinesis_event(&warm_up(0, "u"))).unwrap();
    event["Records"].as_array_mut().unwrap().insert(5, serde_json::json!({ "kinesis": {} }));
    bench.quarantine.faults.extend([Fault::Refused]);
    assert_eq!(bench.handle(&event.to_string()).await.0, Some(sequence(4)));
    bench.quarantine.faults.extend([Fault::Refused]);
    let alone = r#"{"Records":[{}]}"#;
    assert!(
        bench.detector.handle(alone, &invocation(&bench.clock)).await.is_err(),
        "there is no record to report it by"
    );
    assert_eq!(bench.handle(alone).await.0, None);
}

#[tokio::test]
async fn the_lowest_of_all_failures_is_reported() {
    let bench = DetectorBench::new();
    let records = [warm_up(0, "a"), vec![record(20, "bad")], warm_up(21, "b")].concat();
    bench.quarantine.faults.extend([Fault::Refused]);
    bench.store.0.load_faults.extend([Fault::None, Fault::Refused]);
    assert_eq!(bench.handle(&kinesis_event(&records)).await.0, Some(sequence(20)));
}

#[tokio::test]
async fn a_corrupt_state_quarantines_its_users_records_and_is_left_unchanged() {
    use detector::window_store::CorruptItem;
    let bench = DetectorBench::new();
    let corrupt = Loaded::Corrupt(CorruptItem::Attribute("state"));
    bench.store.0.put("a", corrupt.clone());
    let records = [warm_up(0, "a"), warm_up(20, "b")].concat();
    let (failed, summary) = bench.handle(&kinesis_event(&records)).await;
    assert_eq!((failed, bench.quarantine.take().len()), (None, 20));
    assert_eq!(summary.rejected.keys().map(|reason| reason.as_str()).collect::<Vec<_>>(), ["state-corrupt"]);
    assert_eq!(bench.store.get_state("a"), corrupt);
    assert!(matches!(bench.store.get_state("b"), Loaded::Present(_)));
}

#[tokio::test]
async fn near_the_deadline_nothing_is_started_and_everything_is_redelivered() {
    let bench = DetectorBench::new();
    let mut invocation = invocation(&bench.clock);
    invocation.deadline_ms -= 29_000;
    let outcome = bench.detector.handle(&kinesis_event(&warm_up(0, "u")), &invocation).await.unwrap();
    assert_eq!(outcome.response.batch_item_failures[0].item_identifier, Some(sequence(0)));
    assert_eq!(bench.store.0.commits(), 0);
}

#[tokio::test]
async fn a_users_state_expires_and_its_unsent_anomalies_do_not() {
    let bench = DetectorBench::new();
    bench.anomalies.faults.extend([Fault::Refused]);
    bench.handle(&kinesis_event(&with_anomaly(0, "u"))).await;
    bench.clock.advance(91 * 86_400_000);
    let (failed, summary) = bench.handle(&kinesis_event(&[transaction(30, "u", 100.0)])).await;
    assert_eq!((failed, summary.verdicts.warming_up, bench.sent_ids().len()), (None, 1, 1));
}

#[tokio::test]
async fn a_users_records_of_two_shards_are_both_applied() {
    let bench = DetectorBench::new();
    bench.handle(&event_json(STREAM, "shardId-000000000007", &warm_up(500, "u"))).await;
    let (_, summary) = bench.handle(&kinesis_event(&warm_up(0, "u"))).await;
    assert_eq!(summary.verdicts.duplicates, 0);
}

fn state_of(store: &SharedStore) -> anomaly_core::UserState {
    match store.get_state("u") {
        Loaded::Present(user) => user.state,
        other => panic!("{other:?}"),
    }
}

impl SharedStore {
    fn get_state(&self, user_id: &str) -> Loaded {
        self.0.get(user_id)
    }
}

/// The SDK repeats a write whose response was lost, and finds its own item. What is told of the anomalies is what was sent.
#[tokio::test]
async fn anomalies_are_counted_as_they_are_sent_whatever_became_of_the_commit() {
    let bench = DetectorBench::new();
    let mut records = warm_up(0, "u");
    records.extend((20..45).map(|index| transaction(index, "u", 1e4 * 2_f64.powi(i32::try_from(index).unwrap() - 20))));
    // Applied, but a conflict as far as the function learns: another container may as well have done it.
    let other = DetectorBench::on(bench.store.clone());
    other.anomalies.faults.extend([Fault::Refused; 100]);
    other.handle(&kinesis_event(&records)).await;
    let (failed, summary) = bench.handle(&kinesis_event(&records)).await;
    assert_eq!((failed, summary.verdicts.anomalies(), summary.verdicts.duplicates), (None, 0, 45));
    assert_eq!(summary.sent.anomalies(), u64::try_from(bench.sent_ids().len()).unwrap());
    assert!(summary.sent.critical >= 9, "{:?}", summary.sent);
}

/// One half of the hash keys is in each of two shards.
struct Halves;

impl ShardRanges for Halves {
    async fn range(&self, _stream_arn: &str, shard: &ShardId) -> Option<HashRange> {
        let is_upper = shard.as_str().ends_with('2');
        let (first, last) = if is_upper { (u128::MAX / 2 + 1, u128::MAX) } else { (0, u128::MAX / 2) };
        Some(HashRange { first, last })
    }
}

/// While a stream is resharded, the KPL packs a record by the old map, sees in the answer that it is in the wrong shard, and puts it
/// again. The MD5 of "a" is in the lower half, that of "b" in the upper one.
#[tokio::test]
async fn a_misplaced_copy_of_a_record_goes_to_quarantine_where_the_shards_ranges_are_known() {
    let bench = DetectorBench::new();
    bench.handle(&kinesis_event(&[warm_up(0, "a"), warm_up(20, "b")].concat())).await;
    let of = |index, user: &str| transaction(index, user, 9_000.0).data;
    let wrong = record(50, pack_keyed(&[("a", of(50, "a")), ("b", of(50, "b"))]));
    let right = record(51, pack_keyed(&[("b", of(50, "b"))]));
    let of_shard = |number: u32, record: &StreamRecord| {
        event_json(STREAM, &format!("shardId-00000000000{number}"), std::slice::from_ref(record))
    };

    let clock = bench.clock.clone();
    let (anomalies, quarantine) = (bench.anomalies.clone(), bench.quarantine.clone());
    let settings = DetectorSettings::from_env(&Env::default()).unwrap();
    let detector = Detector::new(bench.store.clone(), anomalies, quarantine, clock, settings).with_ranges(Halves);
    let first = detector.handle(&of_shard(1, &wrong), &invocation(&bench.clock)).await.unwrap().summary;
    assert_eq!(
        (first.rejected, first.without_id, first.sent.anomalies()),
        ([(RejectReason::Misplaced, 1)].into(), 0, 1)
    );
    let second = detector.handle(&of_shard(2, &right), &invocation(&bench.clock)).await.unwrap().summary;
    assert_eq!((second.rejected.len(), second.sent.anomalies()), (0, 1));
    assert_eq!(bench.sent_ids().len(), 2, "one alert for each of the two transactions");
}

#[tokio::test]
async fn where_the_ranges_are_unknown_aggregated_records_without_an_id_are_counted() {
    let bench = DetectorBench::new();
    let with_id = r#"{"userId":"a","amount":1,"timestamp":0,"transactionId":"t"}"#.as_bytes().to_vec();
    let packed = record(1, pack_keyed(&[("a", transaction(1, "a", 1.0).data), ("a", with_id)]));
    let (_, summary) = bench.handle(&kinesis_event(&[packed, transaction(2, "a", 1.0)])).await;
    assert_eq!((summary.rejected.len(), summary.without_id), (0, 1));
}
