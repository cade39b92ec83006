//! Lambda's Kinesis event, parsed so that one invalid envelope costs one record and not the batch.
//!
//! An event in the form that Lambda gives it is scanned (`envelope/scan`). Any other is parsed strictly: at once, borrowing from the payload;
//! and only if that fails again, record by record, so that exactly the invalid envelopes are rejected.

mod scan;

use std::borrow::Cow;

use anomaly_core::{SequenceNumber, ShardId, Text};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Milliseconds in the seconds that Lambda counts arrival times in.
const MS_PER_SECOND: f64 = 1_000.0;
/// Latest arrival time: the end of the year 9999.
const ARRIVAL_SECONDS_MAX: f64 = 253_402_300_799.0;

/// One record of a batch with the fields that identify it.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope<'a> {
    /// ARN of the stream.
    pub stream: Cow<'a, str>,
    /// The shard it was read from.
    pub shard: ShardId,
    /// Its sequence number in the shard.
    pub sequence_number: SequenceNumber,
    /// The producer's partition key.
    pub partition_key: Cow<'a, str>,
    /// When Kinesis accepted it, in ms since the epoch.
    pub arrival_time_ms: i64,
    /// The payload, still base64.
    pub data: Cow<'a, str>,
}

/// An envelope that lacks a field that identifies a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadEnvelope<'a> {
    /// The record as Lambda sent it.
    pub json: &'a str,
    /// Its sequence number, if it can be read.
    pub sequence_number: Option<SequenceNumber>,
}

/// The payload is not a Kinesis event at all.
#[derive(Debug, thiserror::Error)]
pub enum NotKinesis {
    /// It is not JSON.
    #[error("the event is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// It is other JSON.
    #[error("the event has no list of Kinesis records: is the function's trigger a Kinesis stream?")]
    NoRecords(#[source] serde_json::Error),
}

impl From<serde_json::Error> for NotKinesis {
    fn from(error: serde_json::Error) -> Self {
        if error.is_data() { Self::NoRecords(error) } else { Self::NotJson(error) }
    }
}

#[derive(Deserialize)]
struct Event<R> {
    #[serde(rename = "Records")]
    records: Vec<R>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireRecord<'a> {
    #[serde(borrow, rename = "eventID")]
    event_id: Text<'a>,
    #[serde(borrow, rename = "eventSourceARN")]
    event_source_arn: Text<'a>,
    #[serde(borrow)]
    kinesis: WireKinesis<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireKinesis<'a> {
    #[serde(borrow)]
    partition_key: Text<'a>,
    #[serde(borrow)]
    sequence_number: Text<'a>,
    #[serde(borrow)]
    data: Text<'a>,
    approximate_arrival_timestamp: f64,
}

/// Parses an event; the envelopes are in its order.
///
/// # Errors
/// [`NotKinesis`] if there is no list of records.
pub fn parse(payload: &str) -> Result<Vec<Result<Envelope<'_>, BadEnvelope<'_>>>, NotKinesis> {
    if let Some(scanned) = scan::scan(payload) {
        return Ok(scanned.envelopes.into_iter().map(Ok).collect());
    }
    tracing::debug!("The event does not have Lambda's usual form: the strict parser takes it.");
    parse_strictly(payload)
}

/// The same without the scan, which saves time and changes nothing.
///
/// # Errors
/// As [`parse`].
pub fn parse_strictly(payload: &str) -> Result<Vec<Result<Envelope<'_>, BadEnvelope<'_>>>, NotKinesis> {
    if let Ok(event) = serde_json::from_str::<Event<WireRecord<'_>>>(payload)
        && let Some(envelopes) = all_valid(event.records)
    {
        return Ok(envelopes.into_iter().map(Ok).collect());
    }
    let event: Event<&RawValue> = serde_json::from_str(payload)?;
    Ok(event.records.into_iter().map(|record| parse_one(record.get())).collect())
}

fn all_valid(records: Vec<WireRecord<'_>>) -> Option<Vec<Envelope<'_>>> {
    let mut envelopes = Vec::with_capacity(records.len());
    let mut shard = None;
    for record in records {
        let envelope = validate(record, shard.as_ref())?;
        shard = Some(envelope.shard.clone());
        envelopes.push(envelope);
    }
    Some(envelopes)
}

fn parse_one(json: &str) -> Result<Envelope<'_>, BadEnvelope<'_>> {
    let record = serde_json::from_str::<WireRecord<'_>>(json).ok();
    record
        .and_then(|record| validate(record, None))
        .ok_or_else(|| BadEnvelope { json, sequence_number: sequence_number_of(json) })
}

/// `None` if a field does not have Kinesis's form. `neighbour` is the shard of the record before: a batch shares one.
fn validate<'a>(record: WireRecord<'a>, neighbour: Option<&ShardId>) -> Option<Envelope<'a>> {
    let (shard, sequence_in_id) = record.event_id.0.split_once(':')?;
    let kinesis = record.kinesis;
    if sequence_in_id != kinesis.sequence_number.0 || record.event_source_arn.0.is_empty() {
        return None;
    }
    Some(Envelope {
        stream: record.event_source_arn.0,
        shard: match neighbour {
            Some(known) if known.as_str() == shard => known.clone(),
            _ => shard.parse().ok()?,
        },
        sequence_number: kinesis.sequence_number.0.parse().ok()?,
        partition_key: kinesis.partition_key.0,
        arrival_time_ms: arrival_time_ms(kinesis.approximate_arrival_timestamp)?,
        data: kinesis.data.0,
    })
}

#[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "the range is checked first")]
fn arrival_time_ms(seconds: f64) -> Option<i64> {
    (0.0..=ARRIVAL_SECONDS_MAX).contains(&seconds).then(|| (seconds * MS_PER_SECOND).round() as i64)
}

fn sequence_number_of(json: &str) -> Option<SequenceNumber> {
    let value: serde_json::Value = serde_json::from_str(json).ok()?;
    value.get("kinesis")?.get("sequenceNumber")?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(sequence: &str, arrival: &str) -> String {
        format!(
            r#"{{"eventID":"shardId-000000000001:{sequence}","eventSourceARN":"arn:s","kinesis":{{"partitionKey":"k",
            "sequenceNumber":"{sequence}","data":"e30=","approximateArrivalTimestamp":{arrival}}},"extra":1}}"#
        )
    }

    #[test]
    fn one_bad_envelope_costs_one_record() {
        let event = format!(r#"{{"Records":[{},{},{}]}}"#, record("10", "1.5"), r#"{"kinesis":{}}"#, record("11", "2"));
        let parsed = parse(&event).unwrap();
        assert_eq!(parsed[0].as_ref().unwrap().arrival_time_ms, 1_500);
        assert_eq!(parsed[1], Err(BadEnvelope { json: r#"{"kinesis":{}}"#, sequence_number: None }));
        assert_eq!(parsed[2].as_ref().unwrap().sequence_number.to_string(), "11");
    }

    #[test]
    fn a_bad_envelope_keeps_the_sequence_number_it_has() {
        let event = format!(r#"{{"Records":[{}]}}"#, record("10", "-1"));
        let parsed = parse(&event).unwrap();
        assert_eq!(parsed[0].as_ref().unwrap_err().sequence_number, "10".parse().ok());
    }

    #[test]
    fn an_event_of_another_kind_is_an_error() {
        for payload in ["{}", "[]", r#"{"Records":1}"#] {
            assert!(matches!(parse(payload), Err(NotKinesis::NoRecords(_))), "{payload}");
        }
        for payload in ["", "{", r#"{"Records":[]} {}"#, "event"] {
            assert!(matches!(parse(payload), Err(NotKinesis::NotJson(_))), "{payload}");
        }
        assert!(parse(r#"{"Records":[]}"#).unwrap().is_empty());
    }
}
