//! A stream in memory, sharded as in Kinesis: a record goes to the shard whose hash range contains the MD5 of its key.

use std::cell::RefCell;

use md5::{Digest, Md5};

use super::{Read, Shard, SourceError, StreamRecord, StreamSource};

/// Sequence numbers have 56 digits, as in Kinesis: these 35, and a counter.
const SEQUENCE_PREFIX: &str = "49590338271490256608559692538361571";

/// The ARN that local runs and tests give to a stream in memory.
pub const LOCAL_STREAM_ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/transactions";

#[derive(Debug)]
struct MemoryShard {
    shard: Shard,
    /// First and last hash key.
    range: (u128, u128),
    is_open: bool,
    records: Vec<StreamRecord>,
}

/// Where a record went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Id of the shard that received it.
    pub shard_id: String,
    /// Its sequence number in that shard.
    pub sequence_number: String,
}

/// A stream in memory. Its records live as long as the value, if nobody lets it forget them.
#[derive(Debug)]
pub struct MemoryStream {
    inner: RefCell<Inner>,
}

#[derive(Debug)]
struct Inner {
    shards: Vec<MemoryShard>,
    /// The prefix of padded sequence numbers; `None`: the numbers are not padded.
    prefix: Option<&'static str>,
    sequence: u128,
}

impl MemoryStream {
    /// A stream of `shards` equal shards, at least one.
    #[must_use]
    pub fn new(shards: u32) -> Self {
        Self::with(shards, Some(SEQUENCE_PREFIX), 0)
    }

    /// A stream whose sequence numbers are the decimal numbers after `sequence`, without padding: they get longer as they count
    /// up, which the API permits.
    #[must_use]
    pub fn numbered_from(shards: u32, sequence: u128) -> Self {
        Self::with(shards, None, sequence)
    }

    fn with(shards: u32, prefix: Option<&'static str>, sequence: u128) -> Self {
        let (count, width) = (u128::from(shards.max(1)), u128::MAX / u128::from(shards.max(1)));
        let range = |i: u128| (i * width, if i + 1 == count { u128::MAX } else { (i + 1) * width - 1 });
        let mut inner = Inner { shards: Vec::new(), prefix, sequence };
        (0..count).for_each(|i| inner.add(range(i), Vec::new()));
        Self { inner: RefCell::new(inner) }
    }

    /// Puts a record. Returns where it went.
    pub fn put(&self, partition_key: &str, data: Vec<u8>, arrival_time_ms: i64) -> Placed {
        self.put_at(hash_key(partition_key), partition_key, data, arrival_time_ms)
    }

    /// Puts a record with an explicit hash key.
    pub fn put_at(&self, hash_key: u128, partition_key: &str, data: Vec<u8>, arrival_time_ms: i64) -> Placed {
        self.inner.borrow_mut().put(hash_key, partition_key, data, arrival_time_ms)
    }

    /// Forgets the records that arrived before a time, as a stream does after its retention.
    pub fn forget_before(&self, arrival_time_ms: i64) {
        for shard in &mut self.inner.borrow_mut().shards {
            shard.records.retain(|record| record.arrival_time_ms >= arrival_time_ms);
        }
    }

    /// The first and the last hash key of a shard; `None` if it does not exist.
    #[must_use]
    pub fn range(&self, shard_id: &str) -> Option<(u128, u128)> {
        let inner = self.inner.borrow();
        inner.shards.iter().find(|shard| shard.shard.id == shard_id).map(|shard| shard.range)
    }

    /// Ids of the open shards, those that accept records, in the order of their hash ranges.
    #[must_use]
    pub fn open_shards(&self) -> Vec<String> {
        let inner = self.inner.borrow();
        let mut open: Vec<&MemoryShard> = inner.shards.iter().filter(|shard| shard.is_open).collect();
        open.sort_by_key(|shard| shard.range);
        open.into_iter().map(|shard| shard.shard.id.clone()).collect()
    }

    /// Splits an open shard in the middle of its range. Does nothing if the shard is closed or does not exist.
    pub fn split(&self, shard_id: &str) {
        let mut inner = self.inner.borrow_mut();
        let Some((first, last)) = inner.close(shard_id) else { return };
        let middle = first + (last - first) / 2;
        inner.add((first, middle), vec![shard_id.to_owned()]);
        inner.add((middle + 1, last), vec![shard_id.to_owned()]);
    }

    /// Merges two open shards with adjacent ranges, the lower one first.
    pub fn merge(&self, lower_id: &str, upper_id: &str) {
        let mut inner = self.inner.borrow_mut();
        let (Some(lower), Some(upper)) = (inner.close(lower_id), inner.close(upper_id)) else { return };
        inner.add((lower.0, upper.1), vec![lower_id.to_owned(), upper_id.to_owned()]);
    }
}

impl Inner {
    fn add(&mut self, range: (u128, u128), parents: Vec<String>) {
        let id = format!("shardId-{:012}", self.shards.len());
        self.shards.push(MemoryShard { shard: Shard { id, parents }, range, is_open: true, records: Vec::new() });
    }

    fn close(&mut self, shard_id: &str) -> Option<(u128, u128)> {
        let shard = self.shards.iter_mut().find(|shard| shard.shard.id == shard_id && shard.is_open)?;
        shard.is_open = false;
        Some(shard.range)
    }

    fn put(&mut self, hash_key: u128, partition_key: &str, data: Vec<u8>, arrival_time_ms: i64) -> Placed {
        self.sequence += 1;
        let number = self.sequence;
        let sequence_number = self.prefix.map_or(number.to_string(), |prefix| format!("{prefix}{number:021}"));
        let holds = |shard: &&mut MemoryShard| shard.is_open && (shard.range.0..=shard.range.1).contains(&hash_key);
        let mut placed = Placed { shard_id: String::new(), sequence_number: sequence_number.clone() };
        // The open shards cover all hash keys, so there is always one.
        if let Some(shard) = self.shards.iter_mut().find(holds) {
            placed.shard_id.clone_from(&shard.shard.id);
            shard.records.push(StreamRecord {
                sequence_number,
                partition_key: partition_key.to_owned(),
                data,
                arrival_time_ms,
            });
        }
        placed
    }
}

/// The hash key of a partition key.
#[must_use]
pub fn hash_key(partition_key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into())
}

impl StreamSource for MemoryStream {
    async fn shards(&self) -> Result<Vec<Shard>, SourceError> {
        Ok(self.inner.borrow().shards.iter().map(|shard| shard.shard.clone()).collect())
    }

    async fn read(&self, shard_id: &str, after: Option<&str>, limit: usize) -> Result<Read, SourceError> {
        let inner = self.inner.borrow();
        let shard = inner.shards.iter().find(|shard| shard.shard.id == shard_id);
        let shard = shard.ok_or_else(|| SourceError(format!("there is no shard {shard_id}").into()))?;
        // Without leading zeros, the longer number is the greater one.
        let is_up_to = |number: &str, last: &str| (number.len(), number) <= (last.len(), last);
        let is_read = |record: &StreamRecord| after.is_some_and(|after| is_up_to(&record.sequence_number, after));
        let start = shard.records.partition_point(is_read);
        let records: Vec<_> = shard.records.iter().skip(start).take(limit).cloned().collect();
        let is_end = !shard.is_open && start + records.len() == shard.records.len();
        Ok(Read { records, is_end })
    }
}
