//! The queue as SQS: SendMessageBatch, its limits, and its entries that fail one by one.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures_util::{StreamExt, stream};
use lambda_kit::batch::{Limits, chunks, confirm};

use super::MessageQueue;

/// What one SendMessageBatch takes: 10 entries, 1 MiB.
const LIMITS: Limits = Limits { entries_max: 10, bytes_max: 1024 * 1024 };
/// SendMessageBatch calls under way at once.
const CONCURRENT_MAX: usize = 4;

/// The adapter.
#[derive(Debug, Clone)]
pub struct SqsQueue {
    client: Client,
    url: String,
}

impl SqsQueue {
    /// A standard queue.
    #[must_use]
    pub const fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    /// One call; answers with the indices that are confirmed.
    async fn send_once(&self, open: Vec<(usize, &String)>) -> Vec<usize> {
        let entry = |(index, body): (usize, &String)| {
            SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(body).build().ok()
        };
        let entries = open.into_iter().filter_map(entry).collect();
        match self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries)).send().await {
            Ok(answer) => {
                for failed in answer.failed() {
                    tracing::warn!(sqs.code = failed.code(), "SQS refused a message.");
                }
                answer.successful().iter().filter_map(|entry| entry.id().parse().ok()).collect()
            }
            Err(error) => {
                tracing::warn!(error = %DisplayErrorContext(error), "A SendMessageBatch failed.");
                Vec::new()
            }
        }
    }
}

impl MessageQueue for SqsQueue {
    async fn send(&self, bodies: &[String]) -> Vec<bool> {
        let send = |chunk| confirm(chunk, async |open| self.send_once(open).await);
        let calls = stream::iter(chunks(bodies, LIMITS, String::len)).map(send);
        calls.buffered(CONCURRENT_MAX).concat().await
    }
}
