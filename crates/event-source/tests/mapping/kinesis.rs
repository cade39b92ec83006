use std::cell::RefCell;

use event_source::Invoked;
use event_source::kinesis::{Condition, FailedBatch, KinesisMapping, KinesisMappingSettings, MemoryStream, event_json};
use event_source::kinesis::{StreamRecord, StreamSource};

use crate::{Script, failed, reported};

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/transactions";

/// Puts records whose keys are their names. Returns their sequence numbers.
fn put(stream: &MemoryStream, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| stream.put(name, name.as_bytes().to_vec(), 1_000).sequence_number).collect()
}

struct Run {
    calls: Vec<Vec<String>>,
    discarded: Vec<FailedBatch>,
}

/// Steps until nothing is pending, at most `steps_max` times, all at the same time.
async fn drain(stream: MemoryStream, script: &Script, settings: KinesisMappingSettings, steps_max: usize) -> Run {
    let mut mapping = KinesisMapping::new(ARN.to_owned(), stream, script, RefCell::default(), settings);
    for _ in 0..steps_max {
        let step = mapping.step(2_000).await.unwrap();
        if step.invocations == 0 && step.records_open == 0 {
            break;
        }
    }
    Run { calls: script.calls(), discarded: mapping.destination().take() }
}

fn settings(batch_size: usize) -> KinesisMappingSettings {
    KinesisMappingSettings { batch_size, ..KinesisMappingSettings::default() }
}

#[tokio::test]
async fn batches_keep_order_and_size() {
    let stream = MemoryStream::new(1);
    put(&stream, &["a", "b", "c", "d", "e"]);
    let run = drain(stream, &Script::default(), settings(2), 10).await;
    assert_eq!(run.calls, [vec!["a", "b"], vec!["c", "d"], vec!["e"]]);
}

#[tokio::test]
async fn the_lowest_reported_number_is_the_checkpoint() {
    let stream = MemoryStream::new(1);
    let numbers = put(&stream, &["a", "b", "c", "d"]);
    let script = Script::new([reported(&[&numbers[3], &numbers[1]])]);
    let run = drain(stream, &script, settings(4), 10).await;
    assert_eq!(run.calls, [vec!["a", "b", "c", "d"], vec!["b", "c", "d"]]);
}

#[tokio::test]
async fn a_broken_report_retries_the_whole_batch() {
    for response in [reported(&[""]), reported(&["404"]), Invoked::Responded("[]x".to_owned())] {
        let stream = MemoryStream::new(1);
        put(&stream, &["a", "b"]);
        let run = drain(stream, &Script::new([response]), settings(2), 10).await;
        assert_eq!(run.calls, [vec!["a", "b"], vec!["a", "b"]]);
    }
}

#[tokio::test]
async fn without_partial_responses_any_response_is_success() {
    let stream = MemoryStream::new(1);
    let numbers = put(&stream, &["a", "b"]);
    let settings = KinesisMappingSettings { report_batch_item_failures: false, ..settings(2) };
    let run = drain(stream, &Script::new([reported(&[&numbers[0]])]), settings, 10).await;
    assert_eq!(run.calls.len(), 1);
}

#[tokio::test]
async fn bisecting_a_failed_batch_keeps_the_order_and_costs_no_retry() {
    let stream = MemoryStream::new(1);
    put(&stream, &["a", "b", "c", "d"]);
    let settings =
        KinesisMappingSettings { bisect_batch_on_function_error: true, retry_attempts_max: Some(0), ..settings(4) };
    // "c" is the poison: every batch that contains it fails.
    let ok = || Invoked::Responded(String::new());
    let script = Script::new([failed(), ok(), failed(), failed(), ok()]);
    let run = drain(stream, &script, settings, 20).await;
    assert_eq!(run.calls, [vec!["a", "b", "c", "d"], vec!["a", "b"], vec!["c", "d"], vec!["c"], vec!["d"]]);
    assert_eq!(run.discarded.len(), 1);
    assert_eq!(run.discarded[0].records[0].partition_key, "c");
}

#[tokio::test]
async fn a_cut_at_the_checkpoint_costs_no_retry_unless_it_cuts_nothing_off() {
    let stream = MemoryStream::new(1);
    let numbers = put(&stream, &["a", "b", "c"]);
    let settings =
        KinesisMappingSettings { bisect_batch_on_function_error: true, retry_attempts_max: Some(1), ..settings(3) };
    let script = Script::new([reported(&[&numbers[1]]), reported(&[&numbers[1]]), reported(&[&numbers[1]])]);
    let run = drain(stream, &script, settings, 20).await;
    assert_eq!(run.calls, [vec!["a", "b", "c"], vec!["b", "c"], vec!["b", "c"]]);
    assert_eq!(run.discarded[0].condition, Condition::RetryAttemptsExhausted);
    assert_eq!(run.discarded[0].invoke_count, 3);
}

#[tokio::test]
async fn retries_stop_at_their_limit_and_the_next_batch_follows() {
    let stream = MemoryStream::new(1);
    put(&stream, &["a", "b"]);
    let settings = KinesisMappingSettings { retry_attempts_max: Some(2), ..settings(1) };
    let run = drain(stream, &Script::new([failed(), failed(), failed()]), settings, 20).await;
    assert_eq!(run.calls, [vec!["a"], vec!["a"], vec!["a"], vec!["b"]]);
    assert_eq!(run.discarded[0].condition, Condition::RetryAttemptsExhausted);
}

#[tokio::test]
async fn without_limits_a_batch_is_retried_for_ever_and_blocks_its_shard() {
    let stream = MemoryStream::new(1);
    put(&stream, &["a", "b"]);
    let run = drain(stream, &Script::new((0..50).map(|_| failed())), settings(1), 50).await;
    assert_eq!(run.calls.len(), 50);
    assert!(run.calls.iter().all(|call| call == &["a"]));
    assert!(run.discarded.is_empty());
}

#[tokio::test]
async fn a_throttled_call_costs_no_retry() {
    let stream = MemoryStream::new(1);
    put(&stream, &["a"]);
    let settings = KinesisMappingSettings { retry_attempts_max: Some(0), ..settings(1) };
    let throttled = || Invoked::NotInvoked("throttled".to_owned());
    let run = drain(stream, &Script::new([throttled(), throttled()]), settings, 20).await;
    assert_eq!(run.calls.len(), 3);
    assert!(run.discarded.is_empty());
}

#[tokio::test]
async fn expired_records_are_discarded_and_the_others_delivered() {
    let stream = MemoryStream::new(1);
    put(&stream, &["old"]);
    stream.put("new", Vec::new(), 1_500);
    let settings = KinesisMappingSettings { record_age_max_ms: Some(700), ..settings(2) };
    let run = drain(stream, &Script::default(), settings, 20).await;
    assert_eq!(run.calls, [vec!["new"]]);
    assert_eq!(run.discarded[0].condition, Condition::RecordAgeExceeded);
    assert_eq!(run.discarded[0].records[0].partition_key, "old");
}

#[tokio::test]
async fn batches_are_concurrent_but_never_for_one_key() {
    let stream = MemoryStream::new(1);
    let names: Vec<String> = (0..40).map(|i| format!("user{}", i % 8)).collect();
    put(&stream, &names.iter().map(String::as_str).collect::<Vec<_>>());
    let settings = KinesisMappingSettings { parallelization_factor: 4, ..settings(100) };
    let script = Script::default();
    let mut mapping = KinesisMapping::new(ARN.to_owned(), stream, &script, (), settings);
    let step = mapping.step(2_000).await.unwrap();
    assert!(step.invocations > 1, "one step calls several lanes");
    let calls = script.calls();
    for user in names.iter().take(8) {
        let lanes: Vec<_> = calls.iter().filter(|call| call.contains(user)).collect();
        assert_eq!(lanes.len(), 1);
        assert_eq!(lanes[0].iter().filter(|name| *name == user).count(), 5);
    }
}

#[tokio::test]
async fn a_small_batch_waits_for_the_batching_window() {
    let stream = MemoryStream::new(1);
    put(&stream, &["a"]);
    let script = Script::default();
    let settings = KinesisMappingSettings { batching_window_ms: 5_000, ..settings(10) };
    let mut mapping = KinesisMapping::new(ARN.to_owned(), stream, &script, (), settings);
    assert_eq!(mapping.step(10_000).await.unwrap().invocations, 0);
    assert_eq!(mapping.step(14_999).await.unwrap().invocations, 0);
    assert_eq!(mapping.step(15_000).await.unwrap().invocations, 1);
}

#[tokio::test]
async fn the_iterator_age_is_that_of_a_batchs_last_record_at_its_call() {
    let stream = MemoryStream::new(1);
    for (name, arrived_ms) in [("a", 1_000), ("b", 1_500), ("c", 1_900)] {
        stream.put(name, name.as_bytes().to_vec(), arrived_ms);
    }
    let script = Script::default();
    let mut mapping = KinesisMapping::new(ARN.to_owned(), stream, &script, (), settings(2));
    let ages = [
        mapping.step(2_000).await.unwrap().iterator_age_ms,
        mapping.step(5_000).await.unwrap().iterator_age_ms,
        mapping.step(9_000).await.unwrap().iterator_age_ms,
    ];
    assert_eq!(ages, [500, 3_100, 0]);
}

#[tokio::test]
async fn a_child_shard_waits_for_its_parents() {
    let stream = MemoryStream::new(1);
    put(&stream, &["a"]);
    stream.split("shardId-000000000000");
    stream.merge("shardId-000000000001", "shardId-000000000002");
    put(&stream, &["a"]);
    let script = Script::new([failed(), failed()]);
    let mut mapping = KinesisMapping::new(ARN.to_owned(), stream, &script, (), settings(5));
    let first = mapping.step(2_000).await.unwrap();
    assert_eq!(first.invocations, 1, "only the oldest shard");
    for _ in 0..5 {
        mapping.step(2_000).await.unwrap();
    }
    assert_eq!(script.calls(), [["a"], ["a"], ["a"], ["a"]]);
    assert_eq!(mapping.source().shards().await.unwrap()[3].parents.len(), 2);
}

#[test]
fn the_event_is_the_one_that_lambda_sends() {
    let record = StreamRecord {
        sequence_number: "7".to_owned(),
        partition_key: "k".to_owned(),
        data: b"{}".to_vec(),
        arrival_time_ms: 1_545_084_650_987,
    };
    let event: serde_json::Value = serde_json::from_str(&event_json(ARN, "shardId-000000000006", &[record])).unwrap();
    let record = &event["Records"][0];
    assert_eq!(record["eventID"], "shardId-000000000006:7");
    assert_eq!(record["awsRegion"], "us-east-1");
    assert_eq!(record["kinesis"]["data"], "e30=");
    assert_eq!(record["kinesis"]["approximateArrivalTimestamp"], 1_545_084_650.987);
    assert_eq!(record["kinesis"]["kinesisSchemaVersion"], "1.0");
}

#[test]
fn the_metadata_locates_the_records_and_the_payload_contains_them() {
    let record = |sequence_number: &str| StreamRecord {
        sequence_number: sequence_number.to_owned(),
        partition_key: "k".to_owned(),
        data: Vec::new(),
        arrival_time_ms: 1,
    };
    let batch = FailedBatch {
        condition: Condition::RecordAgeExceeded,
        invoke_count: 2,
        stream_arn: ARN.to_owned(),
        shard_id: "shardId-000000000000".to_owned(),
        records: vec![record("5"), record("6")],
        discarded_at_ms: 9,
    };
    let metadata = batch.metadata();
    assert_eq!(metadata["requestContext"]["condition"], "RecordAgeExceeded");
    assert_eq!(metadata["KinesisBatchInfo"]["startSequenceNumber"], "5");
    assert_eq!(metadata["KinesisBatchInfo"]["endSequenceNumber"], "6");
    assert_eq!(metadata.get("payload"), None);
    let payload = batch.with_payload()["payload"].as_str().unwrap().to_owned();
    assert!(payload.contains("\"shardId-000000000000:6\""));
}
