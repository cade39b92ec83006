//! An item of the ledger's table, and its attributes.

use std::collections::HashMap;

use alerter::ledger::layout;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use super::failure::refused;

/// An item of the table.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Reads the current item, if it exists.
pub(crate) async fn read(client: &Client, table: &str, id: &str) -> anyhow::Result<Option<Item>> {
    let get = client.get_item().table_name(table).key(layout::ID, text(id)).consistent_read(true);
    let answer = Box::pin(get.send()).await.map_err(refused("read", table))?;
    Ok(answer.item)
}

/// A text as an attribute.
pub(crate) fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

/// A text of an item; empty if it has none.
pub(crate) fn text_of<'i>(item: &'i Item, name: &str) -> &'i str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

/// A whole number of an item.
pub(crate) fn number_of<N: std::str::FromStr>(item: &Item, name: &str) -> Option<N> {
    item.get(name)?.as_n().ok()?.parse().ok()
}
