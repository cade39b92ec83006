//! `sigma verify --commits`: how fast the stack's table takes state, by requests of one user and of several. Whether DynamoDB works on the
//! statements of a request side by side is not documented, so that it has to be measured where it matters.
//!
//! It writes synthetic users through the detector's own store and removes them again. What cannot be removed has expired after an hour, and
//! DynamoDB deletes it some time later.

mod advice;
mod synthetic;

use std::time::Duration;

use anyhow::Context;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, BatchStatementRequest, ConsumedCapacity, ReturnConsumedCapacity};
use detector::window_store::{CommitError, DynamoDbWindowStore, Loaded, Update, WindowStore};
use futures_util::{StreamExt, TryStreamExt, stream};
use lambda_kit::telemetry::chain;
use tokio::time::Instant;

use super::clients::failed;
use super::stack::Stack;
pub(super) use advice::Measurements;
use advice::{Capacity, Measured};
use synthetic::Users;

/// Users that are written at a time: a tenth of what the detector takes together, and so are the requests in flight.
const USERS: usize = 100;
const TENTH: usize = 10;
/// Users in one request: what is compared.
const STATEMENTS: [usize; 4] = [1, 5, 10, 25];
/// Times that each is measured, in turns.
const ROUNDS: usize = 9;
/// Requests in flight at once while users are created and removed.
const CONCURRENT: usize = 10;

/// Measures, and removes what it wrote, also after an error or an interruption.
pub(super) async fn measure(
    client: &Client,
    stack: &Stack,
    prefix: &str,
    interrupt: impl Future<Output = ()>,
) -> anyhow::Result<Measurements> {
    let concurrent = stack.commits_concurrent_max.div_ceil(TENTH);
    let (measured, capacity) = measure_table(client, (&stack.state_table, concurrent), prefix, interrupt).await?;
    Ok(Measurements::new(measured, capacity, stack.commit_statements_max))
}

async fn measure_table(
    client: &Client,
    (table, concurrent): (&str, usize),
    prefix: &str,
    interrupt: impl Future<Output = ()>,
) -> anyhow::Result<([Measured; STATEMENTS.len()], Capacity)> {
    let mut users = Users::new(prefix, USERS);
    let measured = tokio::select! {
        measured = measure_each(client, (table, concurrent), &mut users) => measured,
        () = interrupt => Err(anyhow::anyhow!("interrupted")),
    };
    match (measured, remove(client, table, &users).await) {
        (measured, Ok(())) => measured,
        (Ok(_), Err(left)) => Err(left),
        (Err(error), Err(left)) => Err(error.context(left)),
    }
}

async fn measure_each(
    client: &Client,
    (table, concurrent): (&str, usize),
    users: &mut Users,
) -> anyhow::Result<([Measured; STATEMENTS.len()], Capacity)> {
    let store = DynamoDbWindowStore::new(client.clone(), table.to_owned());
    create(&store, users).await?;
    let mut measured = STATEMENTS.map(Measured::new);
    for _ in 0..ROUNDS {
        for one in &mut measured {
            let started = Instant::now();
            one.requests.extend(write(&store, users, (one.statements, concurrent)).await?);
            one.all.push(started.elapsed());
        }
    }
    Ok((measured, capacity(client, table, users).await?))
}

async fn create(store: &DynamoDbWindowStore, users: &Users) -> anyhow::Result<()> {
    let user = users.stored();
    let creates = stream::iter(users.ids()).map(|user_id| store.commit(user_id, &user, None));
    creates.buffer_unordered(CONCURRENT).map(|outcome| written(outcome, users.version())).try_collect().await
}

/// Writes every user once. Returns how long each request took.
async fn write(
    store: &DynamoDbWindowStore,
    users: &mut Users,
    (statements, concurrent): (usize, usize),
) -> anyhow::Result<Vec<Duration>> {
    let replaced = users.advance();
    let user = users.stored();
    let updates: Vec<_> = users.ids().iter().map(|user_id| Update { user_id, user: &user, replaced }).collect();
    let request = async |updates: &[Update<'_>]| {
        let started = Instant::now();
        let outcomes = match updates {
            [one] => vec![store.commit(one.user_id, one.user, Some(one.replaced)).await],
            updates => store.update(updates).await,
        };
        let elapsed = started.elapsed();
        outcomes.into_iter().try_for_each(|outcome| written(outcome, replaced + 1)).map(|()| elapsed)
    };
    let requests = stream::iter(updates.chunks(statements)).map(request);
    requests.buffer_unordered(concurrent).try_collect().await
}

fn written(outcome: Result<(), CommitError>, version: u64) -> anyhow::Result<()> {
    match outcome {
        Ok(()) => Ok(()),
        // The response of the first attempt was lost, and the SDK has made it again.
        Err(CommitError::Conflict(Loaded::Present(held))) if held.version == Some(version) => Ok(()),
        Err(CommitError::Conflict(_)) => Err(anyhow::anyhow!("somebody else writes the synthetic users")),
        Err(CommitError::Failed(error)) => Err(anyhow::anyhow!("{}{}", chain(&error), hint(&chain(&error)))),
    }
}

fn hint(error: &str) -> &'static str {
    let has_any = |parts: &[&str]| parts.iter().any(|part| error.contains(part));
    if has_any(&["AccessDenied", "not authorized"]) {
        return "; may you put, update (dynamodb:PartiQLUpdate), get and delete items of the table, and use its key?";
    }
    if has_any(&["Throttl", "Throughput", "RequestLimit"]) {
        return "; the table has no capacity to spare: measure at another time, or raise StateWriteUnitsMin or MaxWriteRequestUnits";
    }
    ""
}

/// Write units a user, by a request of one user and by a statement of several.
async fn capacity(client: &Client, table: &str, users: &Users) -> anyhow::Result<Capacity> {
    let total = ReturnConsumedCapacity::Total;
    let first = users.ids().first().context("there are no users")?;
    let get = client.get_item().table_name(table).key("userId", AttributeValue::S(first.clone()));
    let item = get.consistent_read(true).send().await.map_err(|error| failed("DynamoDB does not read")(&error))?.item;
    // Conditional, so that it cannot come after the removal.
    let put = client.put_item().table_name(table).set_item(item).condition_expression("attribute_exists(userId)");
    let put = put.return_consumed_capacity(total.clone());
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
        let expire =
            "the synthetic users could not all be removed, they expire after an hour, and DynamoDB deletes them later";
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
        let (measured, capacity) = measure_table(&client, ("state", 4), "sigma-verify-0", pending()).await.unwrap();
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
        let error = measure_table(&client, ("state", 4), "sigma-verify-0", ready(())).await.unwrap_err();
        assert_eq!((error.to_string().as_str(), items(&client).await), ("interrupted", 0));
    }

    #[tokio::test]
    async fn what_fails_and_what_stays_is_said() {
        let (_dynamodb, client) = table().await;
        let error = measure_table(&client, ("other", 4), "sigma-verify-0", pending()).await.unwrap_err();
        assert!(format!("{error:#}").contains("could not all be removed"), "{error:#}");
        assert!(format!("{error:#}").contains("failed to write"), "{error:#}");
    }

    #[test]
    fn an_error_says_what_to_do() {
        assert!(hint("AccessDeniedException: …").contains("dynamodb:PartiQLUpdate"));
        assert!(hint("ThrottlingError: …").contains("no capacity to spare"));
        assert_eq!(hint("dispatch failure"), "");
    }

    #[test]
    fn a_write_that_was_repeated_after_a_lost_response_is_a_write() {
        let held = Users::new("u", 1).stored();
        let conflict = || Err(CommitError::Conflict(Loaded::Present(Box::new(held.clone()))));
        assert!(written(conflict(), 1).is_ok() && written(conflict(), 2).is_err());
    }
}
