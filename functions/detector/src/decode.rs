//! A batch as Lambda delivers it → transactions in order, and rejects.
//!
//! A batch is taken in segments, since a few kilobytes of aggregate can hold tens of thousands of user records: only one segment is
//! unpacked at a time. A reject is remembered by its place alone; its payload is unpacked again when it goes to quarantine.

use std::collections::{BTreeMap, HashMap};

use anomaly_core::{Position, RejectReason, SequenceNumber, ShardId, Transaction};
use intake::aggregate::{self, HashRange, Packed, Payload};
use intake::record;

use crate::envelope::{self, BadEnvelope, Envelope, NotKinesis};
use crate::handler::count;

/// User records after which a segment ends. As many as Lambda puts Kinesis records into a batch, so a batch without aggregates is
/// one segment. With aggregates a segment has at most [`aggregate::AGGREGATE_RECORDS_MAX`] more.
const SEGMENT_RECORDS_MAX: usize = 10_000;
/// Rejects of one aggregate that go to quarantine one by one. With more, the whole aggregate goes there as one message: the messages
/// of a few such aggregates would hold up the shard for hours.
pub const AGGREGATE_REJECTS_MAX: u32 = 1_000;

/// How the magic of an aggregate begins in base64.
const AGGREGATE_BASE64: &str = "84maw";

/// What is known of the shards of a batch.
#[derive(Debug, Clone)]
pub struct Shards {
    /// Lanes of each. With more than one, aggregates are rejected.
    pub lanes: u32,
    /// The hash keys of each, as far as they are known. Misplaced records of an aggregate are rejected.
    pub ranges: HashMap<ShardId, HashRange>,
}

impl Default for Shards {
    /// One lane each, and no more is known.
    fn default() -> Self {
        Self { lanes: 1, ranges: HashMap::new() }
    }
}

/// A batch with its envelopes parsed. Payloads are unpacked segment by segment.
#[derive(Debug)]
pub struct Batch<'a> {
    records: Vec<Result<Envelope<'a>, BadEnvelope<'a>>>,
}

/// Consecutive Kinesis records of a batch whose payloads are unpacked. Transactions borrow from it.
#[derive(Debug)]
pub struct Segment<'b> {
    batch: &'b Batch<'b>,
    start: usize,
    payloads: Vec<Unpacked>,
}

/// The payload of one Kinesis record.
#[derive(Debug)]
enum Unpacked {
    Single(Vec<u8>),
    Aggregate(Vec<Packed>),
    /// Rejected as a whole, with this many user records.
    Rejected(RejectReason, u32),
}

/// An accepted user record.
#[derive(Debug, Clone, PartialEq)]
pub struct UserRecord<'a> {
    /// Index of its Kinesis record in the batch.
    pub index: usize,
    /// How it was delivered.
    pub envelope: &'a Envelope<'a>,
    /// Its position in the shard.
    pub position: Position,
    /// The decoded payload.
    pub transaction: Transaction<'a>,
}

impl UserRecord<'_> {
    /// The same record, rejected after all.
    #[must_use]
    pub const fn reject(&self, reason: RejectReason) -> Rejected {
        Rejected::one(self.index, self.position.sub_sequence, reason)
    }
}

/// A rejected user record, or all the rejects of a Kinesis record together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejected {
    /// Index of its Kinesis record in the batch.
    pub index: usize,
    /// Index within a KPL aggregate; `None` if the whole Kinesis record is meant.
    pub sub_sequence: Option<u32>,
    /// Why it was rejected; of several reasons the most frequent one.
    pub reason: RejectReason,
    /// How many user records it stands for.
    pub records: u32,
}

impl Rejected {
    const fn one(index: usize, sub_sequence: u32, reason: RejectReason) -> Self {
        Self { index, sub_sequence: Some(sub_sequence), reason, records: 1 }
    }

    const fn whole(index: usize, reason: RejectReason, records: u32) -> Self {
        Self { index, sub_sequence: None, reason, records }
    }
}

/// Everything in a segment: each user record is in one list or the other.
#[derive(Debug, Default)]
pub struct Decoded<'a> {
    /// In the order of the batch.
    pub records: Vec<UserRecord<'a>>,
    /// In the order of the batch.
    pub rejects: Vec<Rejected>,
    /// Accepted records of aggregates that have no transaction id. Where the shard's range is unknown, a misplaced copy would be judged.
    pub without_id: u64,
}

impl<'a> Batch<'a> {
    /// Parses Lambda's event.
    ///
    /// # Errors
    /// [`NotKinesis`] if it is not a Kinesis event.
    pub fn parse(event: &'a str) -> Result<Self, NotKinesis> {
        Ok(Self { records: envelope::parse(event)? })
    }

    /// Kinesis records in the batch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether the batch is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// A record of the batch.
    pub(crate) fn get(&self, index: usize) -> Option<&Result<Envelope<'a>, BadEnvelope<'a>>> {
        self.records.get(index)
    }

    /// The sequence number of a record; `None` if its envelope has none.
    #[must_use]
    pub fn sequence_number(&self, index: usize) -> Option<SequenceNumber> {
        match self.records.get(index)? {
            Ok(envelope) => Some(envelope.sequence_number),
            Err(bad) => bad.sequence_number,
        }
    }

    /// The shards of which the batch may have aggregates, each with its stream's ARN.
    pub(crate) fn shards_of_aggregates(&self) -> HashMap<&ShardId, &str> {
        let envelopes = self.records.iter().filter_map(|record| record.as_ref().ok());
        let marked = envelopes.filter(|envelope| envelope.data.starts_with(AGGREGATE_BASE64));
        marked.map(|envelope| (&envelope.shard, envelope.stream.as_ref())).collect()
    }

    /// The segment that begins at a record.
    #[must_use]
    pub fn segment(&self, start: usize, shards: &Shards) -> Segment<'_> {
        let (mut payloads, mut user_records) = (Vec::new(), 0);
        for record in self.records.iter().skip(start) {
            let unpacked = record
                .as_ref()
                .map_or(Unpacked::Rejected(RejectReason::EnvelopeInvalid, 1), |envelope| unpack(envelope, shards));
            user_records += unpacked.len();
            payloads.push(unpacked);
            if user_records >= SEGMENT_RECORDS_MAX {
                break;
            }
        }
        Segment { batch: self, start, payloads }
    }
}

fn unpack(envelope: &Envelope<'_>, shards: &Shards) -> Unpacked {
    let Ok(payload) = base64_simd::STANDARD.decode_to_vec(envelope.data.as_bytes()) else {
        return Unpacked::Rejected(RejectReason::EnvelopeInvalid, 1);
    };
    match aggregate::unpack(&payload, shards.ranges.get(&envelope.shard).copied()) {
        Payload::Single => Unpacked::Single(payload),
        Payload::Aggregate(records) if shards.lanes > 1 => {
            Unpacked::Rejected(RejectReason::AggregateInLanes, u32::try_from(records.len()).unwrap_or(u32::MAX))
        }
        Payload::Aggregate(records) => Unpacked::Aggregate(records),
        Payload::Corrupt => Unpacked::Rejected(RejectReason::AggregateCorrupt, 1),
    }
}

impl Unpacked {
    fn len(&self) -> usize {
        match self {
            Self::Single(_) | Self::Rejected(..) => 1,
            Self::Aggregate(records) => records.len(),
        }
    }
}

impl Segment<'_> {
    /// Index of the record after the last one.
    #[must_use]
    pub const fn end(&self) -> usize {
        self.start + self.payloads.len()
    }

    /// Decodes and validates every user record.
    #[must_use]
    pub fn decode(&self, clock_skew_ms_max: i64) -> Decoded<'_> {
        let mut decoded = Decoded { records: Vec::with_capacity(self.payloads.len()), ..Decoded::default() };
        let records = self.batch.records.iter().enumerate().skip(self.start);
        for ((index, record), payload) in records.zip(&self.payloads) {
            match (record, payload) {
                (Ok(envelope), Unpacked::Single(payload)) => {
                    decoded.decode_each(index, envelope, [(0, payload.as_slice())], clock_skew_ms_max);
                }
                (Ok(envelope), Unpacked::Aggregate(payloads)) => {
                    decoded.decode_aggregate(index, envelope, payloads, clock_skew_ms_max);
                }
                (_, Unpacked::Rejected(reason, records)) => {
                    decoded.rejects.push(Rejected::whole(index, *reason, *records));
                }
                (Err(_), _) => decoded.rejects.push(Rejected::whole(index, RejectReason::EnvelopeInvalid, 1)),
            }
        }
        decoded.rejects = collapse(&decoded.rejects);
        decoded
    }
}

impl<'a> Decoded<'a> {
    fn decode_aggregate(
        &mut self,
        index: usize,
        envelope: &'a Envelope<'a>,
        records: &'a [Packed],
        clock_skew_ms_max: i64,
    ) {
        let (first, placed) = (self.records.len(), (0..).zip(records).filter(|(_, record)| !record.is_misplaced));
        self.decode_each(index, envelope, placed.map(|(sub, record)| (sub, record.data.as_ref())), clock_skew_ms_max);
        let misplaced = (0..).zip(records).filter(|(_, record)| record.is_misplaced);
        self.rejects.extend(misplaced.map(|(sub, _)| Rejected::one(index, sub, RejectReason::Misplaced)));
        let accepted = self.records.iter().skip(first);
        self.without_id += count(accepted.filter(|record| record.transaction.transaction_id.is_none()).count());
    }

    /// Decodes the user records of one Kinesis record, each with its sub-sequence number.
    fn decode_each(
        &mut self,
        index: usize,
        envelope: &'a Envelope<'a>,
        payloads: impl IntoIterator<Item = (u32, &'a [u8])>,
        clock_skew_ms_max: i64,
    ) {
        for (sub_sequence, payload) in payloads {
            match record::decode(payload, envelope.arrival_time_ms, clock_skew_ms_max) {
                Ok(transaction) => {
                    let position = Position { sequence_number: envelope.sequence_number, sub_sequence };
                    self.records.push(UserRecord { index, envelope, position, transaction });
                }
                Err(reason) => {
                    self.rejects.push(Rejected::one(index, sub_sequence, reason));
                }
            }
        }
    }
}

/// Rejects in the order of the batch. Those of a Kinesis record that has more than [`AGGREGATE_REJECTS_MAX`] become one; misplaced records,
/// which nobody may put again, one by themselves.
pub(crate) fn collapse(rejects: &[Rejected]) -> Vec<Rejected> {
    let mut collapsed = Vec::with_capacity(rejects.len().min(SEGMENT_RECORDS_MAX));
    for of_one in rejects.chunk_by(|a, b| a.index == b.index) {
        if records_of(of_one) <= AGGREGATE_REJECTS_MAX {
            collapsed.extend(of_one);
            continue;
        }
        let (misplaced, others): (Vec<Rejected>, Vec<Rejected>) =
            of_one.iter().copied().partition(|rejected| rejected.reason == RejectReason::Misplaced);
        for alike in [others, misplaced] {
            if let Some(first) = alike.first() {
                collapsed.push(Rejected::whole(first.index, most_frequent(&alike), records_of(&alike)));
            }
        }
    }
    collapsed
}

fn records_of(rejects: &[Rejected]) -> u32 {
    rejects.iter().map(|rejected| rejected.records).sum()
}

fn most_frequent(rejects: &[Rejected]) -> RejectReason {
    let mut records_of: BTreeMap<RejectReason, u32> = BTreeMap::new();
    for rejected in rejects {
        *records_of.entry(rejected.reason).or_default() += rejected.records;
    }
    let most = records_of.into_iter().max_by_key(|(_, records)| *records);
    most.map_or(RejectReason::AggregateCorrupt, |(reason, _)| reason)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    proptest! {
        /// Quarantine decodes what was rejected with the other implementation.
        #[test]
        fn both_implementations_of_base64_accept_the_same_texts(text in "[A-Za-f+/=]{0,9}|[A-Za-z0-9+/]{0,80}={0,3}|\\PC{0,8}") {
            let decoded = base64_simd::STANDARD.decode_to_vec(text.as_bytes()).ok();
            assert_eq!(decoded, STANDARD.decode(text.as_bytes()).ok());
        }
    }
}
