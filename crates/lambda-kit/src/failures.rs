//! Partial batch responses. None of them can mean "everything failed" by accident: Lambda takes an empty or missing identifier as
//! the failure of the whole batch.

use aws_lambda_events::event::sqs::SqsBatchResponse;
use aws_lambda_events::event::streams::KinesisEventResponse;

/// The response to a Kinesis batch. Lambda takes the lowest reported sequence number as its checkpoint and redelivers that record
/// and all after it, so one number is enough.
#[must_use]
pub fn kinesis(lowest_failed: Option<String>) -> KinesisEventResponse {
    let mut response = KinesisEventResponse::default();
    response.set_failures(lowest_failed.filter(|number| !number.is_empty()));
    response
}

/// The response to an SQS batch: SQS redelivers exactly these message ids.
#[must_use]
pub fn sqs(failed: impl IntoIterator<Item = String>) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    response.set_failures(failed.into_iter().filter(|id| !id.is_empty()));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_failure_is_an_empty_list() {
        assert_eq!(serde_json::to_string(&kinesis(None)).unwrap(), r#"{"batchItemFailures":[]}"#);
        assert_eq!(serde_json::to_string(&sqs([])).unwrap(), r#"{"batchItemFailures":[]}"#);
    }

    #[test]
    fn an_empty_identifier_is_never_reported() {
        assert!(kinesis(Some(String::new())).batch_item_failures.is_empty());
        assert!(sqs([String::new()]).batch_item_failures.is_empty());
    }
}
