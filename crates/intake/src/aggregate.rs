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

/// Largest protobuf: the KPL packs at most a mebibyte. In a larger record, two million empty records would fit.
const AGGREGATE_BYTES_MAX: usize = 1024 * 1024;

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

/// A user record of an aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// Its payload. All records of an aggregate share one copy of it.
    pub data: Bytes,
    /// Whether it lies outside the shard's range of hash keys. While a stream is resharded, the KPL packs by the old map; it then puts
    /// such a record again, into the shard where it belongs, and expects consumers not to use this copy.
    pub is_misplaced: bool,
}

/// The hash keys that belong in a shard, first and last included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashRange {
    /// The least hash key.
    pub first: u128,
    /// The greatest hash key.
    pub last: u128,
}

impl HashRange {
    /// Whether a hash key belongs in the shard.
    #[must_use]
    pub const fn contains(&self, hash_key: u128) -> bool {
        self.first <= hash_key && hash_key <= self.last
    }
}

/// The payload of a Kinesis record, unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// One user record.
    Single,
    /// User records in their order, at least one; the index of each is its sub-sequence number.
    Aggregate(Vec<Packed>),
    /// Marked as an aggregate by magic and MD5, but its content is not one.
    Corrupt,
}

/// Unpacks a payload if it is marked as an aggregate. `shard` has the hash keys of its shard, if they are known.
#[must_use]
pub fn unpack(payload: &[u8], shard: Option<HashRange>) -> Payload {
    let Some(body) = protobuf_of(payload) else { return Payload::Single };
    if body.len() > AGGREGATE_BYTES_MAX {
        return Payload::Corrupt;
    }
    match AggregatedRecord::decode(Bytes::copy_from_slice(body)) {
        // An aggregate without records would disappear without a trace.
        Ok(aggregate) if !(1..=AGGREGATE_RECORDS_MAX).contains(&aggregate.records.len()) => Payload::Corrupt,
        Ok(aggregate) => Payload::Aggregate(aggregate.packed(shard)),
        Err(_) => Payload::Corrupt,
    }
}

/// The hash key under which a producer puts an aggregate so that it reaches the shard of its first record; `None` if the payload is not
/// an aggregate. Its partition key is the same for all aggregates and says nothing.
#[must_use]
pub fn hash_key(payload: &[u8]) -> Option<u128> {
    let aggregate = AggregatedRecord::decode(protobuf_of(payload)?).ok()?;
    let first = aggregate.records.first()?;
    let at = |keys: &[String], index: u64| keys.get(usize::try_from(index).ok()?).cloned();
    match first.explicit_hash_key_index {
        Some(index) => at(&aggregate.explicit_hash_key_table, index)?.parse().ok(),
        None => at(&aggregate.partition_key_table, first.partition_key_index).map(|key| hash_of(&key)),
    }
}

/// The hash key of a partition key.
fn hash_of(partition_key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into())
}

impl AggregatedRecord {
    fn packed(self, shard: Option<HashRange>) -> Vec<Packed> {
        let outside = self.keys_outside(shard);
        let is_outside =
            |keys: &[bool], index| usize::try_from(index).ok().and_then(|i| keys.get(i).copied()).unwrap_or(false);
        let packed = |record: PackedRecord| {
            let is_misplaced = match record.explicit_hash_key_index {
                Some(index) => is_outside(&outside.1, index),
                None => is_outside(&outside.0, record.partition_key_index),
            };
            Packed { data: record.data, is_misplaced }
        };
        self.records.into_iter().map(packed).collect()
    }

    /// Which partition keys, and which explicit hash keys, lie outside the shard.
    fn keys_outside(&self, shard: Option<HashRange>) -> (Vec<bool>, Vec<bool>) {
        let Some(shard) = shard else { return (Vec::new(), Vec::new()) };
        let of_key = |key: &String| !shard.contains(hash_of(key));
        let of_hash_key = |key: &String| key.parse().is_ok_and(|hash_key| !shard.contains(hash_key));
        let (keys, hash_keys) = (&self.partition_key_table, &self.explicit_hash_key_table);
        (keys.iter().map(of_key).collect(), hash_keys.iter().map(of_hash_key).collect())
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
    let keyed: Vec<_> = records.iter().map(|data| (partition_key, data)).collect();
    pack_keyed(&keyed)
}

/// Packs user records as a KPL producer does, each with its partition key.
#[cfg(any(test, feature = "pack"))]
#[must_use]
pub fn pack_keyed(records: &[(impl AsRef<str>, impl AsRef<[u8]>)]) -> Vec<u8> {
    let mut aggregate = AggregatedRecord::default();
    for (key, data) in records {
        let known = aggregate.partition_key_table.iter().position(|known| known == key.as_ref());
        let index = known.unwrap_or_else(|| {
            aggregate.partition_key_table.push(key.as_ref().to_owned());
            aggregate.partition_key_table.len() - 1
        });
        let partition_key_index = u64::try_from(index).unwrap_or(u64::MAX);
        let data = Bytes::copy_from_slice(data.as_ref());
        aggregate.records.push(PackedRecord { partition_key_index, explicit_hash_key_index: None, data });
    }
    seal(&aggregate.encode_to_vec())
}

#[cfg(any(test, feature = "pack"))]
fn seal(body: &[u8]) -> Vec<u8> {
    [&MAGIC, body, Md5::digest(body).as_slice()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(payload: &Payload) -> Vec<(&[u8], bool)> {
        let Payload::Aggregate(records) = payload else { return Vec::new() };
        records.iter().map(|record| (&record.data[..], record.is_misplaced)).collect()
    }

    #[test]
    fn packed_records_are_unpacked_in_order() {
        let unpacked = unpack(&pack("a", &["one", "two", ""]), None);
        assert_eq!(contents(&unpacked), [("one".as_bytes(), false), ("two".as_bytes(), false), (b"", false)]);
    }

    #[test]
    fn a_record_outside_the_shard_is_misplaced() {
        // MD5 of "a" is 0cc1…, of "b" 92eb…: Kinesis hashes them into the lower and the upper half.
        let packed = pack_keyed(&[("a", "one"), ("b", "two"), ("a", "three")]);
        let lower = HashRange { first: 0, last: u128::MAX / 2 };
        let misplaced = |range| contents(&unpack(&packed, range)).iter().map(|record| record.1).collect::<Vec<_>>();
        assert_eq!(misplaced(Some(lower)), [false, true, false]);
        assert_eq!(misplaced(None), [false; 3], "unknown");
    }

    #[test]
    fn an_explicit_hash_key_goes_before_the_partition_key() {
        let record =
            |key| PackedRecord { partition_key_index: 0, explicit_hash_key_index: Some(key), data: Bytes::new() };
        let aggregate = AggregatedRecord {
            partition_key_table: vec!["a".to_owned()],
            explicit_hash_key_table: vec!["5".to_owned(), u128::MAX.to_string(), "x".to_owned()],
            records: vec![record(0), record(1), record(2), record(3)],
        };
        let sealed = seal(&aggregate.encode_to_vec());
        let unpacked = unpack(&sealed, Some(HashRange { first: 0, last: 5 }));
        let misplaced: Vec<bool> = contents(&unpacked).iter().map(|record| record.1).collect();
        assert_eq!(misplaced, [false, true, false, false], "what cannot be read is not misplaced");
    }

    #[test]
    fn an_aggregate_goes_where_its_first_record_belongs() {
        assert_eq!(hash_key(&pack_keyed(&[("b", "one"), ("a", "two")])), Some(hash_of("b")));
        assert_eq!(hash_key(b"one"), None);
    }

    #[test]
    fn the_magic_alone_does_not_make_an_aggregate() {
        let mut packed = pack("a", &["one"]);
        *packed.last_mut().unwrap() ^= 1;
        assert_eq!(unpack(&packed, None), Payload::Single);
        assert_eq!(unpack(&MAGIC, None), Payload::Single);
        assert_eq!(unpack(b"", None), Payload::Single);
    }

    #[test]
    fn both_marks_around_garbage_are_corrupt() {
        assert_eq!(unpack(&seal(&[0x1A, 0xFF]), None), Payload::Corrupt);
        assert_eq!(unpack(&pack("a", &[""; 0]), None), Payload::Corrupt);
        assert_eq!(unpack(&seal(&[0x1A, 0x00].repeat(AGGREGATE_RECORDS_MAX + 1)), None), Payload::Corrupt);
        assert_eq!(unpack(&pack("a", &["x".repeat(AGGREGATE_BYTES_MAX)]), None), Payload::Corrupt);
    }
}
