//! The records of failure objects: what Lambda writes to an S3 bucket when it discards a batch, and `sigma deliver --on-failure` writes.
//!
//! An object has metadata, and the whole event under `payload`: as JSON text, or as an object if a tool has unfolded it. The records'
//! bytes and partition keys go out as they came in. Lambda's event does not have the explicit hash key that the KPL gives an aggregate, so
//! that is made again from the aggregate's first record.

use std::path::{Path, PathBuf};

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::source::{OutgoingRecord, Source, due};
use crate::progress::Progress;

/// What to do with a file that is not a failure object.
const HINT: &str = "copy an object of the stack's FailureBucketName: aws s3 cp s3://BUCKET/KEY discarded.json";

#[derive(Deserialize)]
struct FailureObject<'a> {
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(rename = "KinesisBatchInfo")]
    batch: Option<BatchInfo>,
}

/// Where the records of a batch are in the stream.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct BatchInfo {
    shard_id: String,
    start_sequence_number: String,
    end_sequence_number: String,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "Records")]
    records: Vec<EventRecord>,
}

#[derive(Deserialize)]
struct EventRecord {
    kinesis: Envelope,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    partition_key: String,
    data: String,
}

/// A record as it was in the stream.
#[derive(Debug, PartialEq, Eq)]
struct RawRecord {
    key: String,
    payload: Vec<u8>,
}

/// The records of all files, in the order of the files. Every file is read once beforehand, so that nothing is sent if one is wrong.
pub(super) fn open(files: &[PathBuf], rate: Option<f64>, is_quiet: bool) -> anyhow::Result<Source> {
    let mut total = 0;
    for file in files {
        total += u64::try_from(read(file)?.len())?;
    }
    let files: Vec<PathBuf> = files.to_vec();
    let records = files.into_iter().flat_map(|file| match read(&file) {
        Ok(records) => records.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error)],
    });
    let records = (0_u32..).zip(records).map(move |(before, record)| {
        let RawRecord { key, payload } = record?;
        Ok(OutgoingRecord { key, payload, due: due(before, rate), read: 1, number: u64::from(before) + 1 })
    });
    let progress = Progress::new("records", total, is_quiet);
    Ok(Source { records: Box::new(records), progress: Some(progress) })
}

fn read(file: &Path) -> anyhow::Result<Vec<RawRecord>> {
    let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    parse(&text).with_context(|| format!("{} cannot be sent", file.display()))
}

fn parse(text: &[u8]) -> anyhow::Result<Vec<RawRecord>> {
    let object: FailureObject<'_> =
        serde_json::from_slice(text).with_context(|| format!("it is not a failure object; {HINT}"))?;
    let Some(payload) = object.payload else { anyhow::bail!(without_payload(object.batch)) };
    let event =
        event(payload.get()).with_context(|| format!("its payload is not a batch of Kinesis records; {HINT}"))?;
    let records = (1..).zip(event.records).map(|(number, record)| raw(number, record.kinesis));
    records.collect()
}

/// The event, as text within a JSON string or as an object.
fn event(payload: &str) -> serde_json::Result<Event> {
    if !payload.starts_with('"') {
        return serde_json::from_str(payload);
    }
    let text: String = serde_json::from_str(payload)?;
    serde_json::from_str(&text)
}

fn raw(number: usize, Envelope { partition_key, data }: Envelope) -> anyhow::Result<RawRecord> {
    let payload = STANDARD.decode(data).with_context(|| format!("the data of its record {number} is not base64"))?;
    Ok(RawRecord { key: partition_key, payload })
}

fn without_payload(batch: Option<BatchInfo>) -> String {
    let Some(batch) = batch else { return format!("it has no payload, so it is not a failure object; {HINT}") };
    format!(
        "it has only the metadata of a batch, as an SQS or SNS destination gets it: read the records from the stream or the archive \
         (shard {}, sequence numbers {} to {}), and send them with --from",
        batch.shard_id, batch.start_sequence_number, batch.end_sequence_number
    )
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::Client;
    use aws_sdk_kinesis::operation::put_records::{PutRecordsInput, PutRecordsOutput};
    use aws_sdk_kinesis::types::{PutRecordsRequestEntry, PutRecordsResultEntry};
    use aws_smithy_mocks::{mock, mock_client};
    use event_source::kinesis::{Condition, FailedBatch, StreamRecord};
    use serde_json::{Value, json};

    use super::super::{Sender, Sent};
    use super::*;

    /// A KPL aggregate's magic with bytes that are not UTF-8, a lone 0xFF, and a plain record.
    const DATA: [&[u8]; 3] = [&[0xF3, 0x89, 0x9A, 0xC2, 0x0A, 0x01, b'a'], &[0xFF], b"{\"userId\":\"u\"}"];
    const KEYS: [&str; 3] = ["a", "user\u{e9}", "u"];

    fn object() -> Value {
        let record = |(data, key): (&[u8], &str)| StreamRecord {
            sequence_number: "7".to_owned(),
            partition_key: key.to_owned(),
            data: data.to_vec(),
            arrival_time_ms: 1,
        };
        let batch = FailedBatch {
            condition: Condition::RetryAttemptsExhausted,
            invoke_count: 1,
            stream_arn: "arn:aws:kinesis:us-east-1:000000000000:stream/transactions".to_owned(),
            shard_id: "shardId-000000000003".to_owned(),
            records: DATA.into_iter().zip(KEYS).map(record).collect(),
            discarded_at_ms: 2,
        };
        batch.with_payload()
    }

    fn records(object: &Value) -> Vec<RawRecord> {
        parse(object.to_string().as_bytes()).unwrap()
    }

    fn reason(object: &Value) -> String {
        format!("{:#}", parse(object.to_string().as_bytes()).unwrap_err())
    }

    #[test]
    fn the_records_have_their_bytes_and_keys_and_order() {
        let expected = DATA.into_iter().zip(KEYS);
        let expected: Vec<_> = expected.map(|(d, k)| RawRecord { key: k.to_owned(), payload: d.to_vec() }).collect();
        assert_eq!(records(&object()), expected);
    }

    #[test]
    fn a_payload_may_be_text_or_an_object() {
        let as_text = object();
        let mut as_object = as_text.clone();
        as_object["payload"] = serde_json::from_str(as_text["payload"].as_str().unwrap()).unwrap();
        assert_eq!(records(&as_object), records(&as_text));
        let spaced = serde_json::to_vec_pretty(&as_object).unwrap();
        assert_eq!(parse(&spaced).unwrap(), records(&as_text));
    }

    #[tokio::test(start_paused = true)]
    async fn the_stream_gets_what_it_had() {
        let file = std::env::temp_dir().join(format!("sigma-failure-{}.json", std::process::id()));
        std::fs::write(&file, object().to_string()).unwrap();
        let is_unchanged = |input: &PutRecordsInput| {
            let put = |entry: &PutRecordsRequestEntry| {
                (entry.data().as_ref().to_vec(), entry.partition_key().unwrap_or_default().to_owned())
            };
            let expected = DATA.iter().zip(KEYS).map(|(data, key)| (data.to_vec(), key.to_owned()));
            input.records().iter().map(put).eq(expected)
        };
        let accepted = || PutRecordsResultEntry::builder().sequence_number("8").build();
        let answer = move || PutRecordsOutput::builder().set_records(Some(vec![accepted(); 3])).build().unwrap();
        let rule = mock!(Client::put_records).match_requests(is_unchanged).then_output(answer);
        let source = open(std::slice::from_ref(&file), None, true).unwrap();
        let mut sender = Sender::new(mock_client!(aws_sdk_kinesis, [&rule]), "transactions", source);
        sender.send_all().await.unwrap();
        assert_eq!(sender.sent, Sent { sent: 3, retried: 0, failed: 0 });
        std::fs::remove_file(file).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_aggregate_goes_to_the_shard_of_its_records() {
        let payload = intake::aggregate::pack("user001", &["{}"]);
        let hash_key = intake::aggregate::hash_key(&payload).unwrap().to_string();
        let is_right = move |input: &PutRecordsInput| {
            input.records().iter().map(PutRecordsRequestEntry::explicit_hash_key).eq([Some(hash_key.as_str())])
        };
        let accepted = || PutRecordsResultEntry::builder().sequence_number("8").build();
        let answer = move || PutRecordsOutput::builder().records(accepted()).build().unwrap();
        let rule = mock!(Client::put_records).match_requests(is_right).then_output(answer);
        let record = OutgoingRecord { key: "a".to_owned(), payload, due: due(0, None), read: 1, number: 1 };
        let source = Source { records: Box::new([Ok(record)].into_iter()), progress: None };
        let mut sender = Sender::new(mock_client!(aws_sdk_kinesis, [&rule]), "transactions", source);
        sender.send_all().await.unwrap();
        assert_eq!(sender.sent.sent, 1);
    }

    #[test]
    fn a_file_that_cannot_be_sent_says_what_to_do() {
        let mut metadata = object();
        metadata.as_object_mut().unwrap().remove("payload");
        let said = reason(&metadata);
        assert!(
            said.contains("SQS or SNS") && said.contains("shardId-000000000003") && said.contains("--from"),
            "{said}"
        );
        for other in [json!({"userId": "u"}), json!({"payload": "no event"}), json!({"payload": 7}), json!([1])] {
            assert!(reason(&other).contains("FailureBucketName"), "{other}");
        }
        let no_base64 = json!({"payload": {"Records": [{"kinesis": {"partitionKey": "u", "data": "!"}}]}});
        assert!(reason(&no_base64).contains("record 1 is not base64"));
        assert!(parse(b"\xFF").is_err());
    }
}
