//! Discarded batches, and where they go.

use serde_json::{Value, json};

use super::StreamRecord;
use super::event::event_json;

/// Why a batch was discarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Every permitted retry failed.
    RetryAttemptsExhausted,
    /// The records are older than the mapping permits.
    RecordAgeExceeded,
}

impl Condition {
    /// Its name in Lambda's messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RetryAttemptsExhausted => "RetryAttemptsExhausted",
            Self::RecordAgeExceeded => "RecordAgeExceeded",
        }
    }
}

/// A discarded batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedBatch {
    /// Why it was discarded.
    pub condition: Condition,
    /// Calls made for it, those before a bisection included.
    pub invoke_count: u32,
    /// ARN of the stream.
    pub stream_arn: String,
    /// Id of the shard.
    pub shard_id: String,
    /// Its records, in the order of the shard.
    pub records: Vec<StreamRecord>,
    /// When it was discarded, in ms since the epoch.
    pub discarded_at_ms: i64,
}

impl FailedBatch {
    /// What an SQS or SNS destination receives: where the records are, not the records.
    #[must_use]
    pub fn metadata(&self) -> Value {
        let (first, last) = (self.records.first(), self.records.last());
        json!({
            "requestContext": {
                "functionArn": "arn:aws:lambda:local:000000000000:function:local",
                "condition": self.condition.as_str(),
                "approximateInvokeCount": self.invoke_count,
            },
            "version": "1.0",
            "timestamp": self.discarded_at_ms,
            "KinesisBatchInfo": {
                "shardId": self.shard_id,
                "startSequenceNumber": first.map(|record| &record.sequence_number),
                "endSequenceNumber": last.map(|record| &record.sequence_number),
                "approximateArrivalOfFirstRecord": first.map(|record| record.arrival_time_ms),
                "approximateArrivalOfLastRecord": last.map(|record| record.arrival_time_ms),
                "batchSize": self.records.len(),
                "streamArn": self.stream_arn,
            },
        })
    }

    /// What an S3 destination receives: the metadata and the whole event.
    #[must_use]
    pub fn with_payload(&self) -> Value {
        let mut object = self.metadata();
        let payload = event_json(&self.stream_arn, &self.shard_id, &self.records);
        if let Some(fields) = object.as_object_mut() {
            fields.insert("payload".to_owned(), Value::String(payload));
        }
        object
    }
}

/// Where discarded batches go: Lambda's on-failure destination.
#[expect(async_fn_in_trait, reason = "a mapping is driven on one thread: its futures need not be Send")]
pub trait OnFailure {
    /// Receives a discarded batch. The mapping does not offer it again.
    async fn discard(&self, batch: FailedBatch);
}

/// No destination: discarded batches are lost, as in a mapping without one.
impl OnFailure for () {
    async fn discard(&self, _batch: FailedBatch) {}
}

/// Keeps the discarded batches, in order.
impl OnFailure for std::cell::RefCell<Vec<FailedBatch>> {
    async fn discard(&self, batch: FailedBatch) {
        self.borrow_mut().push(batch);
    }
}
