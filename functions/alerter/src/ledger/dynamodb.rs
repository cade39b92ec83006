//! The ledger in DynamoDB: one item an alert, far below one write unit.
//!
//! Attributes: `id` (key), `status` (`claimed`, `published`, `completed`), `owner` (the invocation that has the claim), `leaseUntil`
//! (ms), `expiresAt` (TTL, seconds).

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::{Claim, Lease, Ledger, LedgerError};

const CLAIMED: &str = "claimed";
const PUBLISHED: &str = "published";
const COMPLETED: &str = "completed";

/// A claim keeps the status of an earlier attempt, so that what was published is not published again.
const CLAIM: &str =
    "SET #status = if_not_exists(#status, :claimed), #owner = :owner, leaseUntil = :until, expiresAt = :expires";
/// Ours counts as free: a claim whose response was lost, repeated by the SDK, is granted.
const IS_FREE: &str = "attribute_not_exists(id) OR (#status <> :completed AND (leaseUntil < :now OR #owner = :owner))";
const SET_STATUS: &str = "SET #status = :status, leaseUntil = :until, expiresAt = :expires REMOVE #owner";
/// The claim is still ours. Otherwise a mark whose response was lost, repeated by the SDK, would end the claim of the invocation that
/// counts the alert by now, and a third one would count it again.
const IS_OURS: &str = "#status <> :completed AND #owner = :owner";

/// A ledger in one table. Each call is one UpdateItem: one write unit.
#[derive(Debug, Clone)]
pub struct DynamoDbLedger {
    client: Client,
    table: String,
}

impl DynamoDbLedger {
    /// A table whose partition key is `id` (string).
    #[must_use]
    pub const fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    fn update(&self, id: &str, lease: Lease<'_>, until_ms: i64) -> UpdateItemFluentBuilder {
        let update = self.client.update_item().table_name(&self.table).key("id", text(id));
        update
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":until", number(until_ms))
            .expression_attribute_values(":expires", number(lease.expires_at_seconds))
    }

    /// Ends the claim with a new status, so that the next attempt need not wait.
    fn end(&self, id: &str, lease: Lease<'_>, status: &str) -> UpdateItemFluentBuilder {
        let update = self.update(id, lease, lease.now_ms - 1).update_expression(SET_STATUS);
        update.expression_attribute_values(":status", text(status))
    }
}

impl Ledger for DynamoDbLedger {
    async fn claim(&self, id: &str, lease: Lease<'_>) -> Result<Claim, LedgerError> {
        let update = self
            .update(id, lease, lease.until_ms)
            .update_expression(CLAIM)
            .condition_expression(IS_FREE)
            .expression_attribute_values(":claimed", text(CLAIMED))
            .expression_attribute_values(":owner", text(lease.owner))
            .expression_attribute_values(":completed", text(COMPLETED))
            .expression_attribute_values(":now", number(lease.now_ms))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match update.send().await {
            Ok(answer) if has_status(answer.attributes(), PUBLISHED) => Ok(Claim::GrantedPublished),
            Ok(_) => Ok(Claim::Granted),
            Err(error) => refused(error),
        }
    }

    async fn mark_published(&self, id: &str, lease: Lease<'_>) -> Result<(), LedgerError> {
        let update = self
            .end(id, lease, PUBLISHED)
            .condition_expression(IS_OURS)
            .expression_attribute_values(":completed", text(COMPLETED))
            .expression_attribute_values(":owner", text(lease.owner));
        match update.send().await {
            Err(error) if !is_refused(&error) => Err(LedgerError::new("mark as published", error)),
            _ => Ok(()),
        }
    }

    async fn complete(&self, id: &str, lease: Lease<'_>) -> Result<(), LedgerError> {
        let completed = self.end(id, lease, COMPLETED).send().await;
        completed.map(drop).map_err(|error| LedgerError::new("complete", error))
    }
}

fn refused(error: SdkError<UpdateItemError>) -> Result<Claim, LedgerError> {
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(refusal)) => {
            Ok(if has_status(refusal.item(), COMPLETED) { Claim::Completed } else { Claim::Held })
        }
        _ => Err(LedgerError::new("claim", error)),
    }
}

fn is_refused(error: &SdkError<UpdateItemError>) -> bool {
    error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception)
}

fn has_status(item: Option<&HashMap<String, AttributeValue>>, status: &str) -> bool {
    let stored = item.and_then(|item| item.get("status")).and_then(|value| value.as_s().ok());
    stored.is_some_and(|stored| stored == status)
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
