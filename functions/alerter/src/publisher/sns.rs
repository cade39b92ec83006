//! SNS: PublishBatch with its limits, and entries that fail individually.

use aws_sdk_sns::Client;
use aws_sdk_sns::error::BuildError;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use lambda_kit::batch::{Limits, chunks, confirm};
use lambda_kit::telemetry::chain;

use super::Publisher;
use crate::publication::{MESSAGE_BYTES_MAX, Publication, SUBJECT};

/// The limits of one PublishBatch: 10 entries, and 256 KB less subjects and attributes.
const LIMITS: Limits = Limits { entries_max: 10, bytes_max: MESSAGE_BYTES_MAX };

/// A standard topic: ten messages a call, one call at a time. An entry that SNS refuses is sent up to three times; a call that fails
/// is retried by the SDK.
#[derive(Debug, Clone)]
pub struct SnsPublisher {
    client: Client,
    topic_arn: String,
}

impl SnsPublisher {
    /// The topic with an ARN.
    #[must_use]
    pub const fn new(client: Client, topic_arn: String) -> Self {
        Self { client, topic_arn }
    }

    /// One call. Returns the indices that SNS confirmed.
    async fn publish_once(&self, pending: Vec<(usize, &Publication)>) -> Vec<usize> {
        let entries = pending.into_iter().filter_map(|(index, publication)| {
            let entry = entry(index, publication);
            // An entry that were left out would not be confirmed.
            debug_assert!(entry.is_ok(), "every required field is set: {entry:?}");
            entry.ok()
        });
        let entries = entries.collect();
        let call = self.client.publish_batch().topic_arn(&self.topic_arn);
        match call.set_publish_batch_request_entries(Some(entries)).send().await {
            Ok(answer) => {
                for failed in answer.failed() {
                    tracing::warn!(sns.code = failed.code(), "SNS refused a message.");
                }
                answer.successful().iter().filter_map(|entry| entry.id()?.parse().ok()).collect()
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error), "A PublishBatch failed.");
                Vec::new()
            }
        }
    }
}

impl Publisher for SnsPublisher {
    async fn publish(&self, publications: &[Publication]) -> Vec<bool> {
        let mut confirmed = Vec::with_capacity(publications.len());
        for chunk in chunks(publications, LIMITS, |publication| publication.message().len()) {
            confirmed.extend(confirm(chunk, async |pending| self.publish_once(pending).await).await);
        }
        confirmed
    }
}

fn entry(id: usize, publication: &Publication) -> Result<PublishBatchRequestEntry, BuildError> {
    let mut entry = PublishBatchRequestEntry::builder()
        .id(id.to_string())
        .subject(SUBJECT)
        .message_structure("json")
        .message(publication.message())
        .message_attributes("severity", attribute("String", publication.severity.as_str())?)
        .message_attributes("rule", attribute("String", publication.rule)?);
    if let Some(score) = publication.score {
        entry = entry.message_attributes("score", attribute("Number", &format!("{score:.2}"))?);
    }
    entry.build()
}

fn attribute(data_type: &str, value: &str) -> Result<MessageAttributeValue, BuildError> {
    MessageAttributeValue::builder().data_type(data_type).string_value(value).build()
}
