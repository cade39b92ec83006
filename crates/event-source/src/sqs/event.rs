//! The event that Lambda sends for a batch of SQS messages.

use md5::{Digest, Md5};
use serde_json::{Value, json};

use super::Received;

/// The event as JSON. `awsRegion` is the region of the ARN.
#[must_use]
pub fn event_json(queue_arn: &str, messages: &[Received]) -> String {
    let region = queue_arn.split(':').nth(3).unwrap_or_default();
    let records: Vec<Value> = messages.iter().map(|message| record(queue_arn, region, message)).collect();
    json!({ "Records": records }).to_string()
}

fn record(queue_arn: &str, region: &str, message: &Received) -> Value {
    let md5 = u128::from_be_bytes(Md5::digest(message.body.as_bytes()).into());
    json!({
        "messageId": message.message_id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": message.receive_count.to_string(),
            "SentTimestamp": message.sent_at_ms.to_string(),
            "SenderId": "local",
            "ApproximateFirstReceiveTimestamp": message.sent_at_ms.to_string(),
        },
        "messageAttributes": {},
        "md5OfBody": format!("{md5:032x}"),
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": region,
    })
}
