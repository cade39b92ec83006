//! SQS: SendMessageBatch with its limits, and entries that fail individually.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures_util::{StreamExt, stream};
use lambda_kit::batch::{Answers, Limits, chunks, confirm};
use lambda_kit::telemetry::chain;

use crate::MessageQueue;

/// The limits of one SendMessageBatch: 10 entries, 1 MiB.
const LIMITS: Limits = Limits { entries_max: 10, bytes_max: 1024 * 1024 };
/// SendMessageBatch calls in flight at once.
const CONCURRENT_MAX: usize = 4;

/// A standard queue: ten messages a call, four calls at once. An entry that SQS refuses is sent up to three times; a call that
/// fails is retried by the SDK.
#[derive(Debug, Clone)]
pub struct SqsQueue {
    client: Client,
    url: String,
}

impl SqsQueue {
    /// The queue at a URL.
    #[must_use]
    pub const fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    /// One call.
    async fn send_once(&self, pending: Vec<(usize, &String)>) -> Answers {
        let entry = |(index, body): (usize, &String)| {
            let entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(body).build();
            // An entry that were left out would not be confirmed.
            debug_assert!(entry.is_ok(), "every required field is set: {entry:?}");
            entry.ok()
        };
        let entries = pending.into_iter().filter_map(entry).collect();
        match self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries)).send().await {
            Ok(answer) => {
                for failed in answer.failed() {
                    tracing::warn!(sqs.code = failed.code(), "SQS refused a message.");
                }
                Answers {
                    confirmed: answer.successful().iter().filter_map(|entry| entry.id().parse().ok()).collect(),
                    refused: answer.failed().iter().filter_map(|entry| entry.id().parse().ok()).collect(),
                }
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error), "A SendMessageBatch failed.");
                Answers::default()
            }
        }
    }
}

impl MessageQueue for SqsQueue {
    async fn send(&self, bodies: &[String]) -> Vec<bool> {
        let send = |chunk| confirm(chunk, async |pending| self.send_once(pending).await);
        let calls = stream::iter(chunks(bodies, LIMITS, String::len)).map(send);
        calls.buffered(CONCURRENT_MAX).concat().await
    }
}
