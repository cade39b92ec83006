//! The command against the embedded DynamoDB.

use alert_policy::Disposition;
use alerter::ledger::layout;
use aws_sdk_dynamodb::types::AttributeValue;
use clap::Parser;

use super::*;
use crate::policy::draft::Author;
use crate::policy::testing::{NOW_MS, World, author};

fn feedback(id: &str, label: Judgement) -> Feedback<'_> {
    Feedback { id, label, why: "ticket 42", allow: None, is_same_merchant: false, is_dry_run: false }
}

async fn given(world: &World, feedback: Feedback<'_>) -> anyhow::Result<Noted> {
    note(&world.table, &author(), feedback).await
}

#[tokio::test]
async fn a_label_says_who_when_and_why_and_the_rest_of_the_item_stays() {
    let world = World::new().await;
    let id = world.alert(1, "m12", 12.0, Disposition::Page).await;
    let before = world.item(&id).await.unwrap();
    let noted = given(&world, feedback(&id, Judgement::Fraud)).await.unwrap();
    assert!(noted.is_written && noted.replaced.is_none() && noted.text().ends_with("as fraud."));
    let mut item = world.item(&id).await.unwrap();
    let label = Label::of(&item).unwrap();
    let expected = Label { judgement: Judgement::Fraud, by: author().by, at_ms: NOW_MS, why: "ticket 42".to_owned() };
    assert_eq!(label, expected);
    item.retain(|name, _| !name.starts_with("label"));
    assert_eq!(item, before, "its expiry too");
}

#[tokio::test]
async fn a_later_label_replaces_the_earlier_one_and_says_so() {
    let world = World::new().await;
    let id = world.alert(1, "m12", 12.0, Disposition::Page).await;
    given(&world, feedback(&id, Judgement::Unsure)).await.unwrap();
    let later = Author { by: "arn:aws:iam::111122223333:user/bob".to_owned(), now_ms: NOW_MS + 60_000 };
    let noted = note(&world.table, &later, feedback(&id, Judgement::Legitimate)).await.unwrap();
    assert_eq!(noted.replaced.as_ref().unwrap().judgement, Judgement::Unsure);
    let expected = "It replaces unsure, by arn:aws:iam::111122223333:user/alice, 2026-11-29T00:00:00Z: ticket 42";
    assert!(noted.text().contains(expected), "{}", noted.text());
    let label = Label::of(&world.item(&id).await.unwrap()).unwrap();
    assert_eq!((label.judgement, label.by), (Judgement::Legitimate, later.by));
}

#[tokio::test]
async fn only_an_alert_can_be_labelled() {
    let world = World::new().await;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    world.put(&[(layout::ID, text("policy")), (layout::POLICY, text("{}"))]).await;
    let label = Label { judgement: Judgement::Fraud, by: author().by, at_ms: 1, why: "x".to_owned() };
    for id in ["policy", "absent"] {
        let error = given(&world, feedback(id, Judgement::Fraud)).await.unwrap_err().to_string();
        assert!(error.contains(&format!("no alert {id}")) && error.contains("LedgerRetentionDays"), "{error}");
        // Also if it expires between the look and the write.
        assert!(world.table.label(id, &label).await.unwrap_err().to_string().contains("no alert"));
    }
    assert!(world.item("absent").await.is_none());
    assert!(Label::of(&world.item("policy").await.unwrap()).is_none());
}

#[tokio::test]
async fn allowing_the_user_is_a_second_effect_by_the_code_of_policy_allow() {
    let world = World::new().await;
    let id = world.alert(1, "m12", 12.0, Disposition::Page).await;
    let wanted = Feedback { allow: Some(30.0 * 86_400.0), ..feedback(&id, Judgement::Legitimate) };
    let noted = given(&world, Feedback { is_dry_run: true, ..wanted }).await.unwrap();
    assert!(
        noted.text().contains("Nothing was written; it would label") && noted.text().contains("it would be listed")
    );
    assert!(world.item("user#user000").await.is_none() && Label::of(&world.item(&id).await.unwrap()).is_none());
    let noted = given(&world, Feedback { is_same_merchant: true, ..wanted }).await.unwrap();
    let listed = noted.listed.as_ref().unwrap();
    assert_eq!((listed.user_id.as_str(), listed.entries[0].by.as_str()), ("user000", author().by.as_str()));
    let item = world.item("user#user000").await.unwrap();
    assert!(item[layout::ENTRIES].as_s().unwrap().contains("m12"), "{item:?}");
    assert!(noted.text().contains("Listed now for user000:"), "{}", noted.text());
    assert!(given(&world, Feedback { allow: Some(400.0 * 86_400.0), ..wanted }).await.is_err(), "a year at most");
}

#[tokio::test]
async fn an_alert_without_a_user_lists_nobody_and_writes_nothing() {
    let world = World::new().await;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    world.put(&[(layout::ID, text("text:1")), (layout::ALERT, text("ANOMALY DETECTED: User u has …"))]).await;
    let allowing = Feedback { allow: Some(1.0), ..feedback("text:1", Judgement::Legitimate) };
    let error = given(&world, allowing).await.unwrap_err().to_string();
    assert!(error.contains("nobody can be listed"), "{error}");
    assert!(Label::of(&world.item("text:1").await.unwrap()).is_none());
    assert!(given(&world, feedback("text:1", Judgement::Legitimate)).await.unwrap().is_written);
}

#[test]
fn silencing_goes_with_legitimate_alone() {
    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }
    let parsed = |label: &str, more: &[&str]| {
        let given = ["feedback", "id", label, "--why", "x", "--table", "t"];
        Cli::try_parse_from(given.iter().chain(more)).map(|cli| cli.options)
    };
    assert!(parsed("legitimate", &["--allow", "30d"]).unwrap().check().is_ok());
    let error = parsed("fraud", &["--allow", "30d"]).unwrap().check().unwrap_err();
    assert_eq!(error.downcast::<clap::Error>().unwrap().exit_code(), 2);
    assert!(parsed("fraud", &["--same-merchant"]).is_err());
    assert!(parsed("maybe", &[]).unwrap_err().to_string().contains("unsure"));
    assert!(Cli::try_parse_from(["feedback", "id", "fraud", "--why", " ", "--table", "t"]).is_err());
}
