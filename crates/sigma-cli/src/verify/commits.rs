//! `sigma verify --commits`: how fast the stack's table takes state, by requests of one user and of several. Whether DynamoDB works on the
//! statements of a request side by side is not documented, so that it has to be measured where it matters.
//!
//! It writes synthetic users through the detector's own store and removes them again; what is left expires within the hour.

mod advice;
mod synthetic;

use std::time::Duration;

use anyhow::Context;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, BatchStatementRequest, ConsumedCapacity, ReturnConsumedCapacity};
use detector::window_store::{CommitError, DynamoDbWindowStore, Update, WindowStore};
use futures_util::{StreamExt, TryStreamExt, stream};
use lambda_kit::telemetry::chain;
use tokio::time::Instant;

use super::clients::failed;
use super::stack::Stack;
pub(super) use advice::Measurements;
use advice::{Capacity, Measured};
use synthetic::Users;

/// Users that are written at a time.
const USERS: usize = 100;
/// Users in one request: what is compared.
const STATEMENTS: [usize; 4] = [1, 5, 10, 25];
/// Times that each is measured, in turns.
const ROUNDS: usize = 9;
/// Requests in flight at once, as the detector has by default.
const CONCURRENT: usize = 32;

/// Measures, and removes what it wrote, also after an error or an interruption.
pub(super) async fn measure(
    client: &Client,
    stack: &Stack,
    prefix: &str,
    interrupt: impl Future<Output = ()>,
) -> anyhow::Result<Measurements> {
    let (measured, capacity) = measure_table(client, &stack.state_table, prefix, interrupt).await?;
    Ok(Measurements::new(measured, capacity, stack.commit_statements_max))
}

async fn measure_table(
    client: &Client,
    table: &str,
    prefix: &str,
    interrupt: impl Future<Output = ()>,
) -> anyhow::Result<([Measured; STATEMENTS.len()], Capacity)> {
    let mut users = Users::new(prefix, USERS);
    let measured = tokio::select! {
        measured = measure_each(client, table, &mut users) => measured,
        () = interrupt => Err(anyhow::anyhow!("interrupted")),
    };
    let removed = remove(client, table, &users).await;
    measured.and_then(|measured| removed.map(|()| measured))
}

async fn measure_each(
    client: &Client,
    table: &str,
    users: &mut Users,
) -> anyhow::Result<([Measured; STATEMENTS.len()], Capacity)> {
    let store = DynamoDbWindowStore::new(client.clone(), table.to_owned());
    create(&store, users).await?;
    let mut measured = STATEMENTS.map(Measured::new);
    for _ in 0..ROUNDS {
        for one in &mut measured {
            let started = Instant::now();
            one.requests.extend(write(&store, users, one.statements).await?);
            one.all.push(started.elapsed());
        }
    }
    Ok((measured, capacity(client, table, users).await?))
}

async fn create(store: &DynamoDbWindowStore, users: &Users) -> anyhow::Result<()> {
    let user = users.stored();
    let creates = stream::iter(users.ids()).map(|user_id| store.commit(user_id, &user, None));
    creates.buffer_unordered(CONCURRENT).map(written).try_collect().await
}

/// Writes every user once. Returns how long each request took.
async fn write(store: &DynamoDbWindowStore, users: &mut Users, statements: usize) -> anyhow::Result<Vec<Duration>> {
    let replaced = users.advance();
    let user = users.stored();
    let updates: Vec<_> = users.ids().iter().map(|user_id| Update { user_id, user: &user, replaced }).collect();
    let request = async |updates: &[Update<'_>]| {
        let started = Instant::now();
        let outcomes = match updates {
            [one] => vec![store.commit(one.user_id, one.user, Some(one.replaced)).await],
            updates => store.update(updates).await,
        };
        outcomes.into_iter().try_for_each(written).map(|()| started.elapsed())
    };
    let requests = stream::iter(updates.chunks(statements)).map(request);
    requests.buffer_unordered(CONCURRENT).try_collect().await
}

fn written(outcome: Result<(), CommitError>) -> anyhow::Result<()> {
    outcome.map_err(|error| match error {
        CommitError::Conflict(_) => anyhow::anyhow!("somebody else writes the synthetic users"),
        CommitError::Failed(error) => anyhow::anyhow!(
            "{}; may you put, update (dynamodb:PartiQLUpdate) and delete items of the table, and use its key?",
            chain(&error)
        ),
    })
}

/// Write units a user, by a request of one user and by a statement of several.
async fn capacity(client: &Client, table: &str, users: &Users) -> anyhow::Result<Capacity> {
    let total = ReturnConsumedCapacity::Total;
    let first = users.ids().first().context("there are no users")?;
    let get = client.get_item().table_name(table).key("userId", AttributeValue::S(first.clone()));
    let item = get.consistent_read(true).send().await.map_err(|error| failed("DynamoDB does not read")(&error))?.item;
    let put = client.put_item().table_name(table).set_item(item).return_consumed_capacity(total.clone());
    let put = put.send().await.map_err(|error| failed("DynamoDB does not write")(&error))?;
    let statements = users.ids().iter().take(25).map(|user_id| touch(table, user_id)).collect::<Result<Vec<_>, _>>()?;
    let count = u32::try_from(statements.len()).map_or(f64::INFINITY, f64::from);
    let batch = client.batch_execute_statement().set_statements(Some(statements)).return_consumed_capacity(total);
    let batch = batch.send().await.map_err(|error| failed("DynamoDB does not update")(&error))?;
    let units: Option<f64> = batch.consumed_capacity().iter().map(ConsumedCapacity::capacity_units).sum();
    Ok(Capacity {
        alone: put.consumed_capacity().and_then(ConsumedCapacity::capacity_units),
        together: units.filter(|_| !batch.consumed_capacity().is_empty()).map(|units| units / count),
    })
}

/// An update that changes nothing. Its cost is that of the whole item.
fn touch(table: &str, user_id: &str) -> Result<BatchStatementRequest, aws_sdk_dynamodb::error::BuildError> {
    let text = format!(r#"UPDATE "{table}" SET "updatedAt"=0 WHERE "userId"=?"#);
    BatchStatementRequest::builder().statement(text).parameters(AttributeValue::S(user_id.to_owned())).build()
}

async fn remove(client: &Client, table: &str, users: &Users) -> anyhow::Result<()> {
    let delete = |user_id: &String| {
        client.delete_item().table_name(table).key("userId", AttributeValue::S(user_id.clone())).send()
    };
    let deleted: Vec<_> = stream::iter(users.ids()).map(delete).buffer_unordered(CONCURRENT).collect().await;
    let error = deleted.into_iter().find_map(Result::err);
    error.map_or(Ok(()), |error| {
        let expire = "the synthetic users could not all be removed, they expire within the hour";
        Err(failed(expire)(&error))
    })
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use testbed::{EmbeddedDynamoDb, RequestCounter, create_table};

    use super::*;

    async fn table() -> (EmbeddedDynamoDb, Client) {
        let dynamodb = EmbeddedDynamoDb::start().unwrap();
        let client = dynamodb.client(&RequestCounter::default());
        create_table(&client, "state", "userId").await.unwrap();
        (dynamodb, client)
    }

    async fn items(client: &Client) -> i32 {
        client.scan().table_name("state").send().await.unwrap().count()
    }

    #[tokio::test]
    async fn every_size_is_measured_and_nothing_stays() {
        let (_dynamodb, client) = table().await;
        let (measured, capacity) = measure_table(&client, "state", "sigma-verify-0", pending()).await.unwrap();
        for Measured { statements, requests, all } in measured {
            assert_eq!((requests.len(), all.len()), (ROUNDS * USERS / statements, ROUNDS));
        }
        assert_eq!(
            (capacity.alone, capacity.together),
            (Some(1.0), Some(1.0)),
            "a statement costs what a PutItem does"
        );
        assert_eq!(items(&client).await, 0);
    }

    #[tokio::test]
    async fn an_interruption_leaves_nothing_either() {
        let (_dynamodb, client) = table().await;
        let error = measure_table(&client, "state", "sigma-verify-0", ready(())).await.unwrap_err();
        assert_eq!((error.to_string().as_str(), items(&client).await), ("interrupted", 0));
    }

    #[tokio::test]
    async fn a_table_that_cannot_be_written_says_what_is_needed() {
        let (_dynamodb, client) = table().await;
        let error = measure_table(&client, "other", "sigma-verify-0", pending()).await.unwrap_err();
        assert!(error.to_string().contains("dynamodb:PartiQLUpdate"), "{error}");
    }
}
