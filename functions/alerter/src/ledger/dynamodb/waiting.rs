//! The alerts that wait for a summary: a sparse index in ten parts, the most urgent first.

use std::collections::{BTreeMap, HashMap};

use alert_policy::Rank;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use super::super::{Lease, LedgerError, StoredAlert, Turn, Waiting, WaitingList, layout};
use super::{DynamoDbLedger, Item, is_refused, number, send, text, text_of};

/// The turn is free, or ours: a call whose response was lost, repeated by the SDK, succeeds.
const IS_FREE: &str = "attribute_not_exists(id) OR leaseUntil < :now OR #owner = :owner";

impl DynamoDbLedger {
    /// One page of a part of the index.
    async fn query(
        &self,
        part: u8,
        limit: usize,
        start: Option<HashMap<String, AttributeValue>>,
    ) -> Result<QueryOutput, LedgerError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(layout::DIGEST_INDEX)
            .key_condition_expression("#key = :key")
            .expression_attribute_names("#key", layout::DIGEST_KEY)
            .expression_attribute_values(":key", text(&layout::digest_key(part)))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start);
        Box::pin(query.send()).await.map_err(|error| LedgerError::new("list what waits", error))
    }

    async fn waiting_in(&self, part: u8, limit: usize) -> Result<Vec<Waiting>, LedgerError> {
        let (mut waiting, mut start) = (Vec::new(), None);
        while waiting.len() < limit {
            let page = self.query(part, limit - waiting.len(), start).await?;
            waiting.extend(page.items().iter().filter_map(waiting_of));
            start = page.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(waiting)
    }
}

impl WaitingList for DynamoDbLedger {
    async fn begin_summary(&self, lease: Lease<'_>) -> Result<Turn, LedgerError> {
        let update = self
            .update(layout::SUMMARY)
            .update_expression("SET #owner = :owner, leaseUntil = :until")
            .condition_expression(IS_FREE)
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", text(lease.owner))
            .expression_attribute_values(":now", number(lease.now_ms))
            .expression_attribute_values(":until", number(lease.until_ms))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match send(update).await {
            Ok(_) => Ok(Turn::Ours),
            Err(error) => not_ours(error),
        }
    }

    async fn waiting(&self, limit: usize) -> Result<Vec<Waiting>, LedgerError> {
        let mut waiting = Vec::new();
        for part in 0..layout::DIGEST_PARTS {
            waiting.extend(self.waiting_in(part, limit.div_ceil(layout::DIGEST_PARTS.into())).await?);
        }
        Ok(waiting)
    }

    async fn alerts(&self, ids: &[&str]) -> Result<BTreeMap<String, StoredAlert>, LedgerError> {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        Ok(self.get(&ids).await?.iter().filter_map(alert_of).collect())
    }

    async fn remove(&self, id: &str) -> Result<(), LedgerError> {
        let update = self.update(id).update_expression("REMOVE digestKey, digestRank");
        let removed = send(update.condition_expression("attribute_exists(id)")).await;
        match removed {
            Err(error) if !is_refused(&error) => Err(LedgerError::new("take an alert off the list", error)),
            _ => Ok(()),
        }
    }

    async fn end_summary(&self, lease: Lease<'_>, next_ms: i64) -> Result<(), LedgerError> {
        let update = self
            .update(layout::SUMMARY)
            .update_expression("SET leaseUntil = :until REMOVE #owner")
            .condition_expression("#owner = :owner")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", text(lease.owner))
            .expression_attribute_values(":until", number(next_ms));
        match send(update).await {
            Err(error) if !is_refused(&error) => Err(LedgerError::new("end a summary", error)),
            _ => Ok(()),
        }
    }
}

fn not_ours(error: SdkError<UpdateItemError>) -> Result<Turn, LedgerError> {
    match error.as_service_error() {
        Some(UpdateItemError::ConditionalCheckFailedException(refusal)) => {
            let has_owner = refusal.item().is_some_and(|item| item.contains_key("owner"));
            Ok(if has_owner { Turn::Held } else { Turn::JustEnded })
        }
        _ => Err(LedgerError::new("begin a summary", error)),
    }
}

fn waiting_of(item: &Item) -> Option<Waiting> {
    let rank = Rank::from_key(&text_of(item, layout::DIGEST_RANK)?)?;
    Some(Waiting { id: text_of(item, layout::ID)?, rank })
}

fn alert_of(item: &Item) -> Option<(String, StoredAlert)> {
    let decision = serde_json::from_str(&text_of(item, layout::DECISION)?).ok()?;
    Some((text_of(item, layout::ID)?, StoredAlert { body: text_of(item, layout::ALERT)?, decision }))
}
