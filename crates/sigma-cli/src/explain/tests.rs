//! The command against the embedded DynamoDB, with messages of the real detector's code.

use std::path::{Path, PathBuf};

use alert_policy::{Disposition, Reason};
use anomaly_core::{Origin, Position, RuleKind, ShardId, Transaction, UserState, Verdict};
use aws_sdk_dynamodb::types::AttributeValue;
use clap::Parser;
use serde_json::json;

use super::*;
use crate::label::Judgement;
use crate::policy::testing::{NOW_MS, World, author};

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

fn options(arguments: &[&str]) -> Options {
    Cli::try_parse_from(["explain", "id", "--table", "ledger"].iter().chain(arguments)).unwrap().options
}

fn amount(number: i64) -> f64 {
    if number == 30 { 9_000.1 } else { 40.1 + f64::from(i32::try_from(number % 9).unwrap()) }
}

fn event_time_ms(number: i64) -> i64 {
    NOW_MS + number * 1_000
}

/// An archive of one user, each record a line, the way the stream had them.
fn archive(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("sigma-explain-{}-{name}.jsonl", std::process::id()));
    let record = |number: i64| {
        json!({"userId": "u", "amount": amount(number), "timestamp": event_time_ms(number), "transactionId": format!("t{number}")})
            .to_string()
            + "\n"
    };
    std::fs::write(&path, (0..40).map(record).collect::<String>()).unwrap();
    path
}

/// The message that a detector with these settings sends about record 30.
fn message(arguments: &[&str], rule: RuleKind) -> AnomalyMessage {
    let settings = options(arguments).settings.detector(rule).unwrap();
    let (shard, mut state): (ShardId, _) = ("shardId-000000000001".parse().unwrap(), UserState::new(&settings.rule));
    let mut found = None;
    for number in 0..=30 {
        let position = Position { sequence_number: format!("495{number:05}").parse().unwrap(), sub_sequence: 0 };
        let transaction = Transaction {
            user_id: "u".into(),
            amount: amount(number),
            event_time_ms: event_time_ms(number),
            transaction_id: Some(format!("t{number}").into()),
            merchant_id: None,
        };
        if let Verdict::Anomaly(assessment, severity) = state.step(&shard, position, &transaction, &settings.rule) {
            let origin = Origin { stream: "s", shard: &shard, position };
            let message = AnomalyMessage::new(&origin, &transaction, (&assessment, severity), rule);
            found = Some(AnomalyMessage { configuration_id: Some(settings.configuration_id()), ..message });
        }
    }
    found.unwrap()
}

async fn put(world: &World, message: &AnomalyMessage) {
    let decision = Decision {
        disposition: Disposition::Page,
        would: None,
        reason: Reason::Rule("vip".to_owned()),
        policy_version: 3,
        priority: message.severity,
        episode: message.id.to_string(),
        repeats: 2,
        pages_per_day_max: 20,
    };
    let (text, number) = (|text: &str| AttributeValue::S(text.to_owned()), |n: i64| AttributeValue::N(n.to_string()));
    world
        .put(&[
            (layout::ID, text(message.id.as_str())),
            (layout::ALERT, text(&serde_json::to_string(message).unwrap())),
            (layout::DECISION, text(&serde_json::to_string(&decision).unwrap())),
            (layout::DISPOSITION, text("page")),
            (layout::STATUS, text("completed")),
            (layout::DECIDED_AT, number(NOW_MS + 31_000)),
            (layout::PUBLISHED_AT, number(NOW_MS + 31_250)),
            (layout::RESPONSE_ASKED_AT, number(NOW_MS + 40_000)),
            (layout::RESPONSE_TOKEN, text("the-token")),
            (layout::EXPIRES_AT, number(NOW_MS / 1_000 + 86_400)),
        ])
        .await;
}

/// What the command finds, with an archive and these flags.
async fn explained(message: &AnomalyMessage, archive: &Path, arguments: &[&str]) -> Explained {
    let world = World::new().await;
    put(&world, message).await;
    let label = Label { judgement: Judgement::Fraud, by: author().by, at_ms: NOW_MS, why: "ticket 42".to_owned() };
    world.table.label(message.id.as_str(), &label).await.unwrap();
    let mut explained = read(&world.table, message.id.as_str()).await.unwrap();
    let options = options(&[&["--quiet", "--archive", archive.to_str().unwrap()], arguments].concat());
    explained.archive = Some(options.check(&explained).unwrap());
    explained
}

#[tokio::test]
async fn the_ledger_says_what_was_decided_when_and_why() {
    let (message, archive) = (message(&[], RuleKind::Adaptive), archive("ledger"));
    let explained = explained(&message, &archive, &[]).await;
    std::fs::remove_file(&archive).unwrap();
    let text = text::text(&explained);
    for part in [
        "is 205 times what u usually spends",
        "third unusual payment in 7 days",
        "adaptive: critical",
        &message.configuration_id.unwrap().to_string(),
        "page, by the rule \"vip\" of the policy",
        "2026-11-29T00:00:31Z, under version 3 of the policy",
        "opened by this alert; in the 7 days before it, anomalies of the user: 2",
        "2026-11-29T00:00:31.25Z",
        "fraud, by arn:aws:iam::111122223333:user/alice, 2026-11-29T00:00:00Z: ticket 42",
        "2026-11-30T00:00:00Z",
        "shardId-000000000001, sequence number 49500030",
        "line 31, after 30 records of the user",
        "the same to the bit",
        "that of the message",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(text.contains("a person was asked at 2026-11-29T00:00:40Z; `sigma decide` answers, unless"), "{text}");
    let json = serde_json::to_value(&explained).unwrap();
    assert!(!text.contains("the-token") && !json.to_string().contains("the-token"), "it is a secret");
    assert_eq!((&json["publishedAtMs"], &json["label"]["label"]), (&json!(NOW_MS + 31_250), &json!("fraud")));
    assert_eq!((&json["archive"]["record"]["isSame"], &json["decision"]["policyVersion"]), (&json!(true), &json!(3)));
}

#[test]
fn what_the_response_did_is_told() {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let ended = r#"{"action":"freeze","by":"arn:aws:iam::111122223333:user/alice","why":"ticket 42","at":"2026-11-29T00:05:00Z"}"#;
    let item = Item::from([(layout::RESPONSE.to_owned(), text(ended))]);
    let told = text::responded(&Response::of(&item).unwrap());
    assert_eq!(told, "action freeze, by arn:aws:iam::111122223333:user/alice, why ticket 42, at 2026-11-29T00:05:00Z");
    assert_eq!(Response::of(&Item::new()), None);
}

#[tokio::test]
async fn a_verdict_is_recomputed_to_the_bit_under_every_rule() {
    let archive = archive("rules");
    let parity = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/parity/profile");
    let (population, model) = (format!("{parity}/population.json"), format!("{parity}/model.json"));
    for (rule, arguments) in [
        (RuleKind::Plain, &[][..]),
        (RuleKind::Profile, &[]),
        (RuleKind::Profile, &["--population", &population, "--model", &model, "--model-mode", "alert"]),
        (RuleKind::Adaptive, &["--second-opinion", "profile", "--sigmas", "3", "--window-seconds", "3600"]),
    ] {
        let explained = explained(&message(arguments, rule), &archive, arguments).await;
        let check = explained.archive.unwrap();
        assert_eq!(check.is_same_configuration, Some(true), "{arguments:?}");
        assert!(check.outcome().is_ok(), "{rule:?} {:?}", check.record.unwrap().differences);
    }
    std::fs::remove_file(&archive).unwrap();
}

#[tokio::test]
async fn other_settings_are_named_and_what_differs_is_shown() {
    let (message, archive) = (message(&[], RuleKind::Adaptive), archive("settings"));
    let explained = explained(&message, &archive, &["--sigmas", "3"]).await;
    let text = text::text(&explained);
    let given = options(&["--sigmas", "3"]).settings.detector(RuleKind::Adaptive).unwrap().configuration_id();
    let named = format!("{given}, and the message has {}", message.configuration_id.unwrap());
    assert!(text.contains(&named) && text.contains("the detector had other settings"), "{text}");
    let threshold = format!("threshold: {} in the message", message.threshold);
    assert!(text.contains("differs:") && text.contains(&threshold), "{text}");
    let check = explained.archive.unwrap();
    assert!(check.outcome().unwrap_err().to_string().contains("another verdict"));
    // Another configuration that gives the same figures is named, and is no other verdict.
    let skewed = self::explained(&message, &archive, &["--max-clock-skew-seconds", "0"]).await.archive.unwrap();
    std::fs::remove_file(&archive).unwrap();
    assert!(skewed.is_same_configuration == Some(false) && skewed.outcome().is_ok());
}

#[tokio::test]
async fn a_changed_archive_and_a_missing_record_are_seen() {
    let (message, path) = (message(&[], RuleKind::Adaptive), archive("changed"));
    let lines = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, lines.replacen("40.1", "40.100000000000001", 1).replacen("41.1", "41.2", 1)).unwrap();
    let check = explained(&message, &path, &[]).await.archive.unwrap();
    let fields: Vec<&str> =
        check.record.as_ref().unwrap().differences.iter().map(|difference| difference.field).collect();
    assert!(fields.contains(&"mean") && !fields.contains(&"amount"), "{fields:?}");
    std::fs::write(&path, lines.replace("\"t30\"", "\"t99\"")).unwrap();
    let check = explained(&message, &path, &[]).await.archive.unwrap();
    std::fs::remove_file(&path).unwrap();
    let error = check.outcome().unwrap_err().to_string();
    assert!(error.contains("does not have the record") && error.contains("40 records of the user"), "{error}");
}

#[tokio::test]
async fn a_message_of_an_earlier_release_is_explained_as_far_as_it_goes() {
    let (mut message, archive) = (message(&[], RuleKind::Adaptive), archive("earlier"));
    message.configuration_id = None;
    let explained = explained(&message, &archive, &[]).await;
    std::fs::remove_file(&archive).unwrap();
    let text = text::text(&explained);
    assert!(text.contains("not named: the detector was of an earlier release"), "{text}");
    assert!(text.contains("the message names none") && explained.archive.unwrap().outcome().is_ok());
}

#[tokio::test]
async fn an_alert_that_is_not_there_or_not_readable_is_an_error_that_says_so() {
    let world = World::new().await;
    let error = read(&world.table, "absent").await.unwrap_err().to_string();
    assert!(error.contains("has no alert absent"), "{error}");
    let text = |text: &str| AttributeValue::S(text.to_owned());
    world.put(&[(layout::ID, text("new")), (layout::ALERT, text(r#"{"version":2}"#))]).await;
    let error = read(&world.table, "new").await.unwrap_err().to_string();
    assert!(error.contains("a version that this sigma cannot read"), "{error}");
}
