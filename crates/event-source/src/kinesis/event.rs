//! The event that Lambda sends for a batch of Kinesis records.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::StreamRecord;

#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "Records")]
    records: Vec<EventRecord<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventRecord<'a> {
    kinesis: Kinesis<'a>,
    event_source: &'static str,
    event_version: &'static str,
    #[serde(rename = "eventID")]
    event_id: String,
    event_name: &'static str,
    invoke_identity_arn: &'static str,
    aws_region: &'a str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Kinesis<'a> {
    #[serde(rename = "kinesisSchemaVersion")]
    schema_version: &'static str,
    partition_key: &'a str,
    sequence_number: &'a str,
    data: String,
    approximate_arrival_timestamp: Seconds,
}

/// Milliseconds, written as Lambda writes them: seconds with three decimals.
struct Seconds(i64);

impl Serialize for Seconds {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = format!("{}.{:03}", self.0.div_euclid(1_000), self.0.rem_euclid(1_000));
        serializer.serialize_f64(text.parse().unwrap_or_default())
    }
}

/// The event as JSON. `awsRegion` is the region of the ARN.
#[must_use]
pub fn event_json(stream_arn: &str, shard_id: &str, records: &[StreamRecord]) -> String {
    let aws_region = stream_arn.split(':').nth(3).unwrap_or_default();
    let records = records.iter().map(|record| EventRecord {
        kinesis: Kinesis {
            schema_version: "1.0",
            partition_key: &record.partition_key,
            sequence_number: &record.sequence_number,
            data: STANDARD.encode(&record.data),
            approximate_arrival_timestamp: Seconds(record.arrival_time_ms),
        },
        event_source: "aws:kinesis",
        event_version: "1.0",
        event_id: format!("{shard_id}:{}", record.sequence_number),
        event_name: "aws:kinesis:record",
        invoke_identity_arn: "arn:aws:iam::000000000000:role/local",
        aws_region,
        event_source_arn: stream_arn,
    });
    // Strings and finite numbers only: JSON can hold all of them.
    serde_json::to_string(&Event { records: records.collect() }).unwrap_or_default()
}

/// Upper bound on a record's bytes in an event: its data in base64, its key with every byte escaped (`\u0000`), the envelope.
pub(super) fn event_bytes(record: &StreamRecord) -> usize {
    const ENVELOPE_BYTES: usize = 1_024;
    record.data.len().div_ceil(3) * 4 + record.partition_key.len() * 6 + ENVELOPE_BYTES
}
