//! The policy, users and the pages of a day.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};

use super::super::{LedgerError, PageOfDay, PolicyStore, StoredPolicy, StoredUser, layout};
use super::{DynamoDbLedger, Item, is_refused, number, send, text, text_of};

/// A day's pages are a set of alerts, so that the same alert never takes two.
const TAKE_PAGE: &str = "ADD #pages :pages SET expiresAt = :expires";
const IS_LEFT: &str = "attribute_not_exists(#pages) OR size(#pages) < :max OR contains(#pages, :id)";

impl PolicyStore for DynamoDbLedger {
    async fn read(&self, user_ids: &[&str], alert_ids: &[&str]) -> Result<StoredPolicy, LedgerError> {
        let of_users = user_ids.iter().flat_map(|user_id| [layout::user(user_id), layout::history(user_id)]);
        let of_alerts = alert_ids.iter().map(|id| (*id).to_owned());
        let ids: Vec<String> = [layout::POLICY.to_owned()].into_iter().chain(of_users).chain(of_alerts).collect();
        let items = self.get(&ids).await?;
        let items: BTreeMap<String, Item> =
            items.into_iter().filter_map(|item| Some((text_of(&item, layout::ID)?, item))).collect();
        // An item without the attribute is there all the same: it reads as a text that cannot be parsed.
        let part = |id: &str, name| items.get(id).map(|item| text_of(item, name).unwrap_or_default());
        let user = |user_id: &&str| {
            let entries = part(&layout::user(user_id), layout::ENTRIES);
            let history = part(&layout::history(user_id), layout::HISTORY);
            ((*user_id).to_owned(), StoredUser { entries, history })
        };
        let decision = |id: &&str| {
            let json = text_of(items.get(*id)?, layout::DECISION)?;
            Some(((*id).to_owned(), serde_json::from_str(&json).ok()?))
        };
        Ok(StoredPolicy {
            policy: part(layout::POLICY, layout::POLICY),
            users: user_ids.iter().map(user).collect(),
            decided: alert_ids.iter().filter_map(decision).collect(),
        })
    }

    async fn write_history(&self, user_id: &str, history: &str, expires_at_seconds: i64) -> Result<(), LedgerError> {
        let update = self
            .update(&layout::history(user_id))
            .update_expression("SET #history = :history, expiresAt = :expires")
            .expression_attribute_names("#history", layout::HISTORY)
            .expression_attribute_values(":history", text(history))
            .expression_attribute_values(":expires", number(expires_at_seconds));
        send(update).await.map(drop).map_err(|error| LedgerError::new("write a history", error))
    }

    async fn take_page(&self, page: PageOfDay<'_>) -> Result<Option<u32>, LedgerError> {
        let update = self
            .update(&layout::budget(page.day))
            .update_expression(TAKE_PAGE)
            .condition_expression(IS_LEFT)
            .expression_attribute_names("#pages", layout::PAGES)
            .expression_attribute_values(":pages", AttributeValue::Ss(vec![page.id.to_owned()]))
            .expression_attribute_values(":id", text(page.id))
            .expression_attribute_values(":max", number(page.pages_max.into()))
            .expression_attribute_values(":expires", number(page.expires_at_seconds))
            .return_values(ReturnValue::AllNew);
        match send(update).await {
            Ok(answer) => Ok(Some(pages_taken(answer.attributes()))),
            Err(error) if is_refused(&error) => Ok(None),
            Err(error) => Err(LedgerError::new("take a page", error)),
        }
    }
}

fn pages_taken(item: Option<&Item>) -> u32 {
    let pages = item.and_then(|item| item.get(layout::PAGES)?.as_ss().ok());
    pages.map_or(0, |pages| u32::try_from(pages.len()).unwrap_or(u32::MAX))
}
