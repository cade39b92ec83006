//! The queue as SQS: SendMessageBatch, its two limits, and its entries that fail one by one.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures_util::{StreamExt, stream};

use super::MessageQueue;

/// Entries in one SendMessageBatch (API limit).
const BATCH_ENTRIES_MAX: usize = 10;
/// Bytes of all bodies in one SendMessageBatch (API limit: 1 MiB).
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Times that failed entries are sent before they are given up. The SDK repeats whole calls by itself.
const ATTEMPTS_MAX: u32 = 3;
/// Wait before the first repetition; it doubles.
const BACKOFF: Duration = Duration::from_millis(50);
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

    /// Sends what fits into one call, and what failed of it again.
    async fn send_chunk(&self, bodies: &[String]) -> Vec<bool> {
        let mut confirmed = vec![false; bodies.len()];
        for attempt in 0..ATTEMPTS_MAX {
            if attempt > 0 {
                tokio::time::sleep(BACKOFF * 2_u32.pow(attempt - 1)).await;
            }
            for id in self.send_once(bodies, &confirmed).await {
                if let Some(entry) = confirmed.get_mut(id) {
                    *entry = true;
                }
            }
            if confirmed.iter().all(|is_confirmed| *is_confirmed) {
                break;
            }
        }
        confirmed
    }

    /// One call with the bodies not yet confirmed: the indices of those that are now.
    async fn send_once(&self, bodies: &[String], confirmed: &[bool]) -> Vec<usize> {
        let open = bodies.iter().zip(confirmed).enumerate().filter(|(_, (_, is_confirmed))| !**is_confirmed);
        let entries = open.filter_map(|(id, (body, _))| {
            SendMessageBatchRequestEntry::builder().id(id.to_string()).message_body(body).build().ok()
        });
        let entries: Vec<_> = entries.collect();
        match self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries)).send().await {
            Ok(answer) => {
                for failed in answer.failed() {
                    tracing::warn!(
                        sqs.code = failed.code(),
                        sqs.sender_fault = failed.sender_fault(),
                        "SQS refused a message."
                    );
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
        let chunks = stream::iter(chunks(bodies)).map(|chunk| self.send_chunk(chunk));
        chunks.buffered(CONCURRENT_MAX).concat().await
    }
}

/// Cuts bodies, in order, into runs that fit one call.
fn chunks(bodies: &[String]) -> Vec<&[String]> {
    let mut chunks = Vec::new();
    let mut rest = bodies;
    while !rest.is_empty() {
        let (chunk, tail) = rest.split_at(fitting(rest));
        chunks.push(chunk);
        rest = tail;
    }
    chunks
}

/// How many bodies from the start fit one call; at least one.
fn fitting(bodies: &[String]) -> usize {
    let mut bytes = 0;
    let fits = |body: &&String| {
        bytes += body.len();
        bytes <= BATCH_BYTES_MAX
    };
    bodies.iter().take(BATCH_ENTRIES_MAX).take_while(fits).count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_ten_entries_and_a_mebibyte_at_most() {
        let small: Vec<String> = (0..23).map(|i| i.to_string()).collect();
        assert_eq!(chunks(&small).iter().map(|chunk| chunk.len()).collect::<Vec<_>>(), [10, 10, 3]);
        let large = vec!["x".repeat(400_000); 5];
        assert_eq!(chunks(&large).iter().map(|chunk| chunk.len()).collect::<Vec<_>>(), [2, 2, 1]);
        assert!(chunks(&[]).is_empty());
    }
}
