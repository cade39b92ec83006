//! User state in DynamoDB: one item a user, at most one write unit (1,024 bytes) while its outbox is empty.
//!
//! Attributes: `userId` (key), `state` (binary, see [`anomaly_core::codec`]), `version`, `expiresAt` (TTL, seconds), `outbox`
//! (JSON list of anomaly messages, only while there are any), and for human eyes `count`, `mean`, `stddev` of the window (or
//! of the profile) and `updatedAt` (ms). Readers ignore attributes they do not know.

use std::collections::HashMap;
use std::time::Duration;

use anomaly_core::{AnomalyMessage, codec};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValuesOnConditionCheckFailure};
use futures_util::{StreamExt, stream};

use super::{CommitError, CorruptItem, Loaded, StoreError, StoredUser, WindowStore};

const USER_ID: &str = "userId";
const STATE: &str = "state";
const VERSION: &str = "version";
const EXPIRES_AT: &str = "expiresAt";
const OUTBOX: &str = "outbox";
const COUNT: &str = "count";
const MEAN: &str = "mean";
const STDDEV: &str = "stddev";
const UPDATED_AT: &str = "updatedAt";

/// Keys in one BatchGetItem (API limit).
const BATCH_GET_KEYS_MAX: usize = 100;
/// How often BatchGetItem is asked for keys it leaves out for lack of capacity.
const UNPROCESSED_ATTEMPTS_MAX: u32 = 4;
/// Wait before the first such retry; it doubles.
const UNPROCESSED_BACKOFF: Duration = Duration::from_millis(25);
/// BatchGetItem calls in flight at once.
const BATCH_GETS_CONCURRENT_MAX: usize = 4;

type Item = HashMap<String, AttributeValue>;

/// User state in one table. Reads are eventually consistent, 100 keys a call and four calls at once: half a read unit a user. A
/// write is one PutItem with a condition on the version: one write unit while the outbox is empty.
#[derive(Debug, Clone)]
pub struct DynamoDbWindowStore {
    client: Client,
    table: String,
}

impl DynamoDbWindowStore {
    /// A table whose partition key is `userId` (string).
    #[must_use]
    pub const fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Reads up to 100 users. Those left out for lack of capacity are not in the result.
    async fn load_chunk(&self, user_ids: &[&str]) -> Result<HashMap<String, Loaded>, StoreError> {
        let mut loaded = HashMap::new();
        let mut wanted: Vec<Item> = user_ids.iter().map(|user_id| key(user_id)).collect();
        let mut absent: Vec<&str> = user_ids.to_vec();
        for attempt in 0..UNPROCESSED_ATTEMPTS_MAX {
            let (items, unprocessed) = self.batch_get(wanted).await?;
            loaded.extend(items.into_iter().filter_map(|item| Some((user_id_of(&item)?, from_item(&item)))));
            wanted = unprocessed;
            if wanted.is_empty() {
                break;
            }
            tokio::time::sleep(UNPROCESSED_BACKOFF * 2_u32.pow(attempt)).await;
        }
        let unprocessed: Vec<String> = wanted.iter().filter_map(user_id_of).collect();
        absent.retain(|user_id| !loaded.contains_key(*user_id) && !unprocessed.iter().any(|other| other == user_id));
        loaded.extend(absent.into_iter().map(|user_id| (user_id.to_owned(), Loaded::Absent)));
        Ok(loaded)
    }

    /// One call. Returns the items found, and the keys to request again.
    async fn batch_get(&self, keys: Vec<Item>) -> Result<(Vec<Item>, Vec<Item>), StoreError> {
        let request = KeysAndAttributes::builder().set_keys(Some(keys)).build();
        let request = request.map_err(|error| StoreError::new("read", error))?;
        let output = self.client.batch_get_item().request_items(&self.table, request).send().await;
        let output = output.map_err(|error| StoreError::new("read", error))?;
        let items = output.responses.and_then(|mut tables| tables.remove(&self.table));
        let unprocessed = output.unprocessed_keys.and_then(|mut tables| tables.remove(&self.table));
        Ok((items.unwrap_or_default(), unprocessed.map(|rest| rest.keys).unwrap_or_default()))
    }

    /// Reads up to 100 users; the results are in the order of `user_ids`.
    async fn load_each(&self, user_ids: &[&str]) -> Vec<Result<Loaded, StoreError>> {
        let loaded = self.load_chunk(user_ids).await;
        let result = |user_id: &&str| match &loaded {
            Ok(loaded) => {
                loaded.get(*user_id).cloned().ok_or_else(|| StoreError::new("read", "no capacity for this key"))
            }
            Err(error) => Err(error.clone()),
        };
        user_ids.iter().map(result).collect()
    }
}

impl WindowStore for DynamoDbWindowStore {
    async fn load(&self, user_ids: &[&str]) -> Vec<Result<Loaded, StoreError>> {
        let chunks = stream::iter(user_ids.chunks(BATCH_GET_KEYS_MAX)).map(|chunk| self.load_each(chunk));
        chunks.buffered(BATCH_GETS_CONCURRENT_MAX).concat().await
    }

    async fn commit(&self, user_id: &str, user: &StoredUser, replaced: Option<u64>) -> Result<(), CommitError> {
        let item = to_item(user_id, user).map_err(CommitError::Failed)?;
        let request = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let request = match replaced {
            None => {
                request.condition_expression("attribute_not_exists(#id)").expression_attribute_names("#id", USER_ID)
            }
            Some(version) => request
                .condition_expression("#version = :replaced")
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":replaced", number(version)),
        };
        let request = request.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        // On the heap: the future of a request has 6 KB, and the futures around it would be moved with it.
        Box::pin(request.send()).await.map(drop).map_err(commit_error)
    }
}

fn commit_error(error: SdkError<PutItemError>) -> CommitError {
    if let Some(PutItemError::ConditionalCheckFailedException(conflict)) = error.as_service_error() {
        return CommitError::Conflict(conflict.item().map_or(Loaded::Absent, from_item));
    }
    CommitError::Failed(StoreError::new("write", error))
}

fn key(user_id: &str) -> Item {
    HashMap::from([(USER_ID.to_owned(), AttributeValue::S(user_id.to_owned()))])
}

fn user_id_of(item: &Item) -> Option<String> {
    item.get(USER_ID)?.as_s().ok().cloned()
}

fn number(value: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(format!("{value}"))
}

/// The item of a user.
fn to_item(user_id: &str, user: &StoredUser) -> Result<Item, StoreError> {
    debug_assert!(user.version.is_some(), "a user is written as a version");
    let usual = user.state.memory().usual();
    let stddev = (usual.sum_squares / f64::from(usual.count.saturating_sub(1).max(1))).sqrt();
    let mut item = key(user_id);
    let mut put = |name: &str, value| item.insert(name.to_owned(), value);
    put(STATE, AttributeValue::B(Blob::new(codec::encode(&user.state))));
    put(VERSION, number(user.version.unwrap_or_default()));
    put(EXPIRES_AT, number(user.expires_at_seconds));
    put(COUNT, number(usual.count));
    put(MEAN, number(format!("{:.2}", usual.mean)));
    put(STDDEV, number(format!("{stddev:.2}")));
    put(UPDATED_AT, number(user.updated_at_ms));
    if !user.outbox.is_empty() {
        let json = serde_json::to_string(&user.outbox).map_err(|error| StoreError::new("write", error))?;
        put(OUTBOX, AttributeValue::S(json));
    }
    Ok(item)
}

/// The user of an item; the inverse of [`to_item`].
fn from_item(item: &Item) -> Loaded {
    match read_user(item) {
        Ok(user) => Loaded::Present(Box::new(user)),
        Err(corrupt) => Loaded::Corrupt(corrupt),
    }
}

fn read_user(item: &Item) -> Result<StoredUser, CorruptItem> {
    let state = item.get(STATE).and_then(|value| value.as_b().ok()).ok_or(CorruptItem::Attribute(STATE))?;
    Ok(StoredUser {
        state: codec::decode(state.as_ref())?,
        outbox: read_outbox(item)?,
        version: Some(read_number(item, VERSION)?),
        updated_at_ms: read_number(item, UPDATED_AT)?,
        expires_at_seconds: read_number(item, EXPIRES_AT)?,
    })
}

fn read_number<T: std::str::FromStr>(item: &Item, name: &'static str) -> Result<T, CorruptItem> {
    let text = item.get(name).and_then(|value| value.as_n().ok());
    text.and_then(|text| text.parse().ok()).ok_or(CorruptItem::Attribute(name))
}

fn read_outbox(item: &Item) -> Result<Vec<AnomalyMessage>, CorruptItem> {
    let Some(value) = item.get(OUTBOX) else { return Ok(Vec::new()) };
    let json = value.as_s().map_err(|_| CorruptItem::Attribute(OUTBOX))?;
    serde_json::from_str(json).map_err(|_| CorruptItem::Attribute(OUTBOX))
}
