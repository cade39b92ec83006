//! The event in the form that Lambda gives it, found by comparison.
//!
//! Lambda writes an event without blanks and its keys always in the same order, so a field begins where a known text ends. A record that
//! is different goes to the strict parser alone. If that refuses the record, or if anything around the records is different, the scan
//! says nothing about the event. So a scan either returns what the strict parser would return for the whole event, or `None`; which of
//! the two is a matter of time, never of the outcome.
//!
//! Deliberately absent: escapes, blanks, other orders of keys. Whatever is unusual is the strict parser's.

use std::borrow::Cow;

use anomaly_core::Text;

use super::{Envelope, WireKinesis, WireRecord, validate};

/// Bytes of a record in an event, for the capacity of a list: the envelope has about 400 of them, and a transaction's base64 200.
const RECORD_BYTES: usize = 512;

/// An event's envelopes.
#[derive(Debug)]
pub(super) struct Scanned<'a> {
    /// In the order of the event.
    pub(super) envelopes: Vec<Envelope<'a>>,
    /// How many of them needed the strict parser.
    pub(super) parsed: usize,
}

/// The envelopes of an event; `None` if the strict parser has to take all of it.
pub(super) fn scan(event: &str) -> Option<Scanned<'_>> {
    let mut rest = Rest(event.strip_prefix(r#"{"Records":["#)?);
    let mut scanned = Scanned { envelopes: Vec::with_capacity(event.len() / RECORD_BYTES), parsed: 0 };
    let mut end = End::default();
    loop {
        scanned.take(&mut rest, &mut end)?;
        if rest.skip(",").is_none() {
            break;
        }
    }
    (rest.0 == "]}").then_some(scanned)
}

impl<'a> Scanned<'a> {
    fn take(&mut self, rest: &mut Rest<'a>, end: &mut End<'a>) -> Option<()> {
        let mut after = *rest;
        let record = if let Some(record) = usual(&mut after, end) {
            record
        } else {
            self.parsed += 1;
            after = *rest;
            parsed(&mut after)?
        };
        let neighbour = self.envelopes.last().map(|envelope| &envelope.shard);
        self.envelopes.push(validate(record, neighbour)?);
        *rest = after;
        Some(())
    }
}

/// A record in the usual form.
fn usual<'a>(rest: &mut Rest<'a>, end: &mut End<'a>) -> Option<WireRecord<'a>> {
    rest.text(r#"{"kinesis":{"kinesisSchemaVersion":""#)?;
    let kinesis = WireKinesis {
        partition_key: rest.text(r#","partitionKey":""#)?,
        sequence_number: rest.text(r#","sequenceNumber":""#)?,
        data: rest.text(r#","data":""#)?,
        approximate_arrival_timestamp: rest.last_number(r#","approximateArrivalTimestamp":"#)?,
    };
    rest.text(r#","eventSource":""#)?;
    rest.text(r#","eventVersion":""#)?;
    let event_id = rest.text(r#","eventID":""#)?;
    Some(WireRecord { event_id, event_source_arn: end.take(rest)?, kinesis })
}

/// A record in any form.
fn parsed<'a>(rest: &mut Rest<'a>) -> Option<WireRecord<'a>> {
    let mut records = serde_json::Deserializer::from_str(rest.0).into_iter();
    let record = records.next()?.ok()?;
    rest.0 = rest.0.get(records.byte_offset()..)?;
    Some(record)
}

/// How a record ends, from the event's name on: every record of a batch has the same bytes there.
#[derive(Debug, Clone, Copy, Default)]
struct End<'a> {
    text: &'a str,
    stream: &'a str,
}

impl<'a> End<'a> {
    /// Skips the end of a record, and returns the ARN of its stream.
    fn take(&mut self, rest: &mut Rest<'a>) -> Option<Text<'a>> {
        if self.text.is_empty() || rest.skip(self.text).is_none() {
            *self = Self::read(rest)?;
        }
        Some(Text(Cow::Borrowed(self.stream)))
    }

    fn read(rest: &mut Rest<'a>) -> Option<Self> {
        let Rest(from) = *rest;
        rest.text(r#","eventName":""#)?;
        rest.text(r#","invokeIdentityArn":""#)?;
        rest.text(r#","awsRegion":""#)?;
        let stream = rest.plain(r#","eventSourceARN":""#)?;
        rest.skip("}")?;
        Some(Self { text: from.get(..from.len() - rest.0.len())?, stream })
    }
}

/// What is left of the event. After a `None`, it may be anywhere.
#[derive(Debug, Clone, Copy)]
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn skip(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    /// The string after a key, which includes the string's opening quote.
    fn text(&mut self, key: &str) -> Option<Text<'a>> {
        self.plain(key).map(|text| Text(Cow::Borrowed(text)))
    }

    /// `None` if the string has an escape, or what JSON does not allow in one.
    fn plain(&mut self, key: &str) -> Option<&'a str> {
        self.skip(key)?;
        let (text, rest) = self.0.split_at_checked(memchr::memchr(b'"', self.0.as_bytes())?)?;
        self.0 = rest.get(1..)?;
        // Counted rather than searched: without an early return, many bytes are compared at once.
        let unusual = text.bytes().filter(|byte| *byte < b' ' || *byte == b'\\').count();
        (unusual == 0).then_some(text)
    }

    /// The number after a key, and the end of its object.
    fn last_number(&mut self, key: &str) -> Option<f64> {
        self.skip(key)?;
        let (number, rest) = self.0.split_once('}')?;
        self.0 = rest;
        serde_json::from_str(number).ok()
    }
}

#[cfg(test)]
mod tests {
    use event_source::kinesis::{LOCAL_STREAM_ARN, StreamRecord, event_json};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::{parse, parse_strictly};
    use super::*;

    const SHARD: &str = "shardId-000000000006";

    /// The sample event of "Using Lambda with Kinesis" in the Lambda Developer Guide, without its blanks: functions' logs show that Lambda
    /// sends none.
    fn documented() -> String {
        let record = |sequence, data, arrival| {
            format!(
                r#"{{"kinesis":{{"kinesisSchemaVersion":"1.0","partitionKey":"1","sequenceNumber":"{sequence}","data":"{data}",
                "approximateArrivalTimestamp":{arrival}}},"eventSource":"aws:kinesis","eventVersion":"1.0",
                "eventID":"{SHARD}:{sequence}","eventName":"aws:kinesis:record",
                "invokeIdentityArn":"arn:aws:iam::123456789012:role/lambda-role","awsRegion":"us-east-2",
                "eventSourceARN":"arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream"}}"#
            )
        };
        let first = record(
            "49590338271490256608559692538361571095921575989136588898",
            "SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg==",
            "1545084650.987",
        );
        let second = record(
            "49590338271490256608559692540925702759324208523137515618",
            "VGhpcyBpcyBvbmx5IGEgdGVzdC4=",
            "1545084711.166",
        );
        format!(r#"{{"Records":[{first},{second}]}}"#).split_ascii_whitespace().collect()
    }

    fn record(partition_key: &str) -> StreamRecord {
        StreamRecord {
            sequence_number: "49590338271490256608559692538361571095921575989136588898".to_owned(),
            partition_key: partition_key.to_owned(),
            data: b"{}".to_vec(),
            arrival_time_ms: 1_760_000_100_020,
        }
    }

    #[test]
    fn the_event_that_aws_documents_is_scanned() {
        let event = documented();
        let scanned = scan(&event).unwrap();
        assert_eq!((scanned.envelopes.len(), scanned.parsed), (2, 0));
        let second = &scanned.envelopes[1];
        assert_eq!((second.arrival_time_ms, second.data.as_ref()), (1_545_084_711_166, "VGhpcyBpcyBvbmx5IGEgdGVzdC4="));
        assert_eq!((second.stream.rsplit('/').next(), second.shard.as_str()), (Some("lambda-stream"), SHARD));
        assert_same(&event);
    }

    #[test]
    fn a_key_with_an_escape_costs_its_own_record_the_strict_parser() {
        let event = event_json(LOCAL_STREAM_ARN, SHARD, &[record("a"), record("\"b\\"), record("ü")]);
        let scanned = scan(&event).unwrap();
        let keys: Vec<&str> = scanned.envelopes.iter().map(|envelope| envelope.partition_key.as_ref()).collect();
        assert_eq!((keys, scanned.parsed), (vec!["a", "\"b\\", "ü"], 1));
    }

    #[test]
    fn blanks_and_bad_records_leave_the_event_to_the_strict_parser() {
        let event = documented();
        for (usual, unusual) in [
            (r#"{"Records""#, r#"{ "Records""#),
            ("},{", "} ,{"),
            ("]}", "]}\n"),
            ("1545084650.987", "-1"),
            ("1545084650.987", "01"),
            (r#""eventVersion""#, r#""eventID":"","eventVersion""#),
            ("shardId-", "shard Id-"),
        ] {
            let event = event.replacen(usual, unusual, 1);
            assert!(scan(&event).is_none(), "{event}");
            assert_same(&event);
        }
    }

    #[test]
    fn a_control_character_in_a_key_is_refused_as_by_the_strict_parser() {
        let event = documented().replacen(r#""partitionKey":"1""#, "\"partitionKey\":\"\t\"", 1);
        assert!(scan(&event).is_none() && parse(&event).is_err());
    }

    fn assert_same(event: &str) {
        assert_eq!(parse(event).ok(), parse_strictly(event).ok(), "{event}");
    }

    /// A byte is replaced, removed or put in.
    #[derive(Debug, Clone)]
    enum Damage {
        Replace(prop::sample::Index, u8),
        Remove(prop::sample::Index),
        Insert(prop::sample::Index, u8),
    }

    impl Damage {
        fn apply(&self, bytes: &mut Vec<u8>) {
            match self {
                Self::Replace(index, byte) => *index.get_mut(bytes) = *byte,
                Self::Remove(index) => drop(bytes.remove(index.index(bytes.len()))),
                Self::Insert(index, byte) => bytes.insert(index.index(bytes.len()), *byte),
            }
        }
    }

    fn damage() -> impl Strategy<Value = Damage> {
        let byte = || prop_oneof![prop::sample::select(br#"{}[]",:\ 0-.eE"#.to_vec()), any::<u8>()];
        prop_oneof![
            (any::<prop::sample::Index>(), byte()).prop_map(|(index, byte)| Damage::Replace(index, byte)),
            any::<prop::sample::Index>().prop_map(Damage::Remove),
            (any::<prop::sample::Index>(), byte()).prop_map(|(index, byte)| Damage::Insert(index, byte)),
        ]
    }

    fn stream_record() -> impl Strategy<Value = StreamRecord> {
        let sequence_number = prop_oneof!["[1-9][0-9]{55}", "[0-9]{0,3}"];
        let partition_key = prop_oneof!["[a-z0-9-]{1,36}", "\\PC{0,4}", any::<String>()];
        let arrival_time_ms = prop_oneof![1_700_000_000_000..1_800_000_000_000_i64, any::<i64>()];
        (sequence_number, partition_key, vec(any::<u8>(), 0..40), arrival_time_ms).prop_map(
            |(sequence_number, partition_key, data, arrival_time_ms)| StreamRecord {
                sequence_number,
                partition_key,
                data,
                arrival_time_ms,
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn a_damaged_event_has_the_strict_parsers_outcome(
            records in vec(stream_record(), 0..4),
            shard in prop_oneof![Just(SHARD.to_owned()), any::<String>()],
            damages in vec(damage(), 0..=3),
        ) {
            let mut event = event_json(LOCAL_STREAM_ARN, &shard, &records).into_bytes();
            for damage in &damages {
                damage.apply(&mut event);
            }
            assert_same(&String::from_utf8_lossy(&event));
        }

        #[test]
        fn an_event_of_valid_records_is_scanned(keys in vec("[a-z0-9-]{1,36}", 1..5)) {
            let records: Vec<StreamRecord> = keys.iter().map(|key| record(key)).collect();
            let event = event_json(LOCAL_STREAM_ARN, SHARD, &records);
            let scanned = scan(&event).unwrap();
            assert_eq!((scanned.envelopes.len(), scanned.parsed), (keys.len(), 0));
            assert_same(&event);
        }
    }
}
