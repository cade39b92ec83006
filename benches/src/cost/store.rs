//! A DynamoDB and an SQS at the HTTP connector, which keep what is written and count what they would charge. Much faster than the
//! embedded DynamoDB; one point checks that both count the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::responses;

/// A write unit is a started KiB of the larger of the old and the new item.
const WRITE_UNIT_BYTES: usize = 1_024;

/// The charged quantities so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Charged {
    pub(super) write_units: u64,
    /// Items up to 4 KB, read with eventual consistency: half a read unit each.
    pub(super) items_read: u64,
    pub(super) sqs_requests: u64,
}

#[derive(Debug, Default)]
struct Inner {
    items: HashMap<String, (Box<RawValue>, usize)>,
    charged: Charged,
}

/// The connector. Clones share its contents.
#[derive(Debug, Clone, Default)]
pub(super) struct StoringAws(Arc<Mutex<Inner>>);

#[derive(Deserialize)]
struct Put<'a> {
    #[serde(borrow, rename = "Item")]
    item: &'a RawValue,
}

#[derive(Deserialize)]
struct Get<'a> {
    #[serde(borrow, rename = "RequestItems")]
    tables: HashMap<&'a str, Keys>,
}

#[derive(Deserialize)]
struct Keys {
    #[serde(rename = "Keys")]
    keys: Vec<HashMap<String, HashMap<String, String>>>,
}

impl StoringAws {
    /// Takes the charges since the last call.
    pub(super) fn take(&self) -> Charged {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).charged)
    }

    fn respond(&self, target: &str, body: &[u8]) -> anyhow::Result<String> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match target.rsplit('.').next() {
            Some("PutItem") => inner.put(body)?,
            Some("BatchGetItem") => return inner.get(body),
            _ => inner.charged.sqs_requests += 1,
        }
        Ok(responses::response_body(target, body).into_owned())
    }
}

impl Inner {
    fn put(&mut self, body: &[u8]) -> anyhow::Result<()> {
        let put: Put<'_> = serde_json::from_slice(body)?;
        let item: HashMap<String, HashMap<String, String>> = serde_json::from_str(put.item.get())?;
        let user_id = item.get("userId").and_then(|value| value.get("S")).cloned().unwrap_or_default();
        let bytes = item.iter().map(|(name, value)| name.len() + value.iter().map(size).sum::<usize>()).sum();
        let old = self.items.insert(user_id, (put.item.to_owned(), bytes)).map_or(0, |(_, bytes)| bytes);
        self.charged.write_units += u64::try_from(old.max(bytes).div_ceil(WRITE_UNIT_BYTES))?;
        Ok(())
    }

    fn get(&mut self, body: &[u8]) -> anyhow::Result<String> {
        let get: Get<'_> = serde_json::from_slice(body)?;
        let mut tables = Vec::new();
        for (table, Keys { keys }) in get.tables {
            self.charged.items_read += u64::try_from(keys.len())?;
            let ids = keys.iter().filter_map(|key| key.get("userId")?.get("S"));
            let found: Vec<&str> = ids.filter_map(|id| Some(self.items.get(id)?.0.get())).collect();
            tables.push(format!(r#""{table}":[{}]"#, found.join(",")));
        }
        Ok(format!(r#"{{"Responses":{{{}}},"UnprocessedKeys":{{}}}}"#, tables.join(",")))
    }
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
