//! The command against the embedded DynamoDB, and what the other commands make of its file.

use std::path::PathBuf;

use alert_policy::Disposition;
use alerter::ledger::layout;
use serde_json::{Value, json};

use super::*;
use crate::policy::testing::{DAY_MS, NOW_MS, World, author};

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("sigma-labels-{}-{name}", std::process::id()))
}

async fn label(world: &World, id: &str, judgement: Judgement) {
    let label = Label { judgement, by: author().by, at_ms: NOW_MS, why: "ticket 42".to_owned() };
    world.table.label(id, &label).await.unwrap();
}

/// Exports, and returns what was found with the lines of the file.
async fn exported(world: &World, since_ms: Option<i64>) -> anyhow::Result<(Exported, Vec<Value>)> {
    let path = scratch(&format!("{}.jsonl", since_ms.unwrap_or_default()));
    let exported = export(&world.table, since_ms, &path, true).await?;
    let written = std::fs::read_to_string(&path)?;
    std::fs::remove_file(&path)?;
    Ok((exported, written.lines().map(|line| serde_json::from_str(line).unwrap()).collect()))
}

#[tokio::test]
async fn what_says_something_of_a_transaction_is_written() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for days_ago in [100, 1, 1, 1] {
        ids.push(world.alert(days_ago, "m12", 12.0, Disposition::Page).await);
    }
    for (id, judgement) in ids.iter().zip([Judgement::Fraud, Judgement::Legitimate, Judgement::Unsure]) {
        label(&world, id, judgement).await;
    }
    let (found, lines) = exported(&world, None).await.unwrap();
    assert_eq!((found.fraud, found.legitimate, found.unsure, found.unusable, found.is_complete), (1, 1, 1, 0, true));
    assert_eq!(lines.len(), 2);
    let expected = json!({
        "transactionId": "t0", "userId": "user000", "timestamp": NOW_MS, "amount": 9000.0, "label": "fraud",
        "alertId": ids[0], "by": author().by, "at": "2026-11-29T00:00:00Z", "why": "ticket 42",
    });
    assert_eq!(lines[0], expected);
    let (found, lines) = exported(&world, Some(NOW_MS - 90 * DAY_MS)).await.unwrap();
    assert_eq!((found.fraud, lines.len()), (0, 1));
    assert!(found.text().contains("1 are unsure and are left out"), "{}", found.text());
}

#[tokio::test]
async fn without_a_label_nothing_is_written_and_it_says_what_to_do() {
    let world = World::new().await;
    let id = world.alert(1, "m12", 12.0, Disposition::Page).await;
    let error = exported(&world, None).await.unwrap_err().to_string();
    assert!(error.ends_with("has no label to export: give some with `sigma feedback`"), "{error}");
    label(&world, &id, Judgement::Unsure).await;
    let error = exported(&world, None).await.unwrap_err().to_string();
    assert!(error.contains("only some that are unsure"), "{error}");
}

/// From an archive without labels to a precision: alert, label, export, replay.
#[tokio::test]
async fn a_replay_of_an_archive_without_labels_reports_a_precision_with_the_exported_ones() {
    let world = World::new().await;
    let (archive, labels) = (scratch("archive.jsonl"), scratch("labels.jsonl"));
    let amount = |number: i64| {
        if number == 30 || number == 60 { 9_000.0 } else { 40.0 + f64::from(i32::try_from(number % 9).unwrap()) }
    };
    let record = |number: i64| {
        let record = json!({"userId": "u", "amount": amount(number), "timestamp": NOW_MS + number * 1_000, "transactionId": format!("t{number}")});
        record.to_string() + "\n"
    };
    std::fs::write(&archive, (0..80).map(record).collect::<String>()).unwrap();
    for (number, judgement) in [(30, Judgement::Fraud), (60, Judgement::Legitimate)] {
        let body = json!({
            "version": 1, "id": format!("{number:032x}"), "userId": "u", "amount": amount(number), "eventTimeMs": NOW_MS + number * 1_000,
            "transactionId": format!("t{number}"), "mean": 44.0, "stddev": 2.6, "threshold": 51.0, "score": 100.0, "count": 30,
            "severity": "critical", "rule": "adaptive", "shardId": "shardId-000000000000", "sequenceNumber": "7", "subSequence": 0,
        });
        let (id, text) = (format!("{number:032x}"), |text: &str| AttributeValue::S(text.to_owned()));
        world.put(&[(layout::ID, text(&id)), (layout::ALERT, text(&body.to_string()))]).await;
        label(&world, &id, judgement).await;
    }
    export(&world.table, None, &labels, true).await.unwrap();
    let reader = backtest::ReaderSettings { labels: Some(labels.clone()), ..backtest::ReaderSettings::default() };
    let plan = backtest::RuleChoices::default().plan(false).unwrap();
    let (summary, flags) = backtest::Backtest::open(&archive, reader, &plan, true).unwrap().run().unwrap();
    std::fs::remove_file(&archive).unwrap();
    std::fs::remove_file(&labels).unwrap();
    let adaptive = &summary.rules[0];
    assert_eq!(adaptive.alerts, 2);
    let quality = adaptive.detection.as_ref().unwrap().quality;
    assert_eq!((quality.precision, quality.recall, adaptive.labelled_alerts), (Some(0.5), Some(1.0), (2, 1)));
    let input = summary.input.labels.unwrap();
    assert_eq!((input.rows, input.matched, summary.input.labelled), (2, 2, Some(1)));
    let of_adaptive = flags.iter().filter(|flag| flag.rule.as_deref() == Some(adaptive.label.as_str()));
    assert_eq!(of_adaptive.map(|flag| flag.label).collect::<Vec<_>>(), [Some(true), Some(false)]);
}
