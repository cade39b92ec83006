//! The commands against the embedded DynamoDB.

use alert_policy::{Disposition, Policy, Rule, UserEntries};
use alerter::ledger::{DynamoDbLedger, PolicyStore};
use aws_sdk_cloudformation::operation::describe_stacks::DescribeStacksOutput;
use aws_sdk_cloudformation::types::{Output as StackOutput, Stack, StackStatus};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityOutput;
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use aws_smithy_types::DateTime;
use clap::Args as _;
use serde_json::{Value, json};

use super::allow::{allow, entry};
use super::draft::{of_merchant, silencing};
use super::losses::Cause;
use super::set::set;
use super::show;
use super::silence::silence;
use super::store::PolicyTable;
use super::suggest::suggest;
use super::testing::{DAY_MS, NOW_MS, World, author};
use crate::ledger::place::{caller, ledger_table};

/// Days ago, merchant, score, and what became of it.
type Told = (i64, &'static str, f64, Disposition);

fn payroll() -> Value {
    json!({"id": "payroll", "match": {"merchantId": ["m12"]}, "then": "silent", "until": "2027-01-31", "why": "ticket 42"})
}

fn refunds() -> Rule {
    silencing(Some(of_merchant("m12").unwrap()), 30.0 * 86_400.0, "refunds", &author()).unwrap()
}

#[tokio::test]
async fn each_policy_says_who_wrote_it_and_keeps_the_one_before() {
    let world = World::new().await;
    assert_eq!(world.set(&json!({})).await.unwrap().version, 1);
    assert_eq!(world.set(&json!({"rules": [payroll()]})).await.unwrap().version, 2);
    let shown = show::read(&world.table, true).await.unwrap();
    let policy = shown.in_force.as_ref().and_then(|edition| edition.policy.clone()).unwrap();
    assert_eq!((policy.version, policy.by.as_str(), policy.rules.len()), (2, author().by.as_str(), 1));
    let versions: Vec<u64> = shown.versions.iter().map(|edition| edition.version).collect();
    assert_eq!(versions, [1]);
    let text = shown.text(NOW_MS);
    for part in [
        "version 2, by arn:aws:iam::111122223333:user/alice, 2026-11-29T00:00:00Z",
        "payroll: silent until 2027-01-31",
        "version 1, by",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test]
async fn a_version_is_never_used_twice() {
    let world = World::new().await;
    world.set(&json!({})).await.unwrap();
    world.set(&json!({})).await.unwrap();
    world
        .client
        .delete_item()
        .table_name("ledger")
        .key("id", AttributeValue::S("policy".to_owned()))
        .send()
        .await
        .unwrap();
    let version = world.set(&json!({})).await.unwrap().version;
    assert_eq!(version, 2, "the newest that is kept is 1");
    assert!(world.item("policy#1").await.is_some());
}

#[tokio::test]
async fn who_comes_second_is_told_so_and_changes_nothing() {
    let world = World::new().await;
    for version in [1, 2] {
        let before = world.table.policy().await.unwrap();
        world.set(&json!({"rules": [payroll()]})).await.unwrap();
        let error = world.editor(false).replace(before.as_ref(), Policy::default(), Vec::new()).await.unwrap_err();
        let expected = format!("somebody changed it to version {version} meanwhile. Look with `sigma policy show`");
        assert!(error.to_string().contains(&expected), "{error}");
        let stored = world.table.policy().await.unwrap().unwrap();
        assert_eq!((stored.version, stored.content.unwrap().rules.len()), (version, 1));
    }
}

#[tokio::test]
async fn a_dry_run_writes_nothing() {
    let world = World::new().await;
    let change = set(&world.editor(true), Policy::default()).await.unwrap();
    assert_eq!((change.version, change.is_written), (1, false));
    assert!(silence(&world.editor(true), refunds()).await.is_ok());
    let new = entry(None, 86_400.0, "known", &author()).unwrap();
    allow(&world.table, ("user001", Some(new)), &author(), true).await.unwrap();
    assert_eq!(world.client.scan().table_name("ledger").send().await.unwrap().count, 0);
}

#[tokio::test]
async fn a_policy_that_cannot_be_read_can_be_replaced_but_not_added_to() {
    let world = World::new().await;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    world
        .put(&[("id", text("policy")), ("policy", text("{broken")), ("version", AttributeValue::N("7".to_owned()))])
        .await;
    let shown = show::read(&world.table, false).await.unwrap().text(NOW_MS);
    assert!(shown.contains("version 7 cannot be read"), "{shown}");
    let error = silence(&world.editor(false), refunds()).await.unwrap_err().to_string();
    assert!(error.contains("Replace it with `sigma policy set FILE`"), "{error}");
    let change = world.set(&json!({})).await.unwrap();
    assert!(
        change.version == 8 && change.notes[0].starts_with("Warning: the stored policy (version 7) cannot be read")
    );
    assert_eq!(world.item("policy#7").await.unwrap()["policy"], text("{broken"));
}

#[tokio::test]
async fn an_item_without_a_version_is_replaced_too() {
    let world = World::new().await;
    world.put(&[("id", AttributeValue::S("policy".to_owned())), ("policy", AttributeValue::S("{}".to_owned()))]).await;
    assert_eq!(world.set(&json!({})).await.unwrap().version, 1);
    assert!(world.item("policy#0").await.is_some());
}

#[tokio::test]
async fn a_version_that_is_kept_is_never_overwritten() {
    let world = World::new().await;
    for _ in 0..3 {
        world.set(&json!({})).await.unwrap();
    }
    let first = world.item("policy#1").await;
    let by_hand = [("id", "policy"), ("policy", r#"{"digest":{"top":7}}"#)];
    let mut by_hand = by_hand.map(|(name, value)| (name, AttributeValue::S(value.to_owned()))).to_vec();
    world.put(&by_hand).await;
    assert_eq!(world.set(&json!({})).await.unwrap().version, 4);
    assert!(world.item("policy#3").await.unwrap()["policy"].as_s().unwrap().contains("top\":7"));
    by_hand.push(("version", AttributeValue::N("1".to_owned())));
    world.put(&by_hand).await;
    assert_eq!(world.set(&json!({})).await.unwrap().version, 5);
    assert_eq!(world.item("policy#1").await, first);
}

#[tokio::test]
async fn without_a_policy_the_defaults_are_shown() {
    let world = World::new().await;
    let shown = show::read(&world.table, true).await.unwrap();
    assert!(shown.text(NOW_MS).starts_with("There is no policy. Without one, critical alerts are told at once"));
}

#[tokio::test]
async fn the_losses_shown_equal_a_plain_count() {
    let world = World::new().await;
    let alerts: [Told; 8] = [
        (1, "m12", 12.0, Disposition::Page),
        (2, "m12", 3.0, Disposition::Digest),
        (29, "m12", 40.0, Disposition::Page),
        (31, "m12", 50.0, Disposition::Page),
        (3, "m12", 20.0, Disposition::Silent),
        (3, "m7", 11.0, Disposition::Page),
        (3, "m7", 30.0, Disposition::Page),
        (3, "m8", 3.0, Disposition::Digest),
    ];
    for (days_ago, merchant, score, disposition) in alerts {
        world.alert(days_ago, merchant, score, disposition).await;
    }
    let waits =
        json!({"id": "waits", "match": {"merchantId": ["m7"]}, "then": "digest", "until": "2027-01-31", "why": "x"});
    let change = world.set(&json!({"rules": [payroll(), waits]})).await.unwrap();
    let recent = || alerts.iter().filter(|alert| alert.0 <= 30);
    let count =
        |predicate: &dyn Fn(&Told) -> bool| u64::try_from(recent().filter(|alert| predicate(alert)).count()).unwrap();
    let losses = &change.last_days;
    assert_eq!((losses.reading.alerts, losses.told), (count(&|_| true), count(&|alert| alert.3.is_published())));
    let [payroll, waits] = losses.by_cause.as_slice() else { panic!("{losses:?}") };
    assert_eq!(payroll.matches, count(&|alert| alert.1 == "m12"));
    assert_eq!(payroll.silenced, count(&|alert| alert.1 == "m12" && alert.3.is_published()));
    assert_eq!((payroll.delayed, waits.silenced), (0, 0));
    assert_eq!(waits.delayed, count(&|alert| alert.1 == "m7" && alert.3 == Disposition::Page));
    assert!(payroll.worst.len() == 3 && payroll.worst[0].contains("user002"), "{:?}", payroll.worst);
    assert!(
        losses.text().contains("rule \"payroll\": decides 4; 3 that were told would reach nobody"),
        "{}",
        losses.text()
    );
}

#[tokio::test]
async fn a_level_and_shadow_mode_lose_alerts_too() {
    let world = World::new().await;
    for score in [12.0, 30.0] {
        world.alert(1, "m7", score, Disposition::Page).await;
    }
    let level = world.set(&json!({"page": {"score": 20}})).await.unwrap().last_days.by_cause;
    assert_eq!((&level[0].cause, level[0].delayed, level[0].silenced), (&Cause::PageLevel, 1, 0));
    let shadow = world.set(&json!({"mode": "shadow"})).await.unwrap().last_days.by_cause;
    assert_eq!((&shadow[0].cause, shadow[0].delayed, shadow[0].silenced), (&Cause::ShadowMode, 0, 2));
}

#[tokio::test]
async fn a_silencing_rule_comes_first_and_what_has_ended_goes() {
    let world = World::new().await;
    world.set(&json!({"rules": [payroll()]})).await.unwrap();
    silence(&world.editor(false), refunds()).await.unwrap();
    silence(&world.editor(false), refunds()).await.unwrap();
    let ids = |policy: &Policy| policy.rules.iter().map(|rule| rule.id.clone()).collect::<Vec<_>>();
    let policy = world.table.policy().await.unwrap().unwrap().content.unwrap();
    assert_eq!(ids(&policy), ["silence-2026-11-29-2", "silence-2026-11-29", "payroll"]);
    let mut later = world.editor(false);
    later.author.now_ms += 40 * DAY_MS;
    let rule = silencing(Some(of_merchant("m1").unwrap()), 86_400.0, "more", &later.author).unwrap();
    let change = silence(&later, Rule { id: "mine".to_owned(), ..rule }).await.unwrap();
    assert_eq!((ids(&change.policy), change.notes.len()), (vec!["mine".to_owned(), "payroll".to_owned()], 2));
}

#[tokio::test]
async fn a_users_entries_are_added_and_taken_back() {
    let world = World::new().await;
    let new = |merchant: Option<&str>, days: f64| entry(merchant, days * 86_400.0, "ticket 42", &author()).unwrap();
    allow(&world.table, ("user001", Some(new(None, 30.0))), &author(), false).await.unwrap();
    let listed = allow(&world.table, ("user001", Some(new(Some("m12"), 10.0))), &author(), false).await.unwrap();
    assert_eq!(listed.entries.len(), 2);
    let item = world.item("user#user001").await.unwrap();
    let expected = (NOW_MS + 31 * DAY_MS) / 1_000;
    assert_eq!(
        (&item["version"], &item["expiresAt"]),
        (&AttributeValue::N("2".to_owned()), &AttributeValue::N(expected.to_string()))
    );
    assert!(UserEntries::parse(item["entries"].as_s().unwrap()).is_ok());
    let text = show::read(&world.table, false).await.unwrap().text(NOW_MS);
    assert!(text.contains("user001: silent until 2026-12-29T00:00:00Z, everything: ticket 42 (by arn:"), "{text}");
    allow(&world.table, ("user001", None), &author(), false).await.unwrap();
    assert!(show::read(&world.table, false).await.unwrap().users.is_empty());
    assert!(entry(None, 400.0 * 86_400.0, "too long", &author()).is_err());
}

#[tokio::test]
async fn the_alerter_reads_what_is_written_here() {
    let world = World::new().await;
    world.set(&json!({"rules": [payroll()]})).await.unwrap();
    let new = entry(None, 86_400.0, "known", &author()).unwrap();
    allow(&world.table, ("user001", Some(new.clone())), &author(), false).await.unwrap();
    let stored = DynamoDbLedger::new(world.client.clone(), "ledger".to_owned()).read(&["user001"], &[]).await.unwrap();
    assert_eq!(Policy::parse(&stored.policy.unwrap()).unwrap().rules[0].id, "payroll");
    let entries = stored.users["user001"].entries.clone().unwrap();
    assert_eq!(UserEntries::parse(&entries).unwrap().entries, [new]);
}

#[tokio::test]
async fn two_who_list_the_same_user_do_not_overwrite_each_other() {
    let world = World::new().await;
    let new = || entry(None, 86_400.0, "known", &author()).unwrap();
    let before = world.table.user("user001").await.unwrap();
    allow(&world.table, ("user001", Some(new())), &author(), false).await.unwrap();
    let entries = UserEntries { entries: vec![new()] };
    let error = world.table.replace_user("user001", before.as_ref(), (&entries, 1)).await.unwrap_err();
    assert!(error.to_string().contains("somebody changed it to version 1"), "{error}");
}

#[tokio::test]
async fn a_level_is_suggested_from_the_ledger() {
    let world = World::new().await;
    let error = suggest(&world.table, 1, NOW_MS).await.unwrap_err().to_string();
    assert!(error.contains("no alerts of the last 30 days"), "{error}");
    for (days_ago, score) in [(1, 12.0), (1, 15.0), (1, 3.0), (2, 11.0), (40, 99.0)] {
        world.alert(days_ago, "m7", score, Disposition::Digest).await;
    }
    let suggestion = suggest(&world.table, 1, NOW_MS).await.unwrap();
    assert_eq!((suggestion.page.score, suggestion.page.per_day), (Some(15.0), Some(1)));
    assert_eq!((suggestion.samples, suggestion.days_with_alerts, suggestion.pages_per_day_max), (4, 2, 1));
    assert_eq!(suggest(&world.table, 3, NOW_MS).await.unwrap().page.severity, anomaly_core::Severity::Warning);
}

#[tokio::test]
async fn a_table_that_is_not_there_is_an_error_that_helps() {
    let world = World::new().await;
    let table = PolicyTable::new(world.client.clone(), "other".to_owned());
    let error = show::read(&table, false).await.unwrap_err().to_string();
    assert!(error.contains("the stack's output LedgerTableName names it"), "{error}");
}

async fn table_of(output: &'static str) -> anyhow::Result<String> {
    let described = mock!(aws_sdk_cloudformation::Client::describe_stacks).then_output(move || {
        let output = StackOutput::builder().output_key(output).output_value("ledger").build();
        let stack = Stack::builder().stack_name("demo").creation_time(DateTime::from_secs(0)).outputs(output);
        let stack = stack.stack_status(StackStatus::CreateComplete).build();
        DescribeStacksOutput::builder().stacks(stack).build()
    });
    ledger_table(&mock_client!(aws_sdk_cloudformation, RuleMode::MatchAny, &[&described]), "demo").await
}

#[tokio::test]
async fn the_table_is_that_of_the_stack() {
    assert_eq!(table_of("LedgerTableName").await.unwrap(), "ledger");
    let error = table_of("Other").await.unwrap_err().to_string();
    assert!(error.contains("the stack demo has no output LedgerTableName"), "{error}");
}

#[tokio::test]
async fn the_author_is_whom_sts_names() {
    let identity = mock!(aws_sdk_sts::Client::get_caller_identity)
        .then_output(|| GetCallerIdentityOutput::builder().arn("arn:aws:iam::111122223333:user/alice").build());
    assert_eq!(caller(&mock_client!(aws_sdk_sts, RuleMode::MatchAny, &[&identity])).await.unwrap(), author().by);
}

#[test]
fn the_command_line_takes_what_the_documentation_says() {
    let command = || super::Options::augment_args(clap::Command::new("policy"));
    command().debug_assert();
    let parse = |line: &str| command().try_get_matches_from(line.split(' '));
    for line in [
        "policy show --stack demo --versions --json",
        "policy check policy.json",
        "policy set policy.json --table ledger --dry-run --region eu-central-1",
        "policy allow user001 --for 30d --merchant m --why ticket --stack demo",
        "policy allow user001 --remove --stack demo",
        "policy silence --merchant m --for 30d --why refunds --stack demo --yes",
        "policy silence --match {\"merchantId\":[\"m\"]} --for 30d --why refunds --id a --table ledger",
        "policy suggest --per-day 5 --stack demo",
    ] {
        assert!(parse(line).is_ok(), "{line}: {}", parse(line).unwrap_err());
    }
    for line in [
        "policy show",
        "policy show --stack demo --table ledger",
        "policy allow user001 --stack demo",
        "policy allow user001 --remove --why x --stack demo",
        "policy silence --for 30d --why refunds --stack demo",
        "policy silence --merchant m --match {} --for 30d --why refunds --stack demo",
        "policy suggest --per-day 0 --stack demo",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}
