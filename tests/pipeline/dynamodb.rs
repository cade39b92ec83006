//! The DynamoDB adapters against the embedded DynamoDB, over HTTP.

use anomaly_core::{Position, Rule, RuleSettings, Transaction, UserState, codec};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use detector::Detector;
use detector::window_store::{CommitError, DynamoDbWindowStore, Loaded, StoredUser, WindowStore};
use lambda_kit::{Env, ManualClock};
use message_queue::MemoryMessageQueue;
use testbed::{EmbeddedDynamoDb, RequestCounter, create_table};

use crate::fixtures::{START_MS, invocation, kinesis_event, transaction, warm_up};

pub(crate) const TABLE: &str = "user-state";

pub(crate) struct Bench {
    pub(crate) client: Client,
    counter: RequestCounter,
    pub(crate) store: DynamoDbWindowStore,
    _dynamodb: EmbeddedDynamoDb,
}

pub(crate) async fn bench() -> Bench {
    let dynamodb = EmbeddedDynamoDb::start().unwrap();
    let counter = RequestCounter::default();
    let client = dynamodb.client(&counter);
    create_table(&client, TABLE, "userId").await.unwrap();
    let store = DynamoDbWindowStore::new(client.clone(), TABLE.to_owned());
    Bench { client, counter, store, _dynamodb: dynamodb }
}

fn rule() -> Rule {
    Rule::new(RuleSettings::default()).unwrap()
}

/// A state as full as it can be: every pane, four shards, sixteen transactions, large numbers.
pub(crate) fn full_state(count: u32) -> UserState {
    let rule = rule();
    let mut state = UserState::new(&rule);
    for i in 0..count {
        let shard = format!("shardId-{:012}", 3 - i * 4 / count).parse().unwrap();
        let position = Position {
            sequence_number: crate::fixtures::sequence(usize::try_from(i).unwrap()).parse().unwrap(),
            sub_sequence: i,
        };
        let transaction = Transaction {
            user_id: "u".into(),
            amount: 1e11 / 3.0 + f64::from(i % 17) * 1e9 / 7.0,
            event_time_ms: START_MS + i64::from(i) * 310_000 / i64::from(count),
            transaction_id: Some(format!("txn_{i}").into()),
            merchant_id: None,
        };
        state.step(&shard, position, &transaction, &rule);
    }
    state
}

pub(crate) fn stored(state: UserState, version: u64) -> StoredUser {
    StoredUser {
        state,
        outbox: Vec::new(),
        version: Some(version),
        updated_at_ms: START_MS,
        expires_at_seconds: START_MS / 1_000 + 7_776_000,
    }
}

/// The size of an item as DynamoDB counts it ("DynamoDB item sizes and formats", Developer Guide).
fn item_bytes(item: &std::collections::HashMap<String, AttributeValue>) -> usize {
    let value_bytes = |value: &AttributeValue| match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::B(blob) => blob.as_ref().len(),
        // One byte for every two significant digits, one more, and one for the sign.
        AttributeValue::N(number) => number.bytes().filter(u8::is_ascii_digit).count().div_ceil(2) + 2,
        other => panic!("{other:?}"),
    };
    item.iter().map(|(name, value)| name.len() + value_bytes(value)).sum()
}

#[tokio::test]
async fn a_written_user_is_read_back_bit_for_bit() {
    let bench = bench().await;
    let user = stored(full_state(5_000), 7);
    bench.store.commit("u", &user, None).await.unwrap();
    let loaded = bench.store.load(&["u", "nobody"]).await;
    let loaded: Vec<Loaded> = loaded.into_iter().map(Result::unwrap).collect();
    assert_eq!(loaded, [Loaded::Present(Box::new(user)), Loaded::Absent]);
}

#[tokio::test]
async fn a_full_item_costs_one_write_unit() {
    let bench = bench().await;
    // A user id of 36 bytes, the length of a UUID. Every pane has more than 127 transactions.
    let user_id = "123e4567-e89b-12d3-a456-426614174000";
    let user = stored(full_state(10_000), 1_760_000_100_000);
    assert!(codec::encode(&user.state).len() > 850, "the state is full");
    bench.store.commit(user_id, &user, None).await.unwrap();
    let request = bench.client.get_item().table_name(TABLE).key("userId", AttributeValue::S(user_id.to_owned()));
    let item = request.send().await.unwrap().item.unwrap();
    let bytes = item_bytes(&item);
    println!("a full item has {bytes} bytes, {} of them in the state", codec::encode(&user.state).len());
    assert!(bytes <= 1_024, "{bytes}");
}

#[tokio::test]
async fn a_conflict_returns_the_stored_item() {
    let bench = bench().await;
    let first = stored(full_state(10), 7);
    bench.store.commit("u", &first, None).await.unwrap();
    let first = Loaded::Present(Box::new(first));
    let second = stored(full_state(20), 8);
    for (user_id, replaced, found, why) in [
        ("u", None, &first, "there is an item"),
        ("u", Some(6), &first, "it has another version"),
        ("v", Some(6), &Loaded::Absent, "there is no item"),
    ] {
        match bench.store.commit(user_id, &second, replaced).await.unwrap_err() {
            CommitError::Conflict(stored) => assert_eq!(stored, *found, "{why}"),
            CommitError::Failed(error) => panic!("{why}: {error}"),
        }
    }
    bench.store.commit("u", &second, Some(7)).await.unwrap();
}

#[tokio::test]
async fn an_item_that_cannot_be_read_is_corrupt_and_not_absent() {
    let bench = bench().await;
    for (name, value) in [
        ("state", AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new([9]))),
        ("state", AttributeValue::S("text".to_owned())),
        ("version", AttributeValue::S("text".to_owned())),
        ("outbox", AttributeValue::S("not json".to_owned())),
    ] {
        bench.store.commit("u", &stored(full_state(10), 7), None).await.unwrap();
        let update = bench.client.update_item().table_name(TABLE).key("userId", AttributeValue::S("u".to_owned()));
        let update = update.update_expression("SET #name = :value").expression_attribute_names("#name", name);
        update.expression_attribute_values(":value", value).send().await.unwrap();
        assert!(matches!(&bench.store.load(&["u"]).await[0], Ok(Loaded::Corrupt(_))), "{name}");
        let delete = bench.client.delete_item().table_name(TABLE).key("userId", AttributeValue::S("u".to_owned()));
        delete.send().await.unwrap();
    }
}

#[tokio::test]
async fn more_than_a_hundred_users_are_read_in_order() {
    let bench = bench().await;
    let ids: Vec<String> = (0..250).map(|i| format!("user{i}")).collect();
    for id in ids.iter().step_by(2) {
        bench.store.commit(id, &stored(full_state(3), 7), None).await.unwrap();
    }
    let loaded = bench.store.load(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let is_present: Vec<bool> = loaded.iter().map(|l| matches!(l, Ok(Loaded::Present(_)))).collect();
    assert_eq!(is_present, (0..250).map(|i| i % 2 == 0).collect::<Vec<_>>());
    assert_eq!(bench.counter.reads(), 250);
}

#[tokio::test]
async fn the_handler_on_the_real_adapter_reads_once_and_writes_once_a_batch() {
    let bench = bench().await;
    let (anomalies, clock) = (MemoryMessageQueue::default(), ManualClock::at(START_MS));
    let settings = detector::DetectorSettings::from_env(&Env::default()).unwrap();
    let detector =
        Detector::new(bench.store.clone(), anomalies.clone(), MemoryMessageQueue::default(), clock.clone(), settings);
    for batch in 0..5 {
        let records = warm_up(batch * 20, "u");
        detector.handle(&kinesis_event(&records), &invocation(&clock)).await.unwrap();
    }
    assert_eq!((bench.counter.reads(), bench.counter.writes()), (1, 5));
    let outlier = kinesis_event(&[transaction(100, "u", 9_000.0)]);
    detector.handle(&outlier, &invocation(&clock)).await.unwrap();
    assert_eq!((bench.counter.reads(), bench.counter.writes()), (1, 7), "the commit and the clear");
    assert_eq!(anomalies.take().len(), 1);
}

#[tokio::test]
async fn an_outbox_survives_in_the_item() {
    let bench = bench().await;
    let queue = MemoryMessageQueue::default();
    queue.faults.extend([lambda_kit::Fault::Refused]);
    let clock = ManualClock::at(START_MS);
    let settings = || detector::DetectorSettings::from_env(&Env::default()).unwrap();
    let mut records = warm_up(0, "u");
    records.push(transaction(20, "u", 9_000.0));
    let event = kinesis_event(&records);
    for expected in [0, 1] {
        // A new container each time.
        let store = bench.store.clone();
        let detector = Detector::new(store, queue.clone(), MemoryMessageQueue::default(), clock.clone(), settings());
        detector.handle(&event, &invocation(&clock)).await.unwrap();
        assert_eq!(queue.take().len(), expected);
    }
}
