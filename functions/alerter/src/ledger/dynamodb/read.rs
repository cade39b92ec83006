//! Reads items by key, a hundred a call.

use std::time::Duration;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::super::{LedgerError, layout};
use super::{DynamoDbLedger, Item, text};

/// Keys of one BatchGetItem, at most.
const KEYS_MAX: usize = 100;
const CALLS_CONCURRENT_MAX: usize = 8;
/// Calls for keys that DynamoDB left out for lack of capacity, and the pause before the second; it doubles.
const ATTEMPTS_MAX: u32 = 4;
const BACKOFF: Duration = Duration::from_millis(50);

impl DynamoDbLedger {
    /// Reads items; those that are absent are left out. Either all of them are read, or it is an error.
    pub(super) async fn get(&self, ids: &[String]) -> Result<Vec<Item>, LedgerError> {
        let chunks = stream::iter(ids.chunks(KEYS_MAX)).map(|chunk| self.get_chunk(chunk));
        chunks.buffered(CALLS_CONCURRENT_MAX).try_concat().await
    }

    async fn get_chunk(&self, ids: &[String]) -> Result<Vec<Item>, LedgerError> {
        let mut wanted = ids.iter().map(|id| Item::from([(layout::ID.to_owned(), text(id))])).collect();
        let mut items = Vec::with_capacity(ids.len());
        for attempt in 0..ATTEMPTS_MAX {
            let (found, unprocessed) = self.get_once(wanted).await?;
            items.extend(found);
            if unprocessed.is_empty() {
                return Ok(items);
            }
            wanted = unprocessed;
            tokio::time::sleep(BACKOFF * 2_u32.pow(attempt)).await;
        }
        Err(LedgerError::new("read", "no capacity for some of the keys"))
    }

    /// One call. Returns the items found, and the keys to request again.
    async fn get_once(&self, keys: Vec<Item>) -> Result<(Vec<Item>, Vec<Item>), LedgerError> {
        // What the local tool has just written holds for the next batch.
        let request = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
        let request = request.map_err(|error| LedgerError::new("read", error))?;
        let call = self.client.batch_get_item().request_items(&self.table, request);
        let output = Box::pin(call.send()).await;
        let output = output.map_err(|error| LedgerError::new("read", error))?;
        let items = output.responses.and_then(|mut tables| tables.remove(&self.table));
        let unprocessed = output.unprocessed_keys.and_then(|mut tables| tables.remove(&self.table));
        Ok((items.unwrap_or_default(), unprocessed.map(|rest| rest.keys).unwrap_or_default()))
    }
}
