//! The policy and users' entries in the ledger's table. [`alerter::ledger::layout`] has the items.

use std::collections::HashMap;

use alert_policy::{Policy, PolicyError, UserEntries};
use alerter::ledger::layout;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};

use crate::ledger::failure::refused;
use crate::ledger::item;
pub(super) use crate::ledger::item::{Item, number_of, text, text_of};
use crate::ledger::place::Place;

/// Most calls of a scan: each reads a megabyte.
const SCAN_CALLS_MAX: usize = 10_000;

/// The ledger's table.
#[derive(Debug, Clone)]
pub(crate) struct PolicyTable {
    client: Client,
    name: String,
}

/// What has a version: the policy, or what is listed for a user.
#[derive(Debug)]
pub(crate) struct Versioned<T> {
    item: Item,
    /// Its version; 0 if it has none.
    pub(crate) version: u64,
    /// What it says, if that can be read.
    pub(super) content: Result<T, PolicyError>,
}

/// Which items a scan is for.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    /// A filter expression.
    pub(crate) expression: &'static str,
    /// Its values.
    pub(crate) values: Vec<(&'static str, AttributeValue)>,
}

impl<T> Versioned<T> {
    /// Reads an item whose JSON is in the attribute `name`. One without that attribute cannot be read.
    pub(super) fn read(item: Item, name: &str, parse: impl FnOnce(&str) -> Result<T, PolicyError>) -> Self {
        let content = parse(text_of(&item, name));
        Self { version: number_of(&item, layout::VERSION).unwrap_or_default(), content, item }
    }
}

impl PolicyTable {
    /// A table of this name.
    pub(crate) const fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// The table at a place.
    pub(crate) async fn open(place: &Place) -> anyhow::Result<Self> {
        let ledger = place.open().await?;
        Ok(Self::new(Client::new(&ledger.config), ledger.table))
    }

    /// The table at a place, and the ARN of the caller, whom the policy will name.
    pub(crate) async fn open_with_caller(place: &Place) -> anyhow::Result<(Self, String)> {
        let ledger = place.open().await?;
        let caller = ledger.caller().await?;
        Ok((Self::new(Client::new(&ledger.config), ledger.table), caller))
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The policy, if there is one.
    pub(crate) async fn policy(&self) -> anyhow::Result<Option<Versioned<Policy>>> {
        let item = self.get(layout::POLICY).await?;
        Ok(item.map(|item| Versioned::read(item, layout::POLICY, Policy::parse)))
    }

    /// What is listed for a user.
    pub(super) async fn user(&self, user_id: &str) -> anyhow::Result<Option<Versioned<UserEntries>>> {
        let item = self.get(&layout::user(user_id)).await?;
        Ok(item.map(|item| Versioned::read(item, layout::ENTRIES, UserEntries::parse)))
    }

    /// Whether a version is kept.
    pub(super) async fn has_version(&self, version: u64) -> anyhow::Result<bool> {
        Ok(self.get(&layout::policy_of_version(version)).await?.is_some())
    }

    /// Writes a policy in place of the one that was read before, and keeps that one under a number that is free.
    pub(crate) async fn replace(
        &self,
        before: Option<&Versioned<Policy>>,
        kept_as: u64,
        policy: &Policy,
    ) -> anyhow::Result<()> {
        let item = Item::from([
            (layout::ID.to_owned(), text(layout::POLICY)),
            (layout::POLICY.to_owned(), text(&serde_json::to_string(policy)?)),
            (layout::VERSION.to_owned(), AttributeValue::N(policy.version.to_string())),
        ]);
        let kept = before.map(|before| {
            let mut kept = before.item.clone();
            kept.insert(layout::ID.to_owned(), text(&layout::policy_of_version(kept_as)));
            on_condition::<Policy>(self.put(kept), None)
        });
        let policy = on_condition(self.put(item), before);
        self.write(std::iter::once(policy).chain(kept), layout::POLICY).await
    }

    /// Writes what is listed for a user in place of what was read before.
    pub(super) async fn replace_user(
        &self,
        user_id: &str,
        before: Option<&Versioned<UserEntries>>,
        (entries, expires_at_seconds): (&UserEntries, i64),
    ) -> anyhow::Result<()> {
        let id = layout::user(user_id);
        let version = before.map_or(0, |before| before.version) + 1;
        let item = Item::from([
            (layout::ID.to_owned(), text(&id)),
            (layout::ENTRIES.to_owned(), text(&serde_json::to_string(entries)?)),
            (layout::VERSION.to_owned(), AttributeValue::N(version.to_string())),
            (layout::EXPIRES_AT.to_owned(), AttributeValue::N(expires_at_seconds.to_string())),
        ]);
        self.write([on_condition(self.put(item), before)], &id).await
    }

    /// Reads the whole table, and gives what the filter lets through. Returns whether that was all of it.
    pub(super) async fn scan(&self, filter: Filter, each: impl FnMut(Item)) -> anyhow::Result<bool> {
        self.scan_counted(filter, each, |_| {}).await
    }

    /// The same, and says after each call how many items it read, whether the filter let them through or not.
    pub(crate) async fn scan_counted(
        &self,
        filter: Filter,
        mut each: impl FnMut(Item),
        mut read: impl FnMut(u64),
    ) -> anyhow::Result<bool> {
        let values: HashMap<_, _> = filter.values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let mut start = None;
        for _ in 0..SCAN_CALLS_MAX {
            let scan = self.client.scan().table_name(&self.name).filter_expression(filter.expression);
            let values = Some(values.clone()).filter(|values| !values.is_empty());
            let scan = scan.set_expression_attribute_values(values).set_exclusive_start_key(start);
            let page = Box::pin(scan.send()).await.map_err(refused("read", &self.name))?;
            read(u64::try_from(page.scanned_count).unwrap_or_default());
            page.items.unwrap_or_default().into_iter().for_each(&mut each);
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// An update of an item, to be filled and sent.
    pub(crate) fn update(&self, id: &str) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.name).key(layout::ID, text(id))
    }

    /// An item.
    pub(crate) async fn get(&self, id: &str) -> anyhow::Result<Option<Item>> {
        item::read(&self.client, &self.name, id).await
    }

    fn put(&self, item: Item) -> PutOfItem {
        PutOfItem { table: self.name.clone(), item, condition: None, version: None }
    }

    /// All of it or nothing. `id` is the item that somebody else may have changed.
    async fn write(&self, puts: impl IntoIterator<Item = PutOfItem>, id: &str) -> anyhow::Result<()> {
        let puts: Vec<TransactWriteItem> = puts.into_iter().map(PutOfItem::build).collect::<Result<_, _>>()?;
        let write = self.client.transact_write_items().set_transact_items(Some(puts));
        match Box::pin(write.send()).await {
            Ok(_) => Ok(()),
            Err(error) if is_conflict(&error) => Err(self.conflict(id).await),
            Err(error) => Err(refused("write to", &self.name)(error)),
        }
    }

    async fn conflict(&self, id: &str) -> anyhow::Error {
        let now = self.get(id).await.ok().flatten().and_then(|item| number_of::<u64>(&item, layout::VERSION));
        let to = now.map_or_else(String::new, |version| format!(" to version {version}"));
        anyhow::anyhow!(
            "nothing was written: somebody changed it{to} meanwhile. Look with `sigma policy show`, then try again"
        )
    }
}

/// One of the writes of a transaction.
#[derive(Debug)]
struct PutOfItem {
    table: String,
    item: Item,
    condition: Option<&'static str>,
    version: Option<AttributeValue>,
}

impl PutOfItem {
    fn build(self) -> anyhow::Result<TransactWriteItem> {
        let names = self.condition.filter(|condition| condition.contains("#version"));
        let names = names.map(|_| HashMap::from([("#version".to_owned(), layout::VERSION.to_owned())]));
        let put = Put::builder()
            .table_name(self.table)
            .set_item(Some(self.item))
            .set_condition_expression(self.condition.map(str::to_owned))
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(
                self.version.map(|version| HashMap::from([(":version".to_owned(), version)])),
            );
        Ok(TransactWriteItem::builder().put(put.build()?).build())
    }
}

/// Only if what is stored is still what was read.
fn on_condition<T>(put: PutOfItem, before: Option<&Versioned<T>>) -> PutOfItem {
    let version = before.and_then(|before| before.item.get(layout::VERSION).cloned());
    let condition = match (before, &version) {
        (None, _) => "attribute_not_exists(id)",
        (Some(_), None) => "attribute_exists(id) AND attribute_not_exists(#version)",
        (Some(_), Some(_)) => "#version = :version",
    };
    PutOfItem { condition: Some(condition), version, ..put }
}

fn is_conflict<R>(error: &SdkError<TransactWriteItemsError, R>) -> bool {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
        return false;
    };
    let mut codes = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
    codes.any(|code| matches!(code, "ConditionalCheckFailed" | "TransactionConflict"))
}
