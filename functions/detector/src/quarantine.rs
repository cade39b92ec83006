//! A rejected record as a message: nothing that was put into the stream disappears.
//!
//! The message is JSON, version 1, with the payload in base64 exactly as it came. Whoever reads it can mend the producer, and
//! put the payload into the stream again.

use anomaly_core::{RejectReason, printable};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::decode::Rejected;
use crate::record::RECORD_BYTES_MAX;

/// Version of the message.
const VERSION: u32 = 1;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct QuarantineMessage<'a> {
    version: u32,
    reason: RejectReason,
    stream_arn: Option<&'a str>,
    shard_id: Option<&'a str>,
    sequence_number: Option<String>,
    sub_sequence: u32,
    arrival_time_ms: Option<i64>,
    partition_key: Option<String>,
    /// Base64; left out beyond [`RECORD_BYTES_MAX`]: the stream's archive holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    payload_omitted: bool,
    payload_bytes: usize,
}

/// The message that keeps a rejected record.
#[must_use]
pub fn message(rejected: &Rejected<'_>) -> String {
    let omitted = rejected.payload.len() > RECORD_BYTES_MAX;
    let message = QuarantineMessage {
        version: VERSION,
        reason: rejected.reason,
        stream_arn: rejected.envelope.map(|envelope| envelope.stream.as_ref()),
        shard_id: rejected.envelope.map(|envelope| envelope.shard.as_str()),
        sequence_number: rejected.sequence_number.map(|number| number.to_string()),
        sub_sequence: rejected.sub_sequence,
        arrival_time_ms: rejected.envelope.map(|envelope| envelope.arrival_time_ms),
        partition_key: rejected.envelope.map(|envelope| printable(&envelope.partition_key)),
        payload: (!omitted).then(|| STANDARD.encode(rejected.payload)),
        payload_omitted: omitted,
        payload_bytes: rejected.payload.len(),
    };
    // Strings, numbers and one enum: there is nothing here that JSON cannot hold.
    serde_json::to_string(&message).unwrap_or_default()
}
