//! Quarantine: every rejected record is kept as a message, so that nothing put into the stream disappears.
//!
//! The message is JSON, version 1, with the unchanged payload in base64. With it an operator can mend the producer and put the payload
//! into the stream again.

use anomaly_core::{RejectReason, printable};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use intake::aggregate::{self, Payload};
use intake::record::RECORD_BYTES_MAX;
use lambda_kit::Clock;
use serde::Serialize;

use crate::decode::{Batch, Rejected, collapse};
use crate::envelope::Envelope;
use crate::handler::{MESSAGES_PER_SLICE, Run};
use crate::window_store::WindowStore;
use message_queue::MessageQueue;

/// Version of the message.
const VERSION: u32 = 1;
/// Largest aggregate that is kept: in base64, and with what is said of it, it still fits SQS's mebibyte.
const AGGREGATE_BYTES_MAX: usize = 760 * 1024;
/// Nothing is sent in the last half second: Lambda has to get a response.
const QUARANTINE_RESERVE_MS: i64 = 500;

impl<S: WindowStore, A: MessageQueue, Q: MessageQueue, C: Clock, R> Run<'_, S, A, Q, C, R> {
    /// Sends rejected records to quarantine, in the order of the batch, so that what time allows lets the checkpoint advance. Records
    /// the queue does not confirm are reported as failed, so Lambda redelivers them.
    pub(crate) async fn quarantine(&mut self) {
        let mut rejects = std::mem::take(&mut self.progress.rejects);
        rejects.sort_by_key(|rejected| (rejected.index, rejected.sub_sequence));
        let rejects = collapse(&rejects);
        let mut messages = Messages::of(self.batch);
        let mut rest = rejects.as_slice();
        while !rest.is_empty() {
            let (slice, later) = rest.split_at(rest.len().min(MESSAGES_PER_SLICE));
            let bodies: Vec<String> = slice.iter().map(|rejected| messages.message(rejected)).collect();
            let Some(confirmed) = self.send(&self.detector.quarantine, &bodies, QUARANTINE_RESERVE_MS).await else {
                return rest.iter().for_each(|rejected| self.settle(rejected, false));
            };
            slice.iter().zip(confirmed).for_each(|(rejected, is_confirmed)| self.settle(rejected, is_confirmed));
            rest = later;
        }
    }

    fn settle(&mut self, rejected: &Rejected, is_confirmed: bool) {
        if is_confirmed {
            *self.progress.summary.rejected.entry(rejected.reason).or_default() += u64::from(rejected.records);
        } else {
            self.progress.summary.quarantine_failed += u64::from(rejected.records);
            self.progress.failed.insert(rejected.index);
        }
    }
}

/// Makes quarantine messages. Rejects of the same Kinesis record share one unpacking if they follow each other.
#[derive(Debug)]
pub struct Messages<'b> {
    batch: &'b Batch<'b>,
    unpacked: Option<(usize, Vec<Bytes>)>,
}

impl<'b> Messages<'b> {
    /// Messages on records of this batch.
    #[must_use]
    pub const fn of(batch: &'b Batch<'b>) -> Self {
        Self { batch, unpacked: None }
    }

    /// The quarantine message of a rejected record.
    pub fn message(&mut self, rejected: &Rejected) -> String {
        let payload = self.payload(rejected);
        let omitted = payload.len() > if rejected.records > 1 { AGGREGATE_BYTES_MAX } else { RECORD_BYTES_MAX };
        let record = self.batch.get(rejected.index);
        let envelope = record.and_then(|record| record.as_ref().ok());
        let sequence_number = self.batch.sequence_number(rejected.index);
        let message = QuarantineMessage {
            version: VERSION,
            reason: rejected.reason,
            stream_arn: envelope.map(|envelope| envelope.stream.as_ref()),
            shard_id: envelope.map(|envelope| envelope.shard.as_str()),
            sequence_number: sequence_number.map(|number| number.to_string()),
            sub_sequence: rejected.sub_sequence.unwrap_or_default(),
            bad_records: (rejected.records > 1).then_some(rejected.records),
            arrival_time_ms: envelope.map(|envelope| envelope.arrival_time_ms),
            partition_key: envelope.map(|envelope| printable(&envelope.partition_key)),
            payload: (!omitted).then(|| STANDARD.encode(&payload)),
            payload_omitted: omitted,
            payload_bytes: payload.len(),
        };
        let json = serde_json::to_string(&message);
        debug_assert!(json.is_ok(), "JSON can hold strings, numbers and enums: {json:?}");
        json.unwrap_or_default()
    }

    /// What was rejected, as it came: a user record, a whole payload, or what of an envelope can be shown.
    pub fn payload(&mut self, rejected: &Rejected) -> Bytes {
        match self.batch.get(rejected.index) {
            Some(Ok(envelope)) => self.payload_in(envelope, rejected),
            Some(Err(bad)) => Bytes::copy_from_slice(bad.json.as_bytes()),
            None => Bytes::new(),
        }
    }

    fn payload_in(&mut self, envelope: &Envelope<'_>, rejected: &Rejected) -> Bytes {
        let known = self.unpacked.take().filter(|(index, _)| *index == rejected.index);
        let Some(sub_sequence) = rejected.sub_sequence else { return payload_of(envelope) };
        let records = known.map_or_else(|| user_records(payload_of(envelope)), |(_, records)| records);
        let record = usize::try_from(sub_sequence).ok().and_then(|index| records.get(index).cloned());
        self.unpacked = Some((rejected.index, records));
        record.unwrap_or_default()
    }
}

/// The payload; the base64 as it came, if it is not base64.
fn payload_of(envelope: &Envelope<'_>) -> Bytes {
    let data = envelope.data.as_bytes();
    STANDARD.decode(data).map_or_else(|_| Bytes::copy_from_slice(data), Bytes::from)
}

fn user_records(payload: Bytes) -> Vec<Bytes> {
    match aggregate::unpack(&payload, None) {
        Payload::Aggregate(records) => records.into_iter().map(|record| record.data).collect(),
        Payload::Single | Payload::Corrupt => vec![payload],
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct QuarantineMessage<'a> {
    version: u32,
    reason: RejectReason,
    stream_arn: Option<&'a str>,
    shard_id: Option<&'a str>,
    sequence_number: Option<String>,
    sub_sequence: u32,
    /// If the message stands for several user records: for all the bad ones of an aggregate. Its payload is the whole aggregate.
    #[serde(skip_serializing_if = "Option::is_none")]
    bad_records: Option<u32>,
    arrival_time_ms: Option<i64>,
    partition_key: Option<String>,
    /// Base64. Omitted above [`RECORD_BYTES_MAX`], or [`AGGREGATE_BYTES_MAX`] of a whole aggregate; the stream's archive has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    payload_omitted: bool,
    payload_bytes: usize,
}
