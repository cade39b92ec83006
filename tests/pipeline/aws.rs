//! The adapters of services that have no stand-in in this process, against responses mocked at the HTTP layer.

use alerter::metric_sink::{CloudWatchSink, MetricSink, Tally};
use alerter::publisher::{Publisher, SnsPublisher};
use aws_sdk_cloudwatch::operation::put_metric_data::{PutMetricDataError, PutMetricDataOutput};
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemOutput;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use aws_sdk_kinesis::operation::list_shards::ListShardsOutput;
use aws_sdk_kinesis::types::{HashKeyRange, SequenceNumberRange, Shard};
use aws_sdk_sns::operation::publish_batch::{PublishBatchInput, PublishBatchOutput};
use aws_sdk_sns::types::{BatchResultErrorEntry as SnsErrorEntry, PublishBatchResultEntry};
use aws_sdk_sqs::operation::send_message_batch::{SendMessageBatchInput, SendMessageBatchOutput};
use aws_sdk_sqs::types::{BatchResultErrorEntry, SendMessageBatchResultEntry};
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use detector::shard_ranges::{KinesisShardRanges, ShardRanges};
use detector::window_store::{DynamoDbWindowStore, Loaded, WindowStore};
use message_queue::{MessageQueue, SqsQueue};

use intake::aggregate::HashRange;

use crate::fixtures::publications;

fn sqs_response(successful: &[&str], failed: &[&str]) -> SendMessageBatchOutput {
    let ok = |id: &&str| {
        let entry = SendMessageBatchResultEntry::builder().id(*id).message_id("m").md5_of_message_body("x");
        entry.build().unwrap()
    };
    let error =
        |id: &&str| BatchResultErrorEntry::builder().id(*id).code("InternalError").sender_fault(false).build().unwrap();
    SendMessageBatchOutput::builder()
        .set_successful(Some(successful.iter().map(ok).collect()))
        .set_failed(Some(failed.iter().map(error).collect()))
        .build()
        .unwrap()
}

fn ids(input: &SendMessageBatchInput) -> Vec<&str> {
    input.entries().iter().map(aws_sdk_sqs::types::SendMessageBatchRequestEntry::id).collect()
}

#[tokio::test(start_paused = true)]
async fn only_failed_sqs_entries_are_retried() {
    let first = mock!(aws_sdk_sqs::Client::send_message_batch)
        .match_requests(|input| ids(input) == ["0", "1", "2"])
        .then_output(|| sqs_response(&["0", "2"], &["1"]));
    let second = mock!(aws_sdk_sqs::Client::send_message_batch)
        .match_requests(|input| ids(input) == ["1"])
        .then_output(|| sqs_response(&["1"], &[]));
    let queue = SqsQueue::new(mock_client!(aws_sdk_sqs, [&first, &second]), "url".to_owned());
    let sent = queue.send(&["a".to_owned(), "b".to_owned(), "c".to_owned()]).await;
    assert_eq!(sent, [true; 3]);
    assert_eq!((first.num_calls(), second.num_calls()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_sqs_entry_that_keeps_failing_is_reported_as_not_sent() {
    let refusal = || sqs_response(&[], &["0"]);
    let rule = mock!(aws_sdk_sqs::Client::send_message_batch).sequence().output(refusal).repeatedly().build();
    let queue = SqsQueue::new(mock_client!(aws_sdk_sqs, [&rule]), "url".to_owned());
    assert_eq!(queue.send(&["a".to_owned()]).await, [false]);
    assert_eq!(rule.num_calls(), 3);
    assert!(queue.send(&[]).await.is_empty());
}

fn is_as_documented(input: &PublishBatchInput) -> bool {
    let entries = input.publish_batch_request_entries();
    entries.len() <= 10
        && entries.iter().all(|entry| {
            let message: serde_json::Value = serde_json::from_str(entry.message()).unwrap();
            let document: serde_json::Value = serde_json::from_str(message["default"].as_str().unwrap()).unwrap();
            let attributes = entry.message_attributes().unwrap();
            entry.subject() == Some("Transaction Anomaly Alert")
                && entry.message_structure() == Some("json")
                && message["email"].as_str().unwrap().starts_with("ANOMALY DETECTED: ")
                && document["userId"] == "user001"
                && attributes["severity"].string_value() == Some("warning")
                && attributes["rule"].string_value() == Some("adaptive")
                && attributes["score"].data_type() == "Number"
        })
}

fn answered(confirmed: &[u8], refused: &[u8]) -> PublishBatchOutput {
    let ok = |id: &u8| PublishBatchResultEntry::builder().id(id.to_string()).build();
    let no = |id: &u8| SnsErrorEntry::builder().id(id.to_string()).code("no").sender_fault(false).build().unwrap();
    let output = PublishBatchOutput::builder().set_successful(Some(confirmed.iter().map(ok).collect()));
    output.set_failed(Some(refused.iter().map(no).collect())).build()
}

#[tokio::test(start_paused = true)]
async fn sns_gets_both_texts_and_the_attributes_and_what_it_refuses_again() {
    let calls = mock!(aws_sdk_sns::Client::publish_batch).match_requests(is_as_documented).sequence();
    let rule =
        calls.output(|| answered(&[0, 2], &[1, 3])).output(|| answered(&[3], &[1])).output(|| answered(&[], &[1]));
    let rule = rule.build();
    let publisher = SnsPublisher::new(mock_client!(aws_sdk_sns, [&rule]), "arn:topic".to_owned());
    assert_eq!(publisher.publish(&publications(4)).await, [true, false, true, true]);
    assert_eq!(rule.num_calls(), 3);
}

#[tokio::test]
async fn cloudwatch_gets_one_datum_with_the_names_of_the_flink_baseline() {
    let rule = mock!(aws_sdk_cloudwatch::Client::put_metric_data)
        .match_requests(|input| {
            let [datum] = input.metric_data() else { return false };
            let [dimension] = datum.dimensions() else { return false };
            input.namespace() == Some("AnomalyDetection")
                && datum.metric_name() == Some("AnomalyCount")
                && datum.value() == Some(7.0)
                && (dimension.name(), dimension.value()) == (Some("Source"), Some("Detector"))
                && datum.unit().is_some_and(|unit| unit.as_str() == "Count")
        })
        .then_output(|| PutMetricDataOutput::builder().build());
    let client = mock_client!(aws_sdk_cloudwatch, [&rule]);
    let sink = CloudWatchSink::new(client, "AnomalyDetection".to_owned(), "Detector".to_owned(), None);
    sink.add(Tally { anomalies: 7, shadow: 0 }).await.unwrap();
}

#[tokio::test]
async fn cloudwatch_gets_the_count_of_the_stack_in_the_same_call() {
    let rule = mock!(aws_sdk_cloudwatch::Client::put_metric_data)
        .match_requests(|input| {
            let names = input.metric_data().iter().map(|datum| {
                let dimensions = datum.dimensions().iter().filter_map(|d| d.name().zip(d.value()));
                (datum.metric_name(), datum.value(), dimensions.collect::<Vec<_>>())
            });
            let (name, value) = (Some("AnomalyCount"), Some(7.0));
            let of_the_contract = (name, value, vec![("Source", "Detector")]);
            let of_the_stack = (name, value, vec![("Source", "Detector"), ("Stack", "payments")]);
            names.eq([of_the_contract, of_the_stack])
        })
        .then_output(|| PutMetricDataOutput::builder().build());
    let client = mock_client!(aws_sdk_cloudwatch, [&rule]);
    let stack = Some("payments".to_owned());
    CloudWatchSink::new(client, "AnomalyDetection".to_owned(), "Detector".to_owned(), stack)
        .add(Tally { anomalies: 7, shadow: 0 })
        .await
        .unwrap();
    assert_eq!(rule.num_calls(), 1);
}

#[tokio::test]
async fn a_refused_metric_is_an_error() {
    let refusal = || PutMetricDataError::unhandled("no");
    let rule = mock!(aws_sdk_cloudwatch::Client::put_metric_data).match_requests(|_| true).then_error(refusal);
    let client = mock_client!(aws_sdk_cloudwatch, [&rule]);
    assert!(
        CloudWatchSink::new(client, "n".to_owned(), "s".to_owned(), None)
            .add(Tally { anomalies: 7, shadow: 0 })
            .await
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn unprocessed_dynamodb_keys_are_retried_and_then_fail() {
    let unprocessed = || {
        let key = std::collections::HashMap::from([("userId".to_owned(), AttributeValue::S("b".to_owned()))]);
        let rest = KeysAndAttributes::builder().keys(key).build().unwrap();
        BatchGetItemOutput::builder().unprocessed_keys("t", rest).build()
    };
    let rule = mock!(aws_sdk_dynamodb::Client::batch_get_item).sequence().output(unprocessed).repeatedly().build();
    let store = DynamoDbWindowStore::new(mock_client!(aws_sdk_dynamodb, [&rule]), "t".to_owned());
    let loaded = store.load(&["a", "b"]).await;
    assert_eq!(*loaded[0].as_ref().unwrap(), Loaded::Absent, "processed, and there is no item");
    assert!(loaded[1].is_err(), "unprocessed is not absent");
    assert_eq!(rule.num_calls(), 4);
}

/// A shard of half of the hash keys, the lower or the upper one.
fn shard(id: &str, is_upper: bool) -> Shard {
    let (first, last) = if is_upper { (u128::MAX / 2 + 1, u128::MAX) } else { (0, u128::MAX / 2) };
    let range = HashKeyRange::builder().starting_hash_key(first.to_string()).ending_hash_key(last.to_string()).build();
    let numbers = SequenceNumberRange::builder().starting_sequence_number("1").build().unwrap();
    Shard::builder().shard_id(id).hash_key_range(range.unwrap()).sequence_number_range(numbers).build().unwrap()
}

#[tokio::test]
async fn the_ranges_of_shards_are_listed_once() {
    const ARN: &str = "arn:stream";
    let first = mock!(aws_sdk_kinesis::Client::list_shards)
        .match_requests(|input| (input.stream_arn(), input.next_token()) == (Some(ARN), None))
        .then_output(|| ListShardsOutput::builder().shards(shard("lower", false)).next_token("more").build());
    let second = mock!(aws_sdk_kinesis::Client::list_shards)
        .match_requests(|input| (input.stream_arn(), input.next_token()) == (None, Some("more")))
        .then_output(|| ListShardsOutput::builder().shards(shard("upper", true)).build());
    let client = mock_client!(aws_sdk_kinesis, RuleMode::MatchAny, [&first, &second]);
    let ranges = KinesisShardRanges::new(client);
    for _ in 0..2 {
        let upper = ranges.range(ARN, &"upper".parse().unwrap()).await;
        assert_eq!(upper, Some(HashRange { first: u128::MAX / 2 + 1, last: u128::MAX }));
        assert_eq!(ranges.range(ARN, &"lower".parse().unwrap()).await.map(|range| range.first), Some(0));
    }
    assert_eq!(ranges.range(ARN, &"other".parse().unwrap()).await, None);
    assert_eq!(ranges.range(ARN, &"other".parse().unwrap()).await, None);
    assert_eq!((first.num_calls(), second.num_calls()), (2, 2), "once, and once more for the shard that is not there");
}

#[tokio::test]
async fn a_shard_of_a_stream_that_cannot_be_listed_has_no_known_range() {
    let refusal = || HttpResponse::new(400.try_into().unwrap(), SdkBody::from(r#"{"__type":"AccessDeniedException"}"#));
    let rule = mock!(aws_sdk_kinesis::Client::list_shards).match_requests(|_| true).then_http_response(refusal);
    let ranges = KinesisShardRanges::new(mock_client!(aws_sdk_kinesis, [&rule]));
    assert_eq!(ranges.range("arn", &"s".parse().unwrap()).await, None);
}
