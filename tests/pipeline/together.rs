//! Users that are written by one request: each has an outcome of its own, by the adapter and by the protocol.

use std::cell::RefCell;
use std::rc::Rc;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use detector::window_store::{CommitError, DynamoDbWindowStore, Loaded, StoreError, StoredUser, Update, WindowStore};
use detector::{Detector, DetectorSettings};
use lambda_kit::telemetry::chain;
use lambda_kit::{Env, Fault, ManualClock};
use message_queue::MemoryMessageQueue;
use serde_json::{Value, json};

use crate::dynamodb::{TABLE, bench, full_state, stored};
use crate::fixtures::{
    DetectorBench, START_MS, SharedStore, invocation, kinesis_event, sequence, transaction, warm_up,
};

/// Three users, each at version 7 where the store is asked to replace it.
fn three(user: &StoredUser) -> [Update<'_>; 3] {
    ["a", "b", "c"].map(|user_id| Update { user_id, user, replaced: 7 })
}

#[tokio::test]
async fn each_user_of_a_request_is_written_or_not_by_itself() {
    let bench = bench().await;
    let (seventh, ninth) = (stored(full_state(10), 7), stored(full_state(30), 9));
    bench.store.commit("a", &seventh, None).await.unwrap();
    bench.store.commit("b", &ninth, None).await.unwrap();
    let eighth = stored(full_state(20), 8);
    let outcomes = bench.store.update(&three(&eighth)).await;
    let [Ok(()), Err(CommitError::Conflict(of_b)), Err(CommitError::Conflict(of_c))] = outcomes.as_slice() else {
        panic!("{outcomes:?}")
    };
    assert_eq!((of_b, of_c), (&Loaded::Present(Box::new(ninth.clone())), &Loaded::Absent));
    let held: Vec<Loaded> = bench.store.load(&["a", "b", "c"]).await.into_iter().map(Result::unwrap).collect();
    let present = |user: StoredUser| Loaded::Present(Box::new(user));
    assert_eq!(held, [present(eighth), present(ninth), Loaded::Absent], "an update creates nothing");
}

#[tokio::test]
async fn an_item_that_is_updated_is_the_item_that_a_commit_writes() {
    let bench = bench().await;
    let (seventh, eighth) = (stored(full_state(10), 7), stored(full_state(20), 8));
    for user_id in ["a", "b", "c", "whole"] {
        bench.store.commit(user_id, &seventh, None).await.unwrap();
    }
    assert!(bench.store.update(&three(&eighth)).await.iter().all(Result::is_ok));
    bench.store.commit("whole", &eighth, Some(7)).await.unwrap();
    let item = async |user_id: &str| {
        let request = bench.client.get_item().table_name(TABLE).key("userId", AttributeValue::S(user_id.to_owned()));
        let mut item = request.send().await.unwrap().item.unwrap();
        item.remove("userId");
        item
    };
    assert_eq!(item("b").await, item("whole").await);
}

/// The outcomes, in words, of three updates if DynamoDB responds with this status and body.
async fn answered(status: u16, body: Value) -> Vec<String> {
    let response = move || HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_string()));
    let rule =
        mock!(aws_sdk_dynamodb::Client::batch_execute_statement).match_requests(|_| true).then_http_response(response);
    let store = DynamoDbWindowStore::new(mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [&rule]), TABLE.to_owned());
    let outcomes = store.update(&three(&stored(full_state(10), 8))).await;
    outcomes.into_iter().map(in_words).collect()
}

fn in_words(outcome: Result<(), CommitError>) -> String {
    match outcome {
        Ok(()) => "written".to_owned(),
        Err(CommitError::Conflict(Loaded::Absent)) => "no item".to_owned(),
        Err(CommitError::Conflict(Loaded::Present(user))) => format!("version {}", user.version.unwrap()),
        Err(CommitError::Conflict(Loaded::Corrupt(_))) => "corrupt".to_owned(),
        Err(CommitError::Failed(error)) => chain(&error),
    }
}

/// Every code of the API reference (`BatchStatementError`) but the one of a condition.
#[tokio::test]
async fn a_statement_that_is_refused_fails_its_user_alone_and_names_the_code() {
    for code in [
        "ItemCollectionSizeLimitExceeded",
        "RequestLimitExceeded",
        "ValidationError",
        "ProvisionedThroughputExceeded",
        "TransactionConflict",
        "ThrottlingError",
        "InternalServerError",
        "ResourceNotFound",
        "AccessDenied",
        "DuplicateItem",
        "CodeOfTomorrow",
    ] {
        let refused = json!({ "TableName": TABLE, "Error": { "Code": code, "Message": "why" } });
        let answers = json!({ "Responses": [{ "TableName": TABLE }, refused, { "TableName": TABLE }] });
        let outcomes = answered(200, answers).await;
        let failed = format!("the window store failed to write: {code}: why");
        assert_eq!(outcomes, ["written", failed.as_str(), "written"]);
    }
}

#[tokio::test]
async fn a_condition_that_fails_brings_the_item_that_is_there() {
    let conflict = |item: Value| json!({ "Error": { "Code": "ConditionalCheckFailed", "Message": "m", "Item": item } });
    let without = json!({ "Error": { "Code": "ConditionalCheckFailed", "Message": "m" } });
    let unreadable = conflict(json!({ "userId": { "S": "a" }, "version": { "N": "9" } }));
    let answers = json!({ "Responses": [without, conflict(json!({})), unreadable] });
    assert_eq!(answered(200, answers).await, ["no item", "no item", "corrupt"]);
}

#[tokio::test]
async fn answers_that_cannot_be_assigned_are_no_answers() {
    for answers in [json!({ "Responses": [{}, {}] }), json!({ "Responses": [{}, {}, {}, {}] }), json!({})] {
        let outcomes = answered(200, answers).await;
        let unanswered = "the window store failed to write: DynamoDB has not answered for every statement";
        assert_eq!(outcomes, [unanswered; 3]);
    }
}

#[tokio::test]
async fn a_request_that_is_refused_fails_each_of_its_users() {
    let refusal =
        json!({ "__type": "AccessDeniedException", "Message": "not authorized to perform: dynamodb:PartiQLUpdate" });
    let outcomes = answered(400, refusal).await;
    assert_eq!(outcomes.len(), 3);
    assert!(outcomes.iter().all(|outcome| outcome.contains("dynamodb:PartiQLUpdate")), "{outcomes:?}");
}

/// A store that remembers who was in each request that writes.
#[derive(Debug, Clone, Default)]
struct Observed {
    store: SharedStore,
    requests: Rc<RefCell<Vec<String>>>,
}

impl WindowStore for Observed {
    async fn load(&self, user_ids: &[&str]) -> Vec<Result<Loaded, StoreError>> {
        self.store.load(user_ids).await
    }

    async fn commit(&self, user_id: &str, user: &StoredUser, replaced: Option<u64>) -> Result<(), CommitError> {
        self.requests.borrow_mut().push(user_id.to_owned());
        self.store.commit(user_id, user, replaced).await
    }

    async fn update(&self, updates: &[Update<'_>]) -> Vec<Result<(), CommitError>> {
        let users: Vec<&str> = updates.iter().map(|one| one.user_id).collect();
        self.requests.borrow_mut().push(users.join("+"));
        self.store.update(updates).await
    }
}

/// A detector on an observed store that has an item of each of these users, from twenty usual transactions.
struct Bench {
    detector: Detector<Observed, MemoryMessageQueue, MemoryMessageQueue, ManualClock>,
    observed: Observed,
    clock: ManualClock,
}

impl Bench {
    async fn warm(user_ids: &[&str], env: &Env) -> Self {
        let (observed, clock) = (Observed::default(), ManualClock::at(START_MS));
        let settings = DetectorSettings::from_env(env).unwrap();
        let queue = MemoryMessageQueue::default;
        let detector = Detector::new(observed.clone(), queue(), queue(), clock.clone(), settings);
        let bench = Self { detector, observed, clock };
        let warm_ups = user_ids.iter().enumerate().flat_map(|(number, user_id)| warm_up(number * 20, user_id));
        assert_eq!(bench.handle(&warm_ups.collect::<Vec<_>>()).await, None);
        bench.requests();
        bench
    }

    /// Handles a batch. Returns the reported sequence number.
    async fn handle(&self, records: &[event_source::kinesis::StreamRecord]) -> Option<String> {
        let outcome = self.detector.handle(&kinesis_event(records), &invocation(&self.clock)).await.unwrap();
        outcome.response.batch_item_failures.into_iter().next().and_then(|failure| failure.item_identifier)
    }

    /// The requests that wrote since the last call, by their users, sorted.
    fn requests(&self) -> Vec<String> {
        let mut requests = self.observed.requests.take();
        requests.sort();
        requests
    }
}

/// One usual transaction of each user, from this index of the stream on.
fn usual(first: usize, user_ids: &[&str]) -> Vec<event_source::kinesis::StreamRecord> {
    let each = user_ids.iter().enumerate();
    each.map(|(number, user_id)| transaction(first + number, user_id, 101.0)).collect()
}

#[tokio::test]
async fn users_with_an_item_and_without_an_outbox_share_requests() {
    let users = ["a", "b", "c", "d", "e"];
    for (statements, expected) in
        [("25", vec!["a+b+c+d+e"]), ("2", vec!["a+b", "c+d", "e"]), ("1", vec!["a", "b", "c", "d", "e"])]
    {
        let bench = Bench::warm(&users, &Env::from_pairs([("COMMIT_STATEMENTS_MAX", statements)])).await;
        assert_eq!(bench.handle(&usual(100, &users)).await, None);
        assert_eq!(bench.requests(), expected);
    }
}

#[tokio::test]
async fn a_new_user_and_one_with_an_outbox_are_written_alone() {
    let bench = Bench::warm(&["a", "b", "c"], &Env::default()).await;
    let records = [usual(60, &["a", "new", "c"]), vec![transaction(63, "b", 9_000.0)]].concat();
    assert_eq!(bench.handle(&records).await, None);
    assert_eq!(bench.requests(), ["a+c", "b", "b", "new"], "the second request of b clears the outbox");
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_in_a_request_is_written_alone() {
    let bench = Bench::warm(&["a", "b", "c"], &Env::default()).await;
    bench.observed.store.0.commit_faults.extend([Fault::None, Fault::Refused, Fault::AppliedButFailed]);
    assert_eq!(bench.handle(&usual(60, &["a", "b", "c"])).await, None);
    assert_eq!(
        bench.requests(),
        ["a+b+c", "b", "c"],
        "c was written, which the conflict says: its record is a duplicate"
    );
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_alone_too_is_redelivered_and_nobody_else() {
    let bench = Bench::warm(&["a", "b", "c"], &Env::default()).await;
    bench.observed.store.0.commit_faults.extend([Fault::None, Fault::Refused, Fault::None, Fault::Refused]);
    assert_eq!(bench.handle(&usual(60, &["a", "b", "c"])).await, Some(sequence(61)));
    assert_eq!(bench.requests(), ["a+b+c", "b"]);
    assert_eq!(bench.handle(&usual(60, &["a", "b", "c"])[1..]).await, None);
    assert_eq!(bench.requests(), ["b"]);
}

#[tokio::test]
async fn a_conflict_of_one_user_is_folded_again_without_the_others() {
    let bench = Bench::warm(&["a", "b", "c"], &Env::default()).await;
    let other = DetectorBench::on(bench.observed.store.clone());
    other.handle(&kinesis_event(&usual(60, &["b"]))).await;
    assert_eq!(bench.handle(&usual(70, &["a", "b", "c"])).await, None);
    assert_eq!(bench.requests(), ["a+b+c", "b"]);
    let Loaded::Present(user) = bench.observed.store.0.get("b") else { panic!("b has an item") };
    assert_eq!(user.state.memory().usual().count, 22, "both transactions are in");
}
