//! The alerts of the last 30 days, as the ledger has them.

use alert_policy::Decision;
use alerter::ledger::layout;
use alerter::message::{Alert, QueueMessage};
use anomaly_core::AnomalyMessage;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;

use super::store::{Filter, Item, PolicyTable, number_of, text_of};

/// How far back: long enough for what happens once a month.
pub(super) const DAYS: i64 = 30;
const DAY_MS: i64 = 86_400_000;

/// An alert on which it was decided.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Past {
    pub(crate) alert: Alert,
    pub(crate) decision: Decision,
    /// When, in ms since the epoch.
    pub(crate) decided_at_ms: i64,
}

/// What was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reading {
    /// Days up to now.
    pub(super) days: i64,
    /// Alerts of these days.
    pub(super) alerts: u64,
    /// Of them, those of another version, which this code cannot read.
    pub(super) unreadable: u64,
    /// Whether the whole table was read.
    pub(super) is_complete: bool,
}

/// Reads the alerts of the last 30 days, in any order.
pub(super) async fn each(table: &PolicyTable, now_ms: i64, mut each: impl FnMut(Past)) -> anyhow::Result<Reading> {
    let since_ms = now_ms - DAYS * DAY_MS;
    let filter =
        Filter { expression: "decidedAt >= :since", values: vec![(":since", AttributeValue::N(since_ms.to_string()))] };
    let mut reading = Reading { days: DAYS, ..Reading::default() };
    reading.is_complete = table
        .scan(filter, |item| {
            reading.alerts += 1;
            match Past::of(&item) {
                Some(past) => each(past),
                None => reading.unreadable += 1,
            }
        })
        .await?;
    Ok(reading)
}

impl Past {
    /// Reads an item. `None` if it is not of a version that this code knows.
    pub(crate) fn of(item: &Item) -> Option<Self> {
        let decision = serde_json::from_str(text_of(item, layout::DECISION)).ok()?;
        Some(Self { alert: alert_of(item)?, decision, decided_at_ms: number_of(item, layout::DECIDED_AT)? })
    }
}

/// The anomaly message of an item; `None` for a plain text, and for one of another version.
pub(crate) fn message_of(item: &Item) -> Option<AnomalyMessage> {
    alert_of(item)?.anomaly
}

fn alert_of(item: &Item) -> Option<Alert> {
    let (id, body) = (text_of(item, layout::ID), text_of(item, layout::ALERT));
    let message = QueueMessage { message_id: Some(id.to_owned()), body: Some(body.to_owned()) };
    Alert::read(&message).ok()
}
