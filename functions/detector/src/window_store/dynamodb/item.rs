//! The item of a user.

use std::collections::HashMap;

use anomaly_core::{AnomalyMessage, codec};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::window_store::{CorruptItem, Loaded, StoreError, StoredUser};

pub(super) const USER_ID: &str = "userId";
const STATE: &str = "state";
pub(super) const VERSION: &str = "version";
const EXPIRES_AT: &str = "expiresAt";
const OUTBOX: &str = "outbox";
const COUNT: &str = "count";
const MEAN: &str = "mean";
const STDDEV: &str = "stddev";
const UPDATED_AT: &str = "updatedAt";

/// What every write sets: all attributes but the key and the outbox.
pub(super) const ATTRIBUTES: [&str; 7] = [STATE, VERSION, EXPIRES_AT, COUNT, MEAN, STDDEV, UPDATED_AT];

pub(super) type Item = HashMap<String, AttributeValue>;

pub(super) fn key(user_id: &str) -> Item {
    HashMap::from([(USER_ID.to_owned(), AttributeValue::S(user_id.to_owned()))])
}

pub(super) fn user_id_of(item: &Item) -> Option<String> {
    item.get(USER_ID)?.as_s().ok().cloned()
}

pub(super) fn number(value: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(format!("{value}"))
}

/// The item of a user.
pub(super) fn to_item(user_id: &str, user: &StoredUser) -> Result<Item, StoreError> {
    let mut item = key(user_id);
    item.extend(ATTRIBUTES.map(str::to_owned).into_iter().zip(values(user)));
    if !user.outbox.is_empty() {
        let json = serde_json::to_string(&user.outbox).map_err(|error| StoreError::new("write", error))?;
        item.insert(OUTBOX.to_owned(), AttributeValue::S(json));
    }
    Ok(item)
}

/// The values of [`ATTRIBUTES`].
pub(super) fn values(user: &StoredUser) -> [AttributeValue; ATTRIBUTES.len()] {
    debug_assert!(user.version.is_some(), "a user is written as a version");
    let usual = user.state.memory().usual();
    let stddev = (usual.sum_squares / f64::from(usual.count.saturating_sub(1).max(1))).sqrt();
    [
        AttributeValue::B(Blob::new(codec::encode(&user.state))),
        number(user.version.unwrap_or_default()),
        number(user.expires_at_seconds),
        number(usual.count),
        number(format!("{:.2}", usual.mean)),
        number(format!("{stddev:.2}")),
        number(user.updated_at_ms),
    ]
}

/// The user of an item; the inverse of [`to_item`].
pub(super) fn from_item(item: &Item) -> Loaded {
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
