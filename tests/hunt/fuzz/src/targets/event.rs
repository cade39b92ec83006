//! Lambda's Kinesis event: every record is accepted or rejected independently of its neighbours, no rejected record is lost, and the
//! scan of the usual form changes nothing.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use detector::decode::{Batch, Decoded, Rejected, Shards};
use detector::envelope::{parse, parse_strictly};
use detector::quarantine::Messages;
use intake::record::RECORD_BYTES_MAX;
use serde_json::Value;
use serde_json::value::RawValue;

use super::CLOCK_SKEW_MS;

pub(super) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    assert_eq!(parse(text).ok(), parse_strictly(text).ok());
    let Ok(batch) = Batch::parse(text) else { return };
    let records = records(text);
    assert_eq!(batch.len(), records.len());
    let mut next = 0;
    while next < batch.len() {
        let segment = batch.segment(next, &Shards::default());
        let decoded = segment.decode(CLOCK_SKEW_MS);
        for (index, record) in records.iter().enumerate().take(segment.end()).skip(next) {
            assert_same_alone((&batch, &decoded), index, record.get());
        }
        assert!(segment.end() > next, "a segment has a record");
        next = segment.end();
        assert_kept(&batch, &decoded.rejects);
    }
}

fn records(event: &str) -> Vec<Box<RawValue>> {
    #[derive(serde::Deserialize)]
    struct Event {
        #[serde(rename = "Records")]
        records: Vec<Box<RawValue>>,
    }
    serde_json::from_str::<Event>(event).unwrap().records
}

/// The record at this index is accepted or rejected, in the same way as in a batch of its own.
fn assert_same_alone(together: (&Batch<'_>, &Decoded<'_>), index: usize, record: &str) {
    let event = format!(r#"{{"Records":[{record}]}}"#);
    let alone = Batch::parse(&event).unwrap();
    let segment = alone.segment(0, &Shards::default());
    let (together, alone) = (decisions(together, index), decisions((&alone, &segment.decode(CLOCK_SKEW_MS)), 0));
    assert_eq!(together, alone);
    assert!(!alone.is_empty(), "a record disappeared: {event}");
}

/// The results of a Kinesis record's user records, the accepted ones first.
fn decisions((batch, decoded): (&Batch<'_>, &Decoded<'_>), index: usize) -> Vec<String> {
    let accepted = decoded.records.iter().filter(|record| record.index == index);
    let accepted = accepted.map(|record| format!("{:?} {:?}", record.position, record.transaction));
    let rejected = decoded.rejects.iter().filter(|rejected| rejected.index == index);
    let mut messages = Messages::of(batch);
    let rejected = rejected.map(|rejected| format!("{} {:?}", rejected.reason, messages.payload(rejected)));
    accepted.chain(rejected).collect()
}

/// The quarantine message of each reject holds its payload unchanged, or says that it does not.
pub(super) fn assert_kept(batch: &Batch<'_>, rejects: &[Rejected]) {
    let mut messages = Messages::of(batch);
    for rejected in rejects {
        let message: Value = serde_json::from_str(&messages.message(rejected)).unwrap();
        let field = |name: &str| message.get(name).cloned().unwrap_or_default();
        assert_eq!(field("reason"), rejected.reason.as_str());
        let payload = messages.payload(rejected);
        let kept = field("payload").as_str().map(|text| STANDARD.decode(text).unwrap());
        let is_omitted = payload.len() > RECORD_BYTES_MAX;
        assert_eq!(field("payloadOmitted"), is_omitted);
        assert_eq!(kept.as_deref(), (!is_omitted).then_some(&payload[..]));
    }
}
