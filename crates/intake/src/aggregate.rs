//! Records that the Kinesis Producer Library packed into one: magic, protobuf, MD5 of the protobuf
//! (awslabs/amazon-kinesis-producer, `aggregation-format.md`).
//!
//! Both the magic and the MD5 must match: any payload may happen to start with those four bytes.

use bytes::Bytes;
use md5::{Digest, Md5};
use prost::Message;

const MAGIC: [u8; 4] = [0xF3, 0x89, 0x9A, 0xC2];
const MD5_BYTES: usize = 16;
/// Most user records in one aggregate. The KPL packs at most a mebibyte, and the smallest transaction has 40 bytes. More records
/// cannot be transactions and would only cost memory.
pub const AGGREGATE_RECORDS_MAX: usize = 26_214;

/// The protobuf message between magic and MD5.
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
    #[prost(bytes = "bytes", tag = "3")]
    data: Bytes,
}

/// The payload of a Kinesis record, unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// One user record.
    Single,
    /// User records in their order, at least one; the index of each is its sub-sequence number. They share one copy of the payload.
    Aggregate(Vec<Bytes>),
    /// Marked as an aggregate by magic and MD5, but its content is not one.
    Corrupt,
}

/// Unpacks a payload if it is marked as an aggregate.
#[must_use]
pub fn unpack(payload: &[u8]) -> Payload {
    let Some(body) = protobuf_of(payload) else { return Payload::Single };
    match AggregatedRecord::decode(Bytes::copy_from_slice(body)) {
        // An aggregate without records would disappear without a trace.
        Ok(aggregate) if !(1..=AGGREGATE_RECORDS_MAX).contains(&aggregate.records.len()) => Payload::Corrupt,
        Ok(aggregate) => Payload::Aggregate(aggregate.records.into_iter().map(|record| record.data).collect()),
        Err(_) => Payload::Corrupt,
    }
}

/// The protobuf between magic and MD5, if both match.
fn protobuf_of(payload: &[u8]) -> Option<&[u8]> {
    let (body, digest) = payload.strip_prefix(&MAGIC)?.split_last_chunk::<MD5_BYTES>()?;
    (Md5::digest(body).as_slice() == digest).then_some(body)
}

/// Packs user records as a KPL producer does, all under one partition key.
#[cfg(any(test, feature = "pack"))]
#[must_use]
pub fn pack(partition_key: &str, records: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let aggregate = AggregatedRecord {
        partition_key_table: vec![partition_key.to_owned()],
        explicit_hash_key_table: Vec::new(),
        records: records.iter().map(|data| packed(data.as_ref())).collect(),
    };
    seal(&aggregate.encode_to_vec())
}

#[cfg(any(test, feature = "pack"))]
fn packed(data: &[u8]) -> PackedRecord {
    PackedRecord { data: Bytes::copy_from_slice(data), ..PackedRecord::default() }
}

#[cfg(any(test, feature = "pack"))]
fn seal(body: &[u8]) -> Vec<u8> {
    [&MAGIC, body, Md5::digest(body).as_slice()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_records_are_unpacked_in_order() {
        let records = ["one", "two", ""].map(|text| Bytes::from_static(text.as_bytes())).to_vec();
        assert_eq!(unpack(&pack("a", &records)), Payload::Aggregate(records));
    }

    #[test]
    fn the_magic_alone_does_not_make_an_aggregate() {
        let mut packed = pack("a", &["one"]);
        *packed.last_mut().unwrap() ^= 1;
        assert_eq!(unpack(&packed), Payload::Single);
        assert_eq!(unpack(&MAGIC), Payload::Single);
        assert_eq!(unpack(b""), Payload::Single);
    }

    #[test]
    fn both_marks_around_garbage_are_corrupt() {
        assert_eq!(unpack(&seal(&[0x1A, 0xFF])), Payload::Corrupt);
        assert_eq!(unpack(&pack("a", &[""; 0])), Payload::Corrupt);
        assert_eq!(unpack(&seal(&[0x1A, 0x00].repeat(AGGREGATE_RECORDS_MAX + 1))), Payload::Corrupt);
    }
}
