//! A ledger on the embedded DynamoDB, with alerts and a policy, for the tests of every command that reads one.

use std::sync::atomic::{AtomicU32, Ordering};

use alert_policy::{Decision, Disposition, Policy, Reason};
use alerter::ledger::layout;
use alerter::message::{Alert, QueueMessage};
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use testbed::{EmbeddedDynamoDb, RequestCounter, create_ledger_table};

use super::draft::Author;
use super::editor::{Change, Editor, WriteFlags};
use super::set::set;
use super::store::{Item, PolicyTable};
use crate::output::Output;

pub(crate) const NOW_MS: i64 = 1_795_910_400_000;
pub(crate) const DAY_MS: i64 = 86_400_000;

pub(crate) struct World {
    pub(crate) client: aws_sdk_dynamodb::Client,
    pub(crate) table: PolicyTable,
    next: AtomicU32,
    _dynamodb: EmbeddedDynamoDb,
}

impl World {
    pub(crate) async fn new() -> Self {
        let dynamodb = EmbeddedDynamoDb::start().unwrap();
        let client = dynamodb.client(&RequestCounter::default());
        create_ledger_table(&client, "ledger").await.unwrap();
        let table = PolicyTable::new(client.clone(), "ledger".to_owned());
        Self { client, table, next: AtomicU32::new(0), _dynamodb: dynamodb }
    }

    pub(super) fn editor(&self, is_dry_run: bool) -> Editor {
        Editor {
            table: self.table.clone(),
            author: author(),
            flags: WriteFlags { yes: true, dry_run: is_dry_run },
            output: Output { json: false, quiet: true },
        }
    }

    pub(super) async fn set(&self, json: &Value) -> anyhow::Result<Change> {
        set(&self.editor(false), Policy::parse(&json.to_string()).unwrap()).await
    }

    pub(crate) async fn put(&self, attributes: &[(&str, AttributeValue)]) {
        let item = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        self.client.put_item().table_name("ledger").set_item(Some(item)).send().await.unwrap();
    }

    pub(crate) async fn item(&self, id: &str) -> Option<Item> {
        let get = self.client.get_item().table_name("ledger").key("id", AttributeValue::S(id.to_owned()));
        get.send().await.unwrap().item
    }

    /// An alert that was decided some days ago.
    pub(crate) async fn alert(&self, days_ago: i64, merchant: &str, score: f64, disposition: Disposition) -> String {
        let body = body(self.next.fetch_add(1, Ordering::Relaxed), merchant, score);
        let message = QueueMessage { message_id: Some("m".to_owned()), body: Some(body.clone()) };
        let alert = Alert::read(&message).unwrap();
        let decision = Decision {
            disposition,
            would: None,
            reason: Reason::Priority,
            policy_version: 0,
            priority: alert.severity(),
            episode: alert.id.clone(),
            repeats: 0,
            pages_per_day_max: 20,
        };
        let number = |value: i64| AttributeValue::N(value.to_string());
        let id = alert.id.clone();
        self.put(&[
            (layout::ID, AttributeValue::S(alert.id)),
            (layout::ALERT, AttributeValue::S(body)),
            (layout::DECISION, AttributeValue::S(serde_json::to_string(&decision).unwrap())),
            (layout::DECIDED_AT, number(NOW_MS - days_ago * DAY_MS)),
            (layout::EXPIRES_AT, number(NOW_MS / 1_000 + 86_400)),
        ])
        .await;
        id
    }
}

pub(crate) fn author() -> Author {
    Author { by: "arn:aws:iam::111122223333:user/alice".to_owned(), now_ms: NOW_MS }
}

fn body(number: u32, merchant: &str, score: f64) -> String {
    let severity = if score >= 10.0 { "critical" } else { "warning" };
    json!({
        "version": 1, "id": format!("{number:032x}"), "userId": format!("user{number:03}"), "amount": 9000.0,
        "eventTimeMs": NOW_MS, "transactionId": format!("t{number}"), "merchantId": merchant, "mean": 100.0, "stddev": 10.0, "threshold": 125.0, "score": score,
        "count": 30, "severity": severity, "rule": "adaptive", "shardId": "shardId-000000000000", "sequenceNumber": "7",
        "subSequence": 0,
    })
    .to_string()
}
