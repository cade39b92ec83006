//! Records that the Kinesis Producer Library packed into one: magic, protobuf, MD5 of the protobuf
//! (awslabs/amazon-kinesis-producer, `aggregation-format.md`).
//!
//! Both marks must be there. Four bytes alone can stand at the start of anybody's payload.

use md5::{Digest, Md5};
use prost::Message;

const MAGIC: [u8; 4] = [0xF3, 0x89, 0x9A, 0xC2];
const MD5_BYTES: usize = 16;
/// User records in one aggregate. The KPL packs a mebibyte at most, and the smallest transaction has 40 bytes: more are nonsense
/// that would only cost memory.
pub const AGGREGATE_RECORDS_MAX: usize = 26_214;

/// The protobuf inside.
#[derive(Clone, PartialEq, Message)]
struct AggregatedRecord {
    #[prost(string, repeated, tag = "1")]
    partition_key_table: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    explicit_hash_key_table: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    records: Vec<PackedRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct PackedRecord {
    #[prost(uint64, tag = "1")]
    partition_key_index: u64,
    #[prost(uint64, optional, tag = "2")]
    explicit_hash_key_index: Option<u64>,
    #[prost(bytes = "vec", tag = "3")]
    data: Vec<u8>,
}

/// What a Kinesis record's payload turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// One user record.
    Single,
    /// User records in their order, at least one; the index of each is its sub-sequence number.
    Aggregate(Vec<Vec<u8>>),
    /// Both marks of an aggregate, and a content that is none.
    Corrupt,
}

/// Looks for the marks of an aggregate and opens it.
#[must_use]
pub fn open(payload: &[u8]) -> Payload {
    let Some(body) = protobuf_of(payload) else { return Payload::Single };
    match AggregatedRecord::decode(body) {
        // One without records would be gone without a trace.
        Ok(aggregate) if !(1..=AGGREGATE_RECORDS_MAX).contains(&aggregate.records.len()) => Payload::Corrupt,
        Ok(aggregate) => Payload::Aggregate(aggregate.records.into_iter().map(|record| record.data).collect()),
        Err(_) => Payload::Corrupt,
    }
}

/// The protobuf between the marks, if both are there.
fn protobuf_of(payload: &[u8]) -> Option<&[u8]> {
    let (body, digest) = payload.strip_prefix(&MAGIC)?.split_last_chunk::<MD5_BYTES>()?;
    (Md5::digest(body).as_slice() == digest).then_some(body)
}

/// Packs user records as a KPL producer does, all under one partition key.
#[must_use]
pub fn pack(partition_key: &str, records: &[Vec<u8>]) -> Vec<u8> {
    let aggregate = AggregatedRecord {
        partition_key_table: vec![partition_key.to_owned()],
        explicit_hash_key_table: Vec::new(),
        records: records.iter().map(|data| PackedRecord { data: data.clone(), ..PackedRecord::default() }).collect(),
    };
    seal(&aggregate.encode_to_vec())
}

fn seal(body: &[u8]) -> Vec<u8> {
    [&MAGIC, body, Md5::digest(body).as_slice()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_out_in_order() {
        let records = vec![b"one".to_vec(), b"two".to_vec(), Vec::new()];
        assert_eq!(open(&pack("a", &records)), Payload::Aggregate(records));
    }

    #[test]
    fn the_magic_alone_makes_no_aggregate() {
        let mut packed = pack("a", &[b"one".to_vec()]);
        *packed.last_mut().unwrap() ^= 1;
        assert_eq!(open(&packed), Payload::Single);
        assert_eq!(open(&MAGIC), Payload::Single);
        assert_eq!(open(b""), Payload::Single);
    }

    #[test]
    fn both_marks_around_nonsense_are_corrupt() {
        assert_eq!(open(&seal(&[0x1A, 0xFF])), Payload::Corrupt);
        assert_eq!(open(&pack("a", &[])), Payload::Corrupt);
        assert_eq!(open(&seal(&[0x1A, 0x00].repeat(AGGREGATE_RECORDS_MAX + 1))), Payload::Corrupt);
    }
}
