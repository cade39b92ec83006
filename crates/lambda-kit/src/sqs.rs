//! Lambda's SQS event.

use serde::Deserialize;
use serde_json::value::RawValue;

/// One SQS message. A field that cannot be read is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueMessage {
    /// SQS's id of this message, the same at every delivery.
    #[serde(default)]
    pub message_id: Option<String>,
    /// The body, as it was sent.
    #[serde(default)]
    pub body: Option<String>,
}

/// The payload is not an SQS event at all.
#[derive(Debug, thiserror::Error)]
#[error("the event has no list of SQS messages: is the function's trigger an SQS queue?")]
pub struct NotSqs(#[source] serde_json::Error);

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "Records")]
    records: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Sent {
    #[serde(rename = "eventSourceARN")]
    queue_arn: String,
}

/// Parses an event message by message, so that a malformed message affects no other.
///
/// # Errors
/// [`NotSqs`] if there is no list of messages.
pub fn parse(event: &str) -> Result<Vec<QueueMessage>, NotSqs> {
    let event: Event<'_> = serde_json::from_str(event).map_err(NotSqs)?;
    Ok(event.records.into_iter().map(|json| serde_json::from_str(json.get()).unwrap_or_default()).collect())
}

/// The ARN of the queue that an event is from: Lambda never mixes queues in a batch. `None` if no message tells it.
#[must_use]
pub fn queue_arn(event: &str) -> Option<String> {
    let event: Event<'_> = serde_json::from_str(event).ok()?;
    event.records.iter().find_map(|json| serde_json::from_str::<Sent>(json.get()).ok()).map(|sent| sent.queue_arn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_the_one_of_any_message_that_tells_it() {
        let arn = "arn:aws:sqs:us-east-1:000000000000:slack";
        let event = format!(r#"{{"Records":[{{"messageId":"1"}},{{"eventSourceARN":"{arn}"}}]}}"#);
        assert_eq!(queue_arn(&event).as_deref(), Some(arn));
        assert_eq!(queue_arn(r#"{"Records":[7]}"#), None);
        assert_eq!(queue_arn("{}"), None);
    }

    #[test]
    fn a_malformed_message_affects_no_other() {
        let messages = parse(r#"{"Records":[7,{"messageId":"2","body":"b"},{"messageId":3}]}"#).unwrap();
        let good = QueueMessage { message_id: Some("2".to_owned()), body: Some("b".to_owned()) };
        assert_eq!(messages, [QueueMessage::default(), good, QueueMessage::default()]);
        assert!(parse("[]").is_err());
    }
}
