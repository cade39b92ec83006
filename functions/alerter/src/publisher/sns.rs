//! SNS: PublishBatch with its limits, and entries that fail individually.

use aws_sdk_sns::Client;
use aws_sdk_sns::error::BuildError;
use aws_sdk_sns::types::builders::PublishBatchRequestEntryBuilder;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use aws_types::SdkConfig;
use lambda_kit::batch::{Answers, confirm};
use lambda_kit::retries::{OnlyIfRefused, patient};
use lambda_kit::telemetry::chain;

use super::Publisher;
use crate::publication::{Audience, Publication, SUBJECT};

/// A standard topic, one PublishBatch a call. What SNS refuses, an entry or a call, is sent up to three times; what it may have accepted
/// is not sent again.
#[derive(Debug, Clone)]
pub struct SnsPublisher {
    client: Client,
    topic_arn: String,
}

impl SnsPublisher {
    /// The topic with an ARN, on a connection that repeats nothing that SNS may have accepted.
    #[must_use]
    pub fn connect(aws: &SdkConfig, topic_arn: String) -> Self {
        let config = aws_sdk_sns::config::Builder::from(&patient(aws)).retry_classifier(OnlyIfRefused);
        Self::new(Client::from_conf(config.build()), topic_arn)
    }

    /// The topic with an ARN.
    #[must_use]
    pub const fn new(client: Client, topic_arn: String) -> Self {
        Self { client, topic_arn }
    }

    /// One call.
    async fn publish_once(&self, pending: Vec<(usize, &Publication)>) -> Answers {
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
                Answers {
                    confirmed: answer.successful().iter().filter_map(|entry| entry.id()?.parse().ok()).collect(),
                    refused: answer.failed().iter().filter_map(|entry| entry.id().parse().ok()).collect(),
                }
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error), "A PublishBatch failed.");
                Answers::default()
            }
        }
    }
}

impl Publisher for SnsPublisher {
    async fn publish(&self, publications: &[Publication]) -> Vec<bool> {
        confirm(publications, async |pending| self.publish_once(pending).await).await
    }
}

fn entry(id: usize, publication: &Publication) -> Result<PublishBatchRequestEntry, BuildError> {
    let entry = PublishBatchRequestEntry::builder()
        .id(id.to_string())
        .subject(SUBJECT)
        .message_structure("json")
        .message(publication.message())
        .message_attributes("disposition", attribute("String", publication.audience.as_str())?);
    // A summary tells nothing new to who filters alerts by these.
    let entry = if publication.audience == Audience::Summary { entry } else { of_alerts(entry, publication)? };
    entry.build()
}

fn of_alerts(
    entry: PublishBatchRequestEntryBuilder,
    publication: &Publication,
) -> Result<PublishBatchRequestEntryBuilder, BuildError> {
    let entry = entry
        .message_attributes("severity", attribute("String", publication.severity.as_str())?)
        .message_attributes("rule", attribute("String", publication.rule)?);
    let score = publication.score.map(|score| attribute("Number", &format!("{score:.2}"))).transpose()?;
    Ok(match score {
        Some(score) => entry.message_attributes("score", score),
        None => entry,
    })
}

fn attribute(data_type: &str, value: &str) -> Result<MessageAttributeValue, BuildError> {
    MessageAttributeValue::builder().data_type(data_type).string_value(value).build()
}
