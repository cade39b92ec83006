//! SendMessageBatch, in JSON.

use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Sent;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SendMessageBatch {
    queue_url: String,
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    id: String,
    message_body: String,
}

/// The messages, and a response that confirms all of them.
pub(super) fn send_message_batch(body: &[u8]) -> (Vec<Sent>, Response) {
    let Ok(SendMessageBatch { queue_url, entries }) = serde_json::from_slice(body) else {
        return (Vec::new(), super::unknown());
    };
    let confirmed = |entry: &Entry| json!({ "Id": entry.id, "MessageId": entry.id, "MD5OfMessageBody": "" });
    let successful: Vec<Value> = entries.iter().map(confirmed).collect();
    let message = |entry: Entry| Sent::Message { queue_url: queue_url.clone(), body: entry.message_body };
    let sent = entries.into_iter().map(message).collect();
    (sent, super::json(&json!({ "Successful": successful, "Failed": [] })))
}
