//! A batch as Lambda delivers it → transactions in their order, and what was rejected.

use anomaly_core::{Position, RejectReason, SequenceNumber, Transaction};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::aggregate::{self, Payload};
use crate::envelope::{self, BadEnvelope, Envelope, NotKinesis};
use crate::record;

/// A batch with its payloads decoded from base64 and its aggregates opened. Transactions borrow from it.
#[derive(Debug)]
pub struct Batch<'a> {
    envelopes: Vec<Result<Envelope<'a>, BadEnvelope<'a>>>,
    payloads: Vec<Opened>,
}

#[derive(Debug)]
enum Opened {
    Single(Vec<u8>),
    Aggregate(Vec<Vec<u8>>),
    Bad(RejectReason, Vec<u8>),
}

/// An accepted record.
#[derive(Debug, Clone, PartialEq)]
pub struct Record<'a> {
    /// Which Kinesis record of the batch, from 0.
    pub index: usize,
    /// How it was delivered.
    pub envelope: &'a Envelope<'a>,
    /// Its place in the shard.
    pub position: Position,
    /// As it came.
    pub payload: &'a [u8],
    /// What it says.
    pub transaction: Transaction<'a>,
}

impl<'a> Record<'a> {
    /// The same record, rejected after all.
    #[must_use]
    pub const fn reject(&self, reason: RejectReason) -> Rejected<'a> {
        rejected(self.index, self.envelope, self.position.sub_sequence, self.payload, reason)
    }
}

/// A rejected record with all that is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejected<'a> {
    /// Which Kinesis record of the batch, from 0.
    pub index: usize,
    /// Why.
    pub reason: RejectReason,
    /// Its envelope, unless that is what is wrong.
    pub envelope: Option<&'a Envelope<'a>>,
    /// Its sequence number, if that is known.
    pub sequence_number: Option<SequenceNumber>,
    /// Index within a KPL aggregate.
    pub sub_sequence: u32,
    /// The payload, or the whole envelope as JSON if that is what is wrong.
    pub payload: &'a [u8],
}

/// Everything in a batch: each user record is in one list or the other.
#[derive(Debug, Default)]
pub struct Decoded<'a> {
    /// In the order of the batch.
    pub records: Vec<Record<'a>>,
    /// In the order of the batch.
    pub rejects: Vec<Rejected<'a>>,
}

impl<'a> Batch<'a> {
    /// Opens Lambda's event.
    ///
    /// # Errors
    /// [`NotKinesis`] if it is none.
    pub fn open(event: &'a str) -> Result<Self, NotKinesis> {
        let envelopes = envelope::open(event)?;
        let payloads = envelopes.iter().map(open_payload).collect();
        Ok(Self { envelopes, payloads })
    }

    /// Kinesis records in the batch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.envelopes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.envelopes.is_empty()
    }

    /// The sequence numbers of the batch, `None` where an envelope has none.
    pub fn sequence_numbers(&self) -> impl Iterator<Item = Option<SequenceNumber>> {
        self.envelopes.iter().map(|envelope| match envelope {
            Ok(envelope) => Some(envelope.sequence_number),
            Err(bad) => bad.sequence_number,
        })
    }

    /// Decodes and validates every user record.
    #[must_use]
    pub fn decode(&self, clock_skew_ms_max: i64) -> Decoded<'_> {
        let mut decoded = Decoded { records: Vec::with_capacity(self.len()), rejects: Vec::new() };
        for (index, (envelope, payload)) in self.envelopes.iter().zip(&self.payloads).enumerate() {
            match envelope {
                Ok(envelope) => decoded.decode_one(index, envelope, payload, clock_skew_ms_max),
                Err(bad) => decoded.rejects.push(rejected_envelope(index, bad)),
            }
        }
        decoded
    }
}

fn open_payload(envelope: &Result<Envelope<'_>, BadEnvelope<'_>>) -> Opened {
    let Ok(envelope) = envelope else { return Opened::Aggregate(Vec::new()) };
    let Ok(payload) = STANDARD.decode(envelope.data.as_bytes()) else {
        return Opened::Bad(RejectReason::EnvelopeInvalid, envelope.data.as_bytes().to_vec());
    };
    match aggregate::open(&payload) {
        Payload::Single => Opened::Single(payload),
        Payload::Aggregate(payloads) => Opened::Aggregate(payloads),
        Payload::Corrupt => Opened::Bad(RejectReason::AggregateCorrupt, payload),
    }
}

impl<'a> Decoded<'a> {
    fn decode_one(&mut self, index: usize, envelope: &'a Envelope<'a>, opened: &'a Opened, clock_skew_ms_max: i64) {
        let mut add = |sub_sequence, payload: &'a [u8]| match record::decode(
            payload,
            envelope.arrival_time_ms,
            clock_skew_ms_max,
        ) {
            Ok(transaction) => {
                let position = Position { sequence_number: envelope.sequence_number, sub_sequence };
                self.records.push(Record { index, envelope, position, payload, transaction });
            }
            Err(reason) => self.rejects.push(rejected(index, envelope, sub_sequence, payload, reason)),
        };
        match opened {
            Opened::Single(payload) => add(0, payload),
            Opened::Aggregate(payloads) => (0..).zip(payloads).for_each(|(sub, payload)| add(sub, payload)),
            Opened::Bad(reason, payload) => self.rejects.push(rejected(index, envelope, 0, payload, *reason)),
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
