//! The mapping itself: it receives messages, calls the function and deletes the messages that succeeded. The others stay in the
//! queue, which redelivers them after its visibility time-out.

use super::event::event_json;
use super::{QueueError, QueueSource, Received};
use crate::invoke::{Invoke, Invoked};
use crate::response::{Reading, read};

/// The settings of an SQS event source mapping, in Lambda's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqsMappingSettings {
    /// Maximum number of messages in one event.
    pub batch_size: usize,
    /// Whether the response can report single messages as failed; if not, any response is success.
    pub report_batch_item_failures: bool,
}

impl Default for SqsMappingSettings {
    fn default() -> Self {
        Self { batch_size: 10, report_batch_item_failures: true }
    }
}

/// What one step did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Step {
    /// Messages received.
    pub received: usize,
    /// Messages deleted.
    pub deleted: usize,
}

/// An event source mapping from a queue to a function.
#[derive(Debug)]
pub struct SqsMapping<Q, F> {
    queue_arn: String,
    source: Q,
    function: F,
    settings: SqsMappingSettings,
}

impl<Q: QueueSource, F: Invoke> SqsMapping<Q, F> {
    /// A mapping from `source`, the queue with this ARN, to `function`.
    pub const fn new(queue_arn: String, source: Q, function: F, settings: SqsMappingSettings) -> Self {
        Self { queue_arn, source, function, settings }
    }

    /// The queue it receives from.
    pub const fn source(&self) -> &Q {
        &self.source
    }

    /// The function it calls.
    pub const fn function(&self) -> &F {
        &self.function
    }

    /// Receives at most one batch and makes one call for it.
    ///
    /// # Errors
    /// [`QueueError`] if the queue does not respond; the step can be repeated.
    pub async fn step(&self, now_ms: i64) -> Result<Step, QueueError> {
        let batch = self.source.receive(self.settings.batch_size, now_ms).await?;
        if batch.is_empty() {
            return Ok(Step::default());
        }
        let invoked = self.function.invoke(&event_json(&self.queue_arn, &batch)).await;
        let succeeded = self.succeeded(&batch, &invoked);
        for message in &succeeded {
            self.source.delete(&message.receipt_handle).await?;
        }
        Ok(Step { received: batch.len(), deleted: succeeded.len() })
    }

    /// The messages to delete: none of them if the response names a message that is not in the batch.
    fn succeeded<'a>(&self, batch: &'a [Received], invoked: &Invoked) -> Vec<&'a Received> {
        let reading = match invoked {
            Invoked::Failed(_) | Invoked::NotInvoked(_) => Reading::Failure,
            Invoked::Responded(_) if !self.settings.report_batch_item_failures => Reading::Success,
            Invoked::Responded(payload) => read(payload),
        };
        let failed = match reading {
            Reading::Success => Vec::new(),
            Reading::Failure => return Vec::new(),
            Reading::Partial(identifiers) => identifiers,
        };
        let is_in_batch = |id: &String| batch.iter().any(|message| message.message_id == *id);
        if !failed.iter().all(is_in_batch) {
            return Vec::new();
        }
        batch.iter().filter(|message| !failed.contains(&message.message_id)).collect()
    }
}
