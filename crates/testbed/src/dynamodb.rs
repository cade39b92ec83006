//! The embedded DynamoDB: dynoxide behind its own HTTP server on loopback, so that the real SDK and the real adapters talk to it over
//! the wire.

pub mod counter;

use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;

use alerter::ledger::layout;
use anyhow::{Context, anyhow};
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use counter::RequestCounter;
use lambda_kit::{AwsSettings, sdk_config};
use tokio::sync::oneshot;

/// The server. It has its own thread and stops when this is dropped.
#[derive(Debug)]
pub struct EmbeddedDynamoDb {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl EmbeddedDynamoDb {
    /// Starts an empty database on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// If no port can be bound or no thread started.
    pub fn start() -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("dynamodb".to_owned()).spawn(move || serve(listener, stopped))?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// The address it listens on.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL it listens on.
    #[must_use]
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A client. `counter` counts its requests.
    #[must_use]
    pub fn client(&self, counter: &RequestCounter) -> Client {
        let settings = AwsSettings {
            region: "us-east-1".to_owned(),
            endpoint_url: Some(self.endpoint_url()),
            credentials: Credentials::new("local", "local", None, None, "embedded"),
        };
        let config = aws_sdk_dynamodb::config::Builder::from(&sdk_config(settings)).interceptor(counter.clone());
        Client::from_conf(config.build())
    }
}

impl Drop for EmbeddedDynamoDb {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A server thread that panicked has already printed why.
            let _ = thread.join();
        }
    }
}

fn serve(listener: std::net::TcpListener, stopped: oneshot::Receiver<()>) {
    if let Err(error) = try_to_serve(listener, stopped) {
        eprintln!("the embedded DynamoDB failed: {error:#}");
    }
}

fn try_to_serve(listener: std::net::TcpListener, stopped: oneshot::Receiver<()>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let database = dynoxide::Database::memory().map_err(|error| anyhow!("{error:?}"))?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        tokio::select! {
            () = dynoxide::server::serve_on(listener, database) => {}
            _ = stopped => {}
        }
        Ok(())
    })
}

/// Creates an on-demand table with one string key.
///
/// # Errors
/// If the database refuses.
pub async fn create_table(client: &Client, name: &str, key: &str) -> anyhow::Result<()> {
    create(client.create_table().table_name(name), &[key], schema(&[key])?).await
}

/// Creates the on-demand table of the ledger, as the template has it: with the index of what waits for a summary.
///
/// # Errors
/// If the database refuses.
pub async fn create_ledger_table(client: &Client, name: &str) -> anyhow::Result<()> {
    let index = GlobalSecondaryIndex::builder()
        .index_name(layout::DIGEST_INDEX)
        .set_key_schema(Some(schema(&[layout::DIGEST_KEY, layout::DIGEST_RANK])?))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()?;
    let call = client.create_table().table_name(name).global_secondary_indexes(index);
    create(call, &[layout::ID, layout::DIGEST_KEY, layout::DIGEST_RANK], schema(&[layout::ID])?).await
}

async fn create(
    call: CreateTableFluentBuilder,
    attributes: &[&str],
    schema: Vec<KeySchemaElement>,
) -> anyhow::Result<()> {
    let attribute = |name: &&str| {
        AttributeDefinition::builder().attribute_name(*name).attribute_type(ScalarAttributeType::S).build()
    };
    let attributes = attributes.iter().map(attribute).collect::<Result<_, _>>()?;
    let call = call.set_attribute_definitions(Some(attributes)).set_key_schema(Some(schema));
    call.billing_mode(BillingMode::PayPerRequest).send().await.context("a table could not be created")?;
    Ok(())
}

/// Deletes the items of the ledger whose time has come, as DynamoDB's TTL does by itself.
///
/// # Errors
/// If the database does not respond.
pub async fn delete_expired(client: &Client, table: &str, now_seconds: i64) -> anyhow::Result<()> {
    let scan = client.scan().table_name(table).filter_expression("expiresAt < :now").projection_expression(layout::ID);
    let scan = scan.expression_attribute_values(":now", AttributeValue::N(now_seconds.to_string()));
    let mut pages = scan.into_paginator().items().send();
    while let Some(key) = pages.try_next().await? {
        client.delete_item().table_name(table).set_key(Some(key)).send().await?;
    }
    Ok(())
}

/// A partition key and, if there is a second name, a sort key.
fn schema(names: &[&str]) -> anyhow::Result<Vec<KeySchemaElement>> {
    let kinds = [KeyType::Hash, KeyType::Range];
    let element =
        |(name, kind): (&&str, KeyType)| KeySchemaElement::builder().attribute_name(*name).key_type(kind).build();
    Ok(names.iter().zip(kinds).map(element).collect::<Result<_, _>>()?)
}
