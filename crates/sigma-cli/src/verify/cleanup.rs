//! Removes what a probe left: subscription, queue, the user's state, the ledger's entries. One that cannot be removed stops no other.

use std::time::Duration;

use alerter::ledger::layout;
use aws_sdk_dynamodb::types::AttributeValue;
use tokio::time::sleep;

use super::clients::failed;
use super::probe::Probe;

/// Polls of the ledger until the alert is completed: 10 s. An item deleted earlier would be written again by the alerter.
const COMPLETED_POLLS_MAX: u32 = 50;
/// How DynamoDB refuses what the table's own policy denies (`LedgerWriteOnce`).
const WRITTEN_ONCE: &str = "explicit deny in a resource-based policy";
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
    removed(left)
}

/// What is said in the end. A ledger that is written once refuses to forget, which is what it was asked for.
fn removed(left: Vec<String>) -> anyhow::Result<String> {
    let (kept, left): (Vec<String>, Vec<String>) = left.into_iter().partition(|error| error.contains(WRITTEN_ONCE));
    anyhow::ensure!(left.is_empty(), "remove by hand: {}", left.join("; "));
    let everything = "subscription, queue, state and ledger entries";
    let all_but =
        "subscription, queue and state; the ledger is written once, so that its entries stay until they expire";
    Ok(if kept.is_empty() { everything } else { all_but }.to_owned())
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

#[cfg(test)]
mod tests {
    use super::removed;

    #[test]
    fn a_ledger_that_is_written_once_keeps_its_entries_and_anything_else_is_left_to_do() {
        let denied =
            "the item 1 of the table ledger: AccessDeniedException: … with an explicit deny in a resource-based policy";
        let text = |left: &[&str]| removed(left.iter().map(|error| (*error).to_owned()).collect());
        assert_eq!(text(&[]).unwrap(), "subscription, queue, state and ledger entries");
        assert!(text(&[denied]).unwrap().contains("the ledger is written once"));
        let error = text(&[denied, "the queue q: denied"]).unwrap_err().to_string();
        assert_eq!(error, "remove by hand: the queue q: denied");
    }
}
