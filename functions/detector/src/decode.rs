//! A batch as Lambda delivers it → transactions in order, and rejects.

use anomaly_core::{Position, RejectReason, SequenceNumber, Transaction};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use intake::aggregate::{self, Payload};
use intake::record;

use crate::envelope::{self, BadEnvelope, Envelope, NotKinesis};

/// A batch whose payloads are decoded from base64 and whose aggregates are unpacked. Transactions borrow from it.
#[derive(Debug)]
pub struct Batch<'a> {
    records: Vec<Result<(Envelope<'a>, Unpacked), BadEnvelope<'a>>>,
}

/// The payload of one Kinesis record.
#[derive(Debug)]
enum Unpacked {
    Single(Vec<u8>),
    Aggregate(Vec<Vec<u8>>),
    Rejected(RejectReason, Vec<u8>),
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
    /// The payload, unchanged.
    pub payload: &'a [u8],
    /// The decoded payload.
    pub transaction: Transaction<'a>,
}

impl<'a> UserRecord<'a> {
    /// The same record, rejected after all.
    #[must_use]
    pub const fn reject(&self, reason: RejectReason) -> Rejected<'a> {
        rejected(self.index, self.envelope, self.position.sub_sequence, self.payload, reason)
    }
}

/// A rejected record with everything known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejected<'a> {
    /// Index of its Kinesis record in the batch.
    pub index: usize,
    /// Why it was rejected.
    pub reason: RejectReason,
    /// Its envelope; `None` if that is invalid.
    pub envelope: Option<&'a Envelope<'a>>,
    /// Its sequence number, if it is known.
    pub sequence_number: Option<SequenceNumber>,
    /// Index within a KPL aggregate.
    pub sub_sequence: u32,
    /// The payload; the whole envelope as JSON if that is invalid.
    pub payload: &'a [u8],
}

/// Everything in a batch: each user record is in one list or the other.
#[derive(Debug, Default)]
pub struct Decoded<'a> {
    /// In the order of the batch.
    pub records: Vec<UserRecord<'a>>,
    /// In the order of the batch.
    pub rejects: Vec<Rejected<'a>>,
}

impl<'a> Batch<'a> {
    /// Parses Lambda's event.
    ///
    /// # Errors
    /// [`NotKinesis`] if it is not a Kinesis event.
    pub fn parse(event: &'a str) -> Result<Self, NotKinesis> {
        let unpacked = |envelope: Envelope<'a>| {
            let payload = unpack(&envelope);
            (envelope, payload)
        };
        let records = envelope::parse(event)?.into_iter().map(|envelope| envelope.map(unpacked));
        Ok(Self { records: records.collect() })
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

    /// The sequence numbers of the batch in order; `None` where an envelope has none.
    pub fn sequence_numbers(&self) -> impl Iterator<Item = Option<SequenceNumber>> {
        self.records.iter().map(|record| match record {
            Ok((envelope, _)) => Some(envelope.sequence_number),
            Err(bad) => bad.sequence_number,
        })
    }

    /// Decodes and validates every user record.
    #[must_use]
    pub fn decode(&self, clock_skew_ms_max: i64) -> Decoded<'_> {
        let mut decoded = Decoded { records: Vec::with_capacity(self.len()), rejects: Vec::new() };
        for (index, record) in self.records.iter().enumerate() {
            match record {
                Ok((envelope, payload)) => decoded.decode_one(index, envelope, payload, clock_skew_ms_max),
                Err(bad) => decoded.rejects.push(rejected_envelope(index, bad)),
            }
        }
        decoded
    }
}

fn unpack(envelope: &Envelope<'_>) -> Unpacked {
    let Ok(payload) = STANDARD.decode(envelope.data.as_bytes()) else {
        return Unpacked::Rejected(RejectReason::EnvelopeInvalid, envelope.data.as_bytes().to_vec());
    };
    match aggregate::unpack(&payload) {
        Payload::Single => Unpacked::Single(payload),
        Payload::Aggregate(payloads) => Unpacked::Aggregate(payloads),
        Payload::Corrupt => Unpacked::Rejected(RejectReason::AggregateCorrupt, payload),
    }
}

impl<'a> Decoded<'a> {
    fn decode_one(&mut self, index: usize, envelope: &'a Envelope<'a>, unpacked: &'a Unpacked, clock_skew_ms_max: i64) {
        let mut add = |sub_sequence, payload: &'a [u8]| match record::decode(
            payload,
            envelope.arrival_time_ms,
            clock_skew_ms_max,
        ) {
            Ok(transaction) => {
                let position = Position { sequence_number: envelope.sequence_number, sub_sequence };
                self.records.push(UserRecord { index, envelope, position, payload, transaction });
            }
            Err(reason) => self.rejects.push(rejected(index, envelope, sub_sequence, payload, reason)),
        };
        match unpacked {
            Unpacked::Single(payload) => add(0, payload),
            Unpacked::Aggregate(payloads) => (0..).zip(payloads).for_each(|(sub, payload)| add(sub, payload)),
            Unpacked::Rejected(reason, payload) => {
                self.rejects.push(rejected(index, envelope, 0, payload, *reason));
            }
        }
    }
}

const fn rejected<'a>(
    index: usize,
    envelope: &'a Envelope<'a>,
    sub_sequence: u32,
    payload: &'a [u8],
    reason: RejectReason,
) -> Rejected<'a> {
    Rejected {
        index,
        reason,
        envelope: Some(envelope),
        sequence_number: Some(envelope.sequence_number),
        sub_sequence,
        payload,
    }
}

const fn rejected_envelope<'a>(index: usize, bad: &BadEnvelope<'a>) -> Rejected<'a> {
    Rejected {
        index,
        reason: RejectReason::EnvelopeInvalid,
        envelope: None,
        sequence_number: bad.sequence_number,
        sub_sequence: 0,
        payload: bad.json.as_bytes(),
    }
}
