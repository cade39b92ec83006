//! The embedded DynamoDB: dynoxide behind its own HTTP server on loopback, so that the real SDK and the real adapters talk to it over
//! the wire.

pub mod counter;

use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;

use anyhow::{Context, anyhow};
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
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
    let attribute =
        AttributeDefinition::builder().attribute_name(key).attribute_type(ScalarAttributeType::S).build()?;
    let schema = KeySchemaElement::builder().attribute_name(key).key_type(KeyType::Hash).build()?;
    let call = client.create_table().table_name(name).attribute_definitions(attribute).key_schema(schema);
    call.billing_mode(BillingMode::PayPerRequest).send().await.with_context(|| format!("table {name}"))?;
    Ok(())
}
