//! Quarantine: every rejected record is kept as a message, so that nothing put into the stream disappears.
//!
//! The message is JSON, version 1, with the unchanged payload in base64. With it an operator can mend the producer and put the payload
//! into the stream again.

use anomaly_core::{RejectReason, printable};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use intake::record::RECORD_BYTES_MAX;
use lambda_kit::Clock;
use serde::Serialize;

use crate::decode::Rejected;
use crate::handler::Run;
use crate::message_queue::MessageQueue;
use crate::window_store::WindowStore;

/// Version of the message.
const VERSION: u32 = 1;

impl<S: WindowStore, A: MessageQueue, Q: MessageQueue, C: Clock> Run<'_, S, A, Q, C> {
    /// Sends rejected records to quarantine. Records the queue does not confirm are reported as failed, so Lambda redelivers them.
    pub(crate) async fn quarantine(&mut self, rejects: &[Rejected<'_>]) {
        let bodies: Vec<String> = rejects.iter().map(message).collect();
        let confirmed = self.send(&self.detector.quarantine, &bodies).await;
        for (rejected, is_confirmed) in rejects.iter().zip(confirmed) {
            if is_confirmed {
                *self.progress.summary.rejected.entry(rejected.reason).or_default() += 1;
            } else {
                self.progress.summary.quarantine_failed += 1;
                self.progress.failed.insert(rejected.index);
            }
        }
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
    arrival_time_ms: Option<i64>,
    partition_key: Option<String>,
    /// Base64. Omitted above [`RECORD_BYTES_MAX`]; the stream's archive has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    payload_omitted: bool,
    payload_bytes: usize,
}

/// The quarantine message of a rejected record.
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
    let json = serde_json::to_string(&message);
    debug_assert!(json.is_ok(), "JSON can hold strings, numbers and enums: {json:?}");
    json.unwrap_or_default()
}
