//! The mapping's two ports on real APIs: a Kinesis stream and a Lambda function.

use std::cell::RefCell;
use std::collections::HashMap;

use aws_sdk_kinesis::types::ShardIteratorType;
use aws_sdk_lambda::primitives::Blob;
use event_source::kinesis::{Read, Shard, SourceError, StreamRecord, StreamSource};
use event_source::{Invoke, Invoked};
use lambda_kit::telemetry::chain;
use serde_json::Value;

/// Most records that GetRecords returns (API limit).
const GET_RECORDS_MAX: i32 = 10_000;

/// A stream behind the Kinesis API.
#[derive(Debug)]
pub(super) struct RemoteStream {
    client: aws_sdk_kinesis::Client,
    stream_arn: String,
    /// Iterator of the next read, by shard: even an empty page has a next one.
    next: RefCell<HashMap<String, String>>,
}

impl RemoteStream {
    pub(super) fn new(client: aws_sdk_kinesis::Client, stream_arn: &str) -> Self {
        Self { client, stream_arn: stream_arn.to_owned(), next: RefCell::default() }
    }

    /// The iterator to read from: where the last read ended, or else after the last known record.
    async fn iterator(&self, shard_id: &str, after: Option<&str>) -> Result<Option<String>, SourceError> {
        if let Some(next) = self.next.borrow_mut().remove(shard_id) {
            return Ok(Some(next));
        }
        let kind =
            if after.is_some() { ShardIteratorType::AfterSequenceNumber } else { ShardIteratorType::TrimHorizon };
        let call = self.client.get_shard_iterator().stream_arn(&self.stream_arn).shard_id(shard_id);
        let call = call.shard_iterator_type(kind).set_starting_sequence_number(after.map(str::to_owned));
        Ok(call.send().await.map_err(source_error)?.shard_iterator)
    }

    /// One page of shards, and the token of the next.
    async fn page(&self, token: Option<String>) -> Result<(Vec<Shard>, Option<String>), SourceError> {
        // The API takes a stream or a token, never both.
        let call = match token {
            Some(token) => self.client.list_shards().next_token(token),
            None => self.client.list_shards().stream_arn(&self.stream_arn),
        };
        let answer = call.send().await.map_err(source_error)?;
        Ok((answer.shards().iter().map(shard).collect(), answer.next_token))
    }
}

impl StreamSource for RemoteStream {
    async fn shards(&self) -> Result<Vec<Shard>, SourceError> {
        let (mut shards, mut token) = self.page(None).await?;
        while token.is_some() {
            let (more, next) = self.page(token).await?;
            shards.extend(more);
            token = next;
        }
        Ok(shards)
    }

    async fn read(&self, shard_id: &str, after: Option<&str>, limit: usize) -> Result<Read, SourceError> {
        let Some(iterator) = self.iterator(shard_id, after).await? else {
            return Ok(Read { records: Vec::new(), is_end: true });
        };
        let limit = i32::try_from(limit).unwrap_or(GET_RECORDS_MAX).min(GET_RECORDS_MAX);
        let call = self.client.get_records().stream_arn(&self.stream_arn).shard_iterator(iterator).limit(limit);
        let answer = call.send().await.map_err(source_error)?;
        let is_end = answer.next_shard_iterator().is_none();
        let records = answer.records().iter().map(record).collect();
        if let Some(next) = answer.next_shard_iterator {
            self.next.borrow_mut().insert(shard_id.to_owned(), next);
        }
        Ok(Read { records, is_end })
    }
}

fn shard(shard: &aws_sdk_kinesis::types::Shard) -> Shard {
    let parents = [shard.parent_shard_id(), shard.adjacent_parent_shard_id()];
    Shard { id: shard.shard_id().to_owned(), parents: parents.into_iter().flatten().map(str::to_owned).collect() }
}

fn record(record: &aws_sdk_kinesis::types::Record) -> StreamRecord {
    let arrival = record.approximate_arrival_timestamp().and_then(|time| time.to_millis().ok());
    StreamRecord {
        sequence_number: record.sequence_number().to_owned(),
        partition_key: record.partition_key().unwrap_or_default().to_owned(),
        data: record.data().as_ref().to_vec(),
        arrival_time_ms: arrival.unwrap_or_default(),
    }
}

fn source_error(error: impl std::error::Error + Send + Sync + 'static) -> SourceError {
    SourceError(Box::new(error))
}

/// The function's responses so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Responses {
    /// Invocations that ended in an error.
    pub(crate) errors: usize,
    /// The reported sequence numbers.
    pub(crate) reported: Vec<String>,
    /// Invocations in a row that did not reach the function, and why the last one did not.
    pub(crate) unreached: Option<(u32, String)>,
}

/// A function behind the Lambda API.
#[derive(Debug)]
pub(crate) struct RemoteFunction {
    client: aws_sdk_lambda::Client,
    function: String,
    seen: RefCell<Responses>,
}

impl RemoteFunction {
    pub(crate) fn new(client: aws_sdk_lambda::Client, function: &str) -> Self {
        Self { client, function: function.to_owned(), seen: RefCell::default() }
    }

    fn unreached(&self, reason: String) -> Invoked {
        let mut seen = self.seen.borrow_mut();
        let calls = seen.unreached.take().map_or(1, |(calls, _)| calls + 1);
        seen.unreached = Some((calls, reason.clone()));
        Invoked::NotInvoked(reason)
    }

    pub(crate) fn seen(&self) -> Responses {
        self.seen.borrow().clone()
    }
}

impl Invoke for RemoteFunction {
    async fn invoke(&self, event: &str) -> Invoked {
        let call = self.client.invoke().function_name(&self.function).payload(Blob::new(event));
        let answer = match call.send().await {
            Ok(answer) => answer,
            Err(error) => return self.unreached(chain(&error)),
        };
        let payload =
            answer.payload().map(|blob| String::from_utf8_lossy(blob.as_ref()).into_owned()).unwrap_or_default();
        let mut seen = self.seen.borrow_mut();
        seen.unreached = None;
        if answer.function_error().is_some() {
            seen.errors += 1;
            return Invoked::Failed(payload);
        }
        seen.reported.extend(reported(&payload));
        Invoked::Responded(payload)
    }
}

fn reported(payload: &str) -> Option<String> {
    let response: Value = serde_json::from_str(payload).ok()?;
    Some(response.pointer("/batchItemFailures/0/itemIdentifier")?.as_str()?.to_owned())
}
