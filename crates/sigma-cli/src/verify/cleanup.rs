//! Removes what a probe left: subscription, queue, the user's state, the ledger's entries. One that cannot be removed stops no other.

use std::time::Duration;

use alerter::ledger::layout;
use aws_sdk_dynamodb::types::AttributeValue;
use tokio::time::sleep;

use super::clients::failed;
use super::probe::Probe;

/// Polls of the ledger until the alert is completed: 10 s. An item deleted earlier would be written again by the alerter.
const COMPLETED_POLLS_MAX: u32 = 50;
const COMPLETED_POLL: Duration = Duration::from_millis(200);

pub(super) async fn remove(probe: Probe<'_>) -> anyhow::Result<String> {
    let mut left: Vec<String> = Vec::new();
    let mut note = |outcome: anyhow::Result<()>| left.extend(outcome.err().map(|error| format!("{error:#}")));
    note(unsubscribe(&probe).await);
    note(delete_queue(&probe).await);
    if probe.has_sent {
        for id in &probe.alert_ids {
            note(forget_alert(&probe, id).await);
        }
        note(delete(&probe, &probe.stack.state_table, "userId", &probe.user).await);
        note(delete(&probe, &probe.stack.ledger_table, layout::ID, &layout::history(&probe.user)).await);
    }
    anyhow::ensure!(left.is_empty(), "remove by hand: {}", left.join("; "));
    Ok("subscription, queue, state and ledger entries".to_owned())
}

async fn unsubscribe(probe: &Probe<'_>) -> anyhow::Result<()> {
    let Some(arn) = &probe.subscription_arn else { return Ok(()) };
    let call = probe.clients.sns.unsubscribe().subscription_arn(arn);
    call.send().await.map_err(|error| failed(&format!("the subscription {arn}"))(&error))?;
    Ok(())
}

async fn delete_queue(probe: &Probe<'_>) -> anyhow::Result<()> {
    let Some(url) = &probe.queue_url else { return Ok(()) };
    let call = probe.clients.sqs.delete_queue().queue_url(url);
    call.send().await.map_err(|error| failed(&format!("the queue {url}"))(&error))?;
    Ok(())
}

async fn forget_alert(probe: &Probe<'_>, id: &str) -> anyhow::Result<()> {
    if probe.is_alerted {
        until_completed(probe, id).await;
    }
    delete(probe, &probe.stack.ledger_table, "id", id).await
}

async fn until_completed(probe: &Probe<'_>, id: &str) {
    for _ in 0..COMPLETED_POLLS_MAX {
        let call = probe.clients.dynamodb.get_item().table_name(&probe.stack.ledger_table);
        let answer = call.key("id", AttributeValue::S(id.to_owned())).consistent_read(true).send().await;
        let status = answer.ok().and_then(|answer| answer.item?.get("status")?.as_s().ok().cloned());
        if status.as_deref() == Some("completed") {
            return;
        }
        sleep(COMPLETED_POLL).await;
    }
}

async fn delete(probe: &Probe<'_>, table: &str, key: &str, value: &str) -> anyhow::Result<()> {
    let call = probe.clients.dynamodb.delete_item().table_name(table).key(key, AttributeValue::S(value.to_owned()));
    call.send().await.map_err(|error| failed(&format!("the item {value} of the table {table}"))(&error))?;
    Ok(())
}
