//! Alerts: claimed, published, completed. Each call is one UpdateItem.

use alert_policy::Decision;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::super::{Claim, Ending, Entry, Lease, Ledger, LedgerError, layout};
use super::{DynamoDbLedger, Item, is_refused, number, send, text, text_of};

const CLAIMED: &str = "claimed";
const PUBLISHED: &str = "published";
const COMPLETED: &str = "completed";

/// A claim keeps the status of an earlier attempt, so that what was published is not published again, and its decision.
const CLAIM: &str = "SET #status = if_not_exists(#status, :claimed), #owner = :owner, leaseUntil = :until, expiresAt = :expires, \
                     alert = if_not_exists(alert, :alert), decision = if_not_exists(decision, :decision), \
                     disposition = if_not_exists(disposition, :disposition), decidedAt = if_not_exists(decidedAt, :now)";
/// Ours counts as free: a claim whose response was lost, repeated by the SDK, is granted.
const IS_FREE: &str = "attribute_not_exists(id) OR (#status <> :completed AND (leaseUntil < :now OR #owner = :owner))";
const END: &str = "SET #status = :status, leaseUntil = :until, expiresAt = :expires, decision = :decision, disposition = :disposition";
/// A later attempt that publishes nothing, or that repeats a call, leaves the time alone.
const AND_TELL: &str = ", publishedAt = if_not_exists(publishedAt, :published)";
const AND_WAIT: &str = ", digestKey = :key, digestRank = :rank";
const NO_OWNER: &str = " REMOVE #owner";
/// The claim is still ours. Otherwise a mark whose response was lost, repeated by the SDK, would end the claim of the invocation that
/// counts the alert by now, and a third one would count it again.
const IS_OURS: &str = "#status <> :completed AND #owner = :owner";
/// A completion whose response was lost, repeated by the SDK, would put an alert back on the list after its summary.
const IS_OPEN: &str = "attribute_not_exists(#status) OR #status <> :completed";

impl DynamoDbLedger {
    fn update_alert(
        &self,
        (id, decision): (&str, &Decision),
        lease: Lease<'_>,
        until_ms: i64,
    ) -> Result<UpdateItemFluentBuilder, LedgerError> {
        let json = serde_json::to_string(decision).map_err(|error| LedgerError::new("write a decision", error))?;
        let update = self
            .update(id)
            .expression_attribute_names("#status", layout::STATUS)
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":until", number(until_ms))
            .expression_attribute_values(":expires", number(lease.expires_at_seconds))
            .expression_attribute_values(":completed", text(COMPLETED))
            .expression_attribute_values(":decision", text(&json))
            .expression_attribute_values(":disposition", text(decision.disposition.as_str()));
        Ok(update)
    }

    /// Ends the claim with a new status, so that the next attempt need not wait.
    fn end(&self, ending: Ending<'_>, lease: Lease<'_>, status: &str) -> Result<UpdateItemFluentBuilder, LedgerError> {
        let update = self.update_alert((ending.id, ending.decision), lease, lease.now_ms - 1)?;
        let mut update = update.expression_attribute_values(":status", text(status));
        let mut expression = END.to_owned();
        if let Some(published_at_ms) = ending.published_at_ms {
            update = update.expression_attribute_values(":published", number(published_at_ms));
            expression.push_str(AND_TELL);
        }
        // Only a completed alert is on the list: its summary may come before an attempt to count it.
        if let Some(rank) = ending.rank.filter(|_| status == COMPLETED) {
            update = update
                .expression_attribute_values(":key", text(&layout::digest_key_of(ending.id)))
                .expression_attribute_values(":rank", text(&rank.key()));
            expression.push_str(AND_WAIT);
        }
        Ok(update.update_expression(expression + NO_OWNER))
    }
}

impl Ledger for DynamoDbLedger {
    async fn claim(&self, entry: Entry<'_>, lease: Lease<'_>) -> Result<Claim, LedgerError> {
        let update = self
            .update_alert((entry.id, entry.decision), lease, lease.until_ms)?
            .update_expression(CLAIM)
            .condition_expression(IS_FREE)
            .expression_attribute_values(":claimed", text(CLAIMED))
            .expression_attribute_values(":owner", text(lease.owner))
            .expression_attribute_values(":now", number(lease.now_ms))
            .expression_attribute_values(":alert", text(entry.body))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match send(update).await {
            Ok(answer) => Ok(granted(&answer.attributes.unwrap_or_default(), entry.decision)),
            Err(error) => refused(error),
        }
    }

    async fn mark_published(&self, ending: Ending<'_>, lease: Lease<'_>) -> Result<(), LedgerError> {
        let update = self
            .end(ending, lease, PUBLISHED)?
            .condition_expression(IS_OURS)
            .expression_attribute_values(":owner", text(lease.owner));
        match send(update).await {
            Err(error) if !is_refused(&error) => Err(LedgerError::new("mark as published", error)),
            _ => Ok(()),
        }
    }

    async fn complete(&self, ending: Ending<'_>, lease: Lease<'_>) -> Result<(), LedgerError> {
        match send(self.end(ending, lease, COMPLETED)?.condition_expression(IS_OPEN)).await {
            Err(error) if !is_refused(&error) => Err(LedgerError::new("complete", error)),
            _ => Ok(()),
        }
    }
}

/// The decision that counts is the stored one. If this code cannot read it, ours has to do: the alert must not wait for newer code.
fn granted(item: &Item, ours: &Decision) -> Claim {
    let stored = text_of(item, layout::DECISION).and_then(|json| serde_json::from_str(&json).ok());
    let decision = stored.unwrap_or_else(|| ours.clone());
    let is_published = text_of(item, layout::STATUS).as_deref() == Some(PUBLISHED);
    if is_published { Claim::GrantedPublished(decision) } else { Claim::Granted(decision) }
}

fn refused(error: SdkError<UpdateItemError>) -> Result<Claim, LedgerError> {
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(refusal)) => {
            let status = refusal.item().and_then(|item| text_of(item, layout::STATUS));
            Ok(if status.as_deref() == Some(COMPLETED) { Claim::Completed } else { Claim::Held })
        }
        _ => Err(LedgerError::new("claim", error)),
    }
}
