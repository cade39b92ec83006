//! A DynamoDB and an SQS at the HTTP connector, which keep what is written and count what they would charge. Much faster than the
//! embedded DynamoDB; one point checks that both count the same.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use serde::Deserialize;

use crate::responses;

/// A write unit is a started KiB of the larger of the old and the new item.
const WRITE_UNIT_BYTES: usize = 1_024;

/// The charged quantities so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Charged {
    pub(super) write_units: u64,
    /// Items up to 4 KB, read with eventual consistency: half a read unit each.
    pub(super) items_read: u64,
    /// Requests that write one item or several.
    pub(super) write_requests: u64,
    pub(super) sqs_requests: u64,
}

/// A value by its kind, as in DynamoDB's JSON.
type Value = HashMap<String, String>;
type Item = HashMap<String, Value>;

#[derive(Debug, Default)]
struct Inner {
    items: HashMap<String, Item>,
    charged: Charged,
}

/// The connector. Clones share its contents.
#[derive(Debug, Clone, Default)]
pub(super) struct StoringAws(Arc<Mutex<Inner>>);

#[derive(Deserialize)]
struct Put {
    #[serde(rename = "Item")]
    item: Item,
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow, rename = "Statements")]
    statements: Vec<Statement<'a>>,
}

/// `UPDATE "table" SET "attribute"=? … WHERE "userId"=? …`
#[derive(Deserialize)]
struct Statement<'a> {
    #[serde(borrow, rename = "Statement")]
    text: Cow<'a, str>,
    /// The values of the question marks, in their order.
    #[serde(rename = "Parameters")]
    parameters: Vec<Value>,
}

#[derive(Deserialize)]
struct Get<'a> {
    #[serde(borrow, rename = "RequestItems")]
    tables: HashMap<&'a str, Keys>,
}

#[derive(Deserialize)]
struct Keys {
    #[serde(rename = "Keys")]
    keys: Vec<Item>,
}

impl StoringAws {
    /// Takes the charges since the last call.
    pub(super) fn take(&self) -> Charged {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).charged)
    }

    fn respond(&self, target: &str, body: &[u8]) -> anyhow::Result<String> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match target.rsplit('.').next() {
            Some("PutItem") => {
                inner.charged.write_requests += 1;
                inner.put(serde_json::from_slice::<Put>(body)?.item)?;
            }
            Some("BatchExecuteStatement") => {
                inner.charged.write_requests += 1;
                let batch: Batch<'_> = serde_json::from_slice(body)?;
                batch.statements.iter().try_for_each(|statement| inner.update(statement))?;
            }
            Some("BatchGetItem") => return inner.get(body),
            _ => inner.charged.sqs_requests += 1,
        }
        Ok(responses::response_body(target, body).into_owned())
    }
}

impl Inner {
    fn put(&mut self, item: Item) -> anyhow::Result<()> {
        let user_id = item.get("userId").and_then(|value| value.get("S")).cloned().context("an item without a user")?;
        let bytes = item_size(&item);
        let old = self.items.insert(user_id, item).map_or(0, |old| item_size(&old));
        self.charged.write_units += u64::try_from(old.max(bytes).div_ceil(WRITE_UNIT_BYTES))?;
        Ok(())
    }

    /// Nobody else writes, so a condition always holds.
    fn update(&mut self, statement: &Statement<'_>) -> anyhow::Result<()> {
        let (set, condition) = statement.values()?;
        let user_id = condition.get("userId").and_then(|value| value.get("S")).context("a statement without a user")?;
        let mut item = self.items.get(user_id).context("an UPDATE of no item")?.clone();
        item.extend(set);
        self.put(item)
    }

    fn get(&mut self, body: &[u8]) -> anyhow::Result<String> {
        let get: Get<'_> = serde_json::from_slice(body)?;
        let mut tables = Vec::new();
        for (table, Keys { keys }) in get.tables {
            self.charged.items_read += u64::try_from(keys.len())?;
            let ids = keys.iter().filter_map(|key| key.get("userId")?.get("S"));
            let found: Vec<&Item> = ids.filter_map(|id| self.items.get(id)).collect();
            tables.push(format!(r#""{table}":{}"#, serde_json::to_string(&found)?));
        }
        Ok(format!(r#"{{"Responses":{{{}}},"UnprocessedKeys":{{}}}}"#, tables.join(",")))
    }
}

impl Statement<'_> {
    /// The values that it sets, and those of its condition, by attribute.
    fn values(&self) -> anyhow::Result<(Item, Item)> {
        let text = self.text.replace(' ', "");
        let (set, condition) = text.split_once("WHERE").context("a statement without a condition")?;
        let (set, condition) = (attributes(set), attributes(condition));
        anyhow::ensure!(set.len() + condition.len() == self.parameters.len(), "an unknown form: {}", self.text);
        let mut values = self.parameters.iter().cloned();
        let set = set.into_iter().zip(values.by_ref()).collect();
        Ok((set, condition.into_iter().zip(values).collect()))
    }
}

/// The attributes before the question marks: `"attribute"=?`.
fn attributes(clauses: &str) -> Vec<String> {
    let mut parts: Vec<&str> = clauses.split("\"=?").collect();
    // After the last question mark.
    parts.pop();
    parts.iter().filter_map(|part| part.rsplit('"').next()).map(str::to_owned).collect()
}

fn item_size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value.iter().map(size).sum::<usize>()).sum()
}

/// As in `capacity::meter`, but the value is still JSON, and binary is base64.
fn size((kind, value): (&String, &String)) -> usize {
    match kind.as_str() {
        "B" => value.trim_end_matches('=').len() * 3 / 4,
        "N" => value.chars().filter(char::is_ascii_digit).count().div_ceil(2) + 1,
        _ => value.len(),
    }
}

impl HttpConnector for StoringAws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get(responses::TARGET_HEADER).unwrap_or_default();
        let body = self.respond(target, request.body().bytes().unwrap_or_default());
        let body = body.map_err(|error| ConnectorError::other(error.into(), None));
        HttpConnectorFuture::ready(body.and_then(responses::response))
    }
}
