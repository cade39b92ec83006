//! The ranges as Kinesis lists them, once for each shard.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anomaly_core::ShardId;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::BoxError;
use aws_sdk_kinesis::types::Shard;
use intake::aggregate::HashRange;
use lambda_kit::telemetry::chain;

use super::ShardRanges;

/// Pages of a list that are read: a hundred thousand shards.
const PAGES_MAX: usize = 100;

/// How long Kinesis is left alone after it did not respond, or refused.
const PAUSE: Duration = Duration::from_mins(1);

/// `ListShards`, and what it said. A shard's range never changes.
#[derive(Debug)]
pub struct KinesisShardRanges {
    client: Client,
    /// `None`: Kinesis did not list the shard when it was asked.
    known: Mutex<HashMap<String, Option<HashRange>>>,
    /// Until then it is not asked again.
    pause_until: Mutex<Option<Instant>>,
}

impl KinesisShardRanges {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, known: Mutex::default(), pause_until: Mutex::default() }
    }

    async fn list(&self, stream_arn: &str) -> Result<Vec<Shard>, BoxError> {
        let (mut shards, mut next) = (Vec::new(), None);
        for page in 0..PAGES_MAX {
            // A token names the stream by itself.
            let stream = (page == 0).then(|| stream_arn.to_owned());
            let request = self.client.list_shards().set_stream_arn(stream).set_next_token(next);
            // On the heap: it is rare, and the futures around it would be larger by all of it.
            let answer = Box::pin(request.send()).await?;
            next = answer.next_token;
            shards.extend(answer.shards.unwrap_or_default());
            if next.is_none() {
                break;
            }
        }
        Ok(shards)
    }

    /// Whether Kinesis is to be asked. If it does not respond in time, nobody comes back here, so the pause begins before the call.
    fn begin_asking(&self) -> bool {
        let (now, mut pause) = (Instant::now(), self.pause_until.lock().unwrap_or_else(PoisonError::into_inner));
        if pause.is_some_and(|until| now < until) {
            return false;
        }
        *pause = Some(now + PAUSE);
        true
    }

    fn locked<T>(&self, action: impl FnOnce(&mut HashMap<String, Option<HashRange>>) -> T) -> T {
        action(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ShardRanges for KinesisShardRanges {
    async fn range(&self, stream_arn: &str, shard: &ShardId) -> Option<HashRange> {
        if let Some(known) = self.locked(|known| known.get(shard.as_str()).copied()) {
            return known;
        }
        if !self.begin_asking() {
            return None;
        }
        match self.list(stream_arn).await {
            Ok(shards) => self.locked(|known| {
                *self.pause_until.lock().unwrap_or_else(PoisonError::into_inner) = None;
                known.extend(shards.iter().map(|shard| (shard.shard_id.clone(), range_of(shard))));
                *known.entry(shard.as_str().to_owned()).or_default()
            }),
            Err(error) => {
                tracing::warn!(error = %chain(&*error), "The stream's shards could not be listed; misplaced records of aggregates are not recognised.");
                None
            }
        }
    }
}

fn range_of(shard: &Shard) -> Option<HashRange> {
    let range = shard.hash_key_range.as_ref()?;
    Some(HashRange { first: range.starting_hash_key.parse().ok()?, last: range.ending_hash_key.parse().ok()? })
}
