//! User state in DynamoDB: one item a user, at most one write unit (1,024 bytes) while its outbox is empty.
//!
//! Attributes: `userId` (key), `state` (binary, see [`anomaly_core::codec`]), `version`, `expiresAt` (TTL, seconds), `outbox`
//! (JSON list of anomaly messages, only while there are any), and for human eyes `count`, `mean`, `stddev` of the window (or
//! of the profile) and `updatedAt` (ms). Readers ignore attributes they do not know.

mod item;
mod statement;

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{BatchStatementResponse, KeysAndAttributes, ReturnValuesOnConditionCheckFailure};
use futures_util::{StreamExt, stream};

use super::{CommitError, Loaded, StoreError, StoredUser, Update, WindowStore};
use item::{Item, USER_ID, VERSION, from_item, key, number, to_item, user_id_of};

/// Keys in one BatchGetItem (API limit).
const BATCH_GET_KEYS_MAX: usize = 100;
/// How often BatchGetItem is asked for keys it leaves out for lack of capacity.
const UNPROCESSED_ATTEMPTS_MAX: u32 = 4;
/// Wait before the first such retry; it doubles.
const UNPROCESSED_BACKOFF: Duration = Duration::from_millis(25);
/// BatchGetItem calls in flight at once.
const BATCH_GETS_CONCURRENT_MAX: usize = 4;

/// User state in one table. Reads are eventually consistent, 100 keys a call and four calls at once: half a read unit a user. A
/// write is a PutItem, or a statement of a `BatchExecuteStatement`, with a condition on the version: one write unit while the outbox is
/// empty.
#[derive(Debug, Clone)]
pub struct DynamoDbWindowStore {
    client: Client,
    table: String,
    /// The statement of an update: the same for all users, so that only the values differ.
    update: String,
}

impl DynamoDbWindowStore {
    /// A table whose partition key is `userId` (string).
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        let update = statement::text(&table);
        Self { client, table, update }
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

    /// One `BatchExecuteStatement`. The SDK repeats it as a whole, and never one of its statements.
    async fn execute(&self, updates: &[Update<'_>]) -> Result<Vec<BatchStatementResponse>, StoreError> {
        let statements: Result<Vec<_>, _> = updates.iter().map(|one| statement::request(&self.update, *one)).collect();
        let statements = statements.map_err(|error| StoreError::new("write", error))?;
        let request = self.client.batch_execute_statement().set_statements(Some(statements));
        let output = Box::pin(request.send()).await.map_err(|error| StoreError::new("write", error))?;
        Ok(output.responses.unwrap_or_default())
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

    async fn update(&self, updates: &[Update<'_>]) -> Vec<Result<(), CommitError>> {
        match self.execute(updates).await {
            Ok(answers) => statement::outcomes(answers, updates.len()),
            Err(error) => updates.iter().map(|_| Err(CommitError::Failed(error.clone()))).collect(),
        }
    }
}

fn commit_error(error: SdkError<PutItemError>) -> CommitError {
    if let Some(PutItemError::ConditionalCheckFailedException(conflict)) = error.as_service_error() {
        return CommitError::Conflict(conflict.item().map_or(Loaded::Absent, from_item));
    }
    CommitError::Failed(StoreError::new("write", error))
}
