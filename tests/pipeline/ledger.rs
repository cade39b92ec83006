//! The table of the ledger on the embedded DynamoDB: the adapter's expressions against a real database.

use alert_policy::{Decision, Disposition, Rank, Reason};
use alerter::ledger::{
    Claim, DynamoDbLedger, Ending, Entry, Lease, Ledger, PageOfDay, PolicyStore, StoredUser, Turn, WaitingList, layout,
};
use anomaly_core::Severity;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use testbed::{EmbeddedDynamoDb, RequestCounter, create_ledger_table};

use crate::fixtures::decision;

const TABLE: &str = "ledger";

struct Table {
    client: Client,
    ledger: DynamoDbLedger,
    /// Stops when this is dropped.
    _dynamodb: EmbeddedDynamoDb,
}

impl Table {
    async fn new() -> Self {
        let dynamodb = EmbeddedDynamoDb::start().unwrap();
        let client = dynamodb.client(&RequestCounter::default());
        create_ledger_table(&client, TABLE).await.unwrap();
        let ledger = DynamoDbLedger::new(client.clone(), TABLE.to_owned());
        Self { client, ledger, _dynamodb: dynamodb }
    }

    async fn put(&self, id: &str, attribute: &str, text: &str) {
        let put = self.client.put_item().table_name(TABLE).item(layout::ID, AttributeValue::S(id.to_owned()));
        put.item(attribute, AttributeValue::S(text.to_owned())).send().await.unwrap();
    }

    async fn claim(&self, id: &str, lease: Lease<'_>, decision: &Decision) -> Claim {
        self.ledger.claim(Entry { id, body: "the message", decision }, lease).await.unwrap()
    }

    async fn complete(&self, id: &str, lease: Lease<'_>, priority: Severity) {
        let decision = Decision { priority, ..decision(Disposition::Digest) };
        self.claim(id, lease, &decision).await;
        let ending = Ending { id, decision: &decision, published_at_ms: None, rank: Some(decision.rank(6.0)) };
        self.ledger.complete(ending, lease).await.unwrap();
    }

    async fn waiting(&self, limit: usize) -> Vec<String> {
        let mut waiting = self.ledger.waiting(limit).await.unwrap();
        waiting.sort_by(|a, b| b.rank.partial_cmp(&a.rank).unwrap());
        waiting.into_iter().map(|waiting| waiting.id).collect()
    }
}

fn lease(owner: &str, now_ms: i64) -> Lease<'_> {
    Lease { owner, now_ms, until_ms: now_ms + 30_000, expires_at_seconds: 9_999_999_999 }
}

#[tokio::test]
async fn the_ledger_grants_holds_and_completes() {
    let table = Table::new().await;
    let page = decision(Disposition::Page);
    let claim = async |id, lease| table.claim(id, lease, &page).await;
    let granted = || Claim::Granted(page.clone());
    let ending = Ending { id: "a", decision: &page, published_at_ms: None, rank: None };
    assert_eq!(claim("a", lease("one", 0)).await, granted());
    assert_eq!(claim("a", lease("one", 1)).await, granted(), "the SDK repeats a claim whose response was lost");
    assert_eq!(claim("a", lease("two", 30_001)).await, Claim::Held);
    assert_eq!(claim("a", lease("two", 30_002)).await, granted(), "the lease has run out");
    let marking = lease("two", 40_000);
    table.ledger.mark_published(ending, lease("one", 40_000)).await.unwrap();
    assert_eq!(claim("a", lease("three", 40_000)).await, Claim::Held, "a mark of one that has lost its claim");
    table.ledger.mark_published(ending, marking).await.unwrap();
    assert_eq!(claim("a", lease("three", 40_000)).await, Claim::GrantedPublished(page.clone()));
    table.ledger.mark_published(ending, marking).await.unwrap();
    assert_eq!(claim("a", lease("four", 40_001)).await, Claim::Held, "a repeated mark ends no claim of another");
    table.ledger.complete(ending, lease("three", 40_001)).await.unwrap();
    table.ledger.mark_published(ending, lease("three", 40_000)).await.unwrap();
    assert_eq!(claim("a", lease("five", 999_999)).await, Claim::Completed, "completed once and for all");
    assert_eq!(claim("b", lease("five", 999_999)).await, granted());
}

#[tokio::test]
async fn the_first_claims_decision_counts() {
    let table = Table::new().await;
    let silent = decision(Disposition::Silent);
    table.claim("a", lease("one", 0), &silent).await;
    let later = table.claim("a", lease("two", 60_000), &decision(Disposition::Page)).await;
    assert_eq!(later, Claim::Granted(silent));
}

/// When an alert was published, as the table has it.
async fn published_at(table: &Table, id: &str) -> Option<String> {
    let get = table.client.get_item().table_name(TABLE).key(layout::ID, AttributeValue::S(id.to_owned()));
    let item = get.send().await.unwrap().item.unwrap();
    item.get(layout::PUBLISHED_AT).map(|time| time.as_n().unwrap().clone())
}

#[tokio::test]
async fn the_first_time_of_publishing_is_kept() {
    let table = Table::new().await;
    let page = decision(Disposition::Page);
    let ending = |published_at_ms| Ending { id: "a", decision: &page, published_at_ms, rank: None };
    table.claim("a", lease("one", 0), &page).await;
    assert_eq!(published_at(&table, "a").await, None);
    table.ledger.mark_published(ending(Some(7)), lease("one", 9)).await.unwrap();
    assert_eq!(published_at(&table, "a").await.as_deref(), Some("7"));
    table.claim("a", lease("two", 10), &page).await;
    table.ledger.complete(ending(None), lease("two", 11)).await.unwrap();
    assert_eq!(published_at(&table, "a").await.as_deref(), Some("7"), "counted later, and not published again");
    let silent = decision(Disposition::Silent);
    table.claim("b", lease("one", 0), &silent).await;
    let ending = Ending { id: "b", decision: &silent, published_at_ms: None, rank: None };
    table.ledger.complete(ending, lease("one", 1)).await.unwrap();
    assert_eq!(published_at(&table, "b").await, None, "nobody was told");
}

#[tokio::test]
async fn what_the_budget_refused_is_stored_with_the_end_and_waits() {
    let table = Table::new().await;
    let page = decision(Disposition::Page);
    table.claim("a", lease("one", 0), &page).await;
    let refused = page.over_budget();
    let ending = Ending { id: "a", decision: &refused, published_at_ms: Some(1), rank: Some(refused.rank(12.0)) };
    table.ledger.mark_published(ending, lease("one", 1)).await.unwrap();
    assert!(table.waiting(10).await.is_empty(), "not counted yet, so not completed");
    table.ledger.complete(ending, lease("one", 2)).await.unwrap();
    assert_eq!(table.waiting(10).await, ["a"]);
    let stored = table.ledger.alerts(&["a", "absent"]).await.unwrap();
    assert_eq!(stored.len(), 1);
    assert_eq!((stored["a"].body.as_str(), &stored["a"].decision.reason), ("the message", &Reason::Budget));
}

#[tokio::test]
async fn a_summary_takes_alerts_off_the_list_for_good() {
    let table = Table::new().await;
    for number in 0..30 {
        let priority = if number == 17 { Severity::Critical } else { Severity::Warning };
        table.complete(&number.to_string(), lease("one", 0), priority).await;
    }
    let waiting = table.waiting(1_000).await;
    assert_eq!((waiting.len(), waiting[0].as_str()), (30, "17"));
    assert!(table.waiting(10).await.len() <= 10, "bounded, and the most urgent of each part");
    table.ledger.remove("17").await.unwrap();
    table.ledger.remove("17").await.unwrap();
    table.ledger.remove("absent").await.unwrap();
    let again = decision(Disposition::Digest);
    let rank = Some(Rank { priority: Severity::Critical, score: 1.0, repeats: 0 });
    let ending = Ending { id: "17", decision: &again, published_at_ms: None, rank };
    table.ledger.complete(ending, lease("one", 9)).await.unwrap();
    let left = table.waiting(1_000).await;
    assert_eq!(left.len(), 29, "a completion that the SDK repeats puts nothing back");
}

#[tokio::test]
async fn one_invocation_at_a_time_makes_a_summary() {
    let table = Table::new().await;
    let begin = async |owner, now_ms| table.ledger.begin_summary(lease(owner, now_ms)).await.unwrap();
    assert_eq!(begin("one", 0).await, Turn::Ours);
    assert_eq!(begin("one", 1).await, Turn::Ours, "repeated by the SDK");
    assert_eq!(begin("two", 30_001).await, Turn::Held);
    table.ledger.end_summary(lease("two", 30_001), 0).await.unwrap();
    assert_eq!(begin("two", 30_001).await, Turn::Held, "not the owner's end");
    table.ledger.end_summary(lease("one", 30_001), 90_000).await.unwrap();
    assert_eq!(begin("two", 90_000).await, Turn::JustEnded);
    assert_eq!(begin("two", 90_001).await, Turn::Ours);
    assert_eq!(begin("three", 120_002).await, Turn::Ours, "the lease of one that crashed has run out");
}

#[tokio::test]
async fn the_policy_and_what_is_known_of_users_are_read_together() {
    let table = Table::new().await;
    assert_eq!(table.ledger.read(&[], &[]).await.unwrap().policy, None);
    table.put(layout::POLICY, layout::POLICY, "{}").await;
    table.put(&layout::user("u1"), layout::ENTRIES, "entries").await;
    table.put(&layout::user("u2"), "something else", "x").await;
    table.ledger.write_history("u1", "history", 1).await.unwrap();
    let many: Vec<String> = (0..200).map(|number| format!("u{number}")).collect();
    let silent = decision(Disposition::Silent);
    table.claim("a", lease("one", 0), &silent).await;
    let users: Vec<&str> = many.iter().map(String::as_str).collect();
    let stored = table.ledger.read(&users, &["a", "absent"]).await.unwrap();
    assert_eq!(stored.decided, [("a".to_owned(), silent)].into());
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(stored.policy, text("{}"));
    assert_eq!(stored.users["u1"], StoredUser { entries: text("entries"), history: text("history") });
    assert_eq!(stored.users["u2"], StoredUser { entries: text(""), history: None }, "there, but not readable");
    assert_eq!(stored.users["u199"], StoredUser::default());
}

#[tokio::test]
async fn a_day_has_its_pages_and_no_more() {
    let table = Table::new().await;
    let take = async |day, id| {
        let page = PageOfDay { day, id, pages_max: 2, expires_at_seconds: 1 };
        table.ledger.take_page(page).await.unwrap()
    };
    assert_eq!(take("2027-01-31", "a").await, Some(1));
    assert_eq!(take("2027-01-31", "a").await, Some(1), "the same alert has it already");
    assert_eq!(take("2027-01-31", "b").await, Some(2));
    assert_eq!(take("2027-01-31", "c").await, None);
    assert_eq!(take("2027-01-31", "b").await, Some(2));
    assert_eq!(take("2027-02-01", "c").await, Some(1));
}
