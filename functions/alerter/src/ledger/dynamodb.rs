//! The ledger in DynamoDB. [`super::layout`] has the items and their attributes.

mod alerts;
mod policy;
mod read;
mod waiting;

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::AttributeValue;

use super::layout;

type Item = HashMap<String, AttributeValue>;

/// The table of the ledger.
#[derive(Debug, Clone)]
pub struct DynamoDbLedger {
    client: Client,
    table: String,
}

impl DynamoDbLedger {
    /// A table whose partition key is `id` (string), with the index `digest`.
    #[must_use]
    pub const fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    fn update(&self, id: &str) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key(layout::ID, text(id))
    }
}

/// On the heap: the future of a request has 6 KB, and the futures around it would be moved with it.
async fn send(update: UpdateItemFluentBuilder) -> Result<UpdateItemOutput, SdkError<UpdateItemError>> {
    Box::pin(update.send()).await
}

fn is_refused(error: &SdkError<UpdateItemError>) -> bool {
    error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception)
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A text of an item; empty if it is there but is not a text.
fn text_of(item: &Item, name: &str) -> Option<String> {
    item.get(name).map(|value| value.as_s().cloned().unwrap_or_default())
}
