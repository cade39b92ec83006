//! AWS as one HTTP endpoint on loopback, for functions that run as processes of their own: `AWS_ENDPOINT_URL` is all that they need.
//!
//! DynamoDB is the embedded one. Of the other services it has the calls that the functions make, and accepts each of them: what is
//! sent to a queue or to a topic goes to the owner of the [`Endpoint`]. Metrics are accepted and forgotten.
//!
//! Deliberately absent: signatures, permissions, faults. The full-stack tests have those.

mod forward;
mod kinesis;
mod sns;
mod sqs;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use forward::Forward;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::dynamodb::EmbeddedDynamoDb;

/// Largest request: DynamoDB's 16 MB.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The header that names the operation of a JSON protocol.
const TARGET: &str = "x-amz-target";
/// An empty map in CBOR: the response to PutMetricData.
const EMPTY_CBOR: [u8; 1] = [0xA0];

/// What a function sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// A message to a queue.
    Message {
        /// The queue.
        queue_url: String,
        /// The body, as it was sent.
        body: String,
    },
    /// A notification to a topic, as an email subscriber would get it.
    Mail {
        /// The subject.
        subject: String,
        /// The text for the protocol `email`.
        text: String,
        /// The message attribute `disposition`, which people's subscriptions filter on; empty if the message has none.
        disposition: String,
    },
}

/// The endpoint. It serves as long as the tokio runtime in which it was started.
#[derive(Debug)]
pub struct Endpoint {
    address: SocketAddr,
    sent: UnboundedReceiver<Sent>,
}

#[derive(Debug)]
struct Services {
    dynamodb: Forward,
    /// Unbounded: a function sends no more than its invocations hold, and waits for each response.
    sent: UnboundedSender<Sent>,
}

impl Endpoint {
    /// Starts on a free port of 127.0.0.1, in front of a database, which has to live longer.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn start(dynamodb: &EmbeddedDynamoDb) -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.context("no free port on 127.0.0.1")?;
        let address = listener.local_addr()?;
        let (sender, sent) = unbounded_channel();
        let services = Services { dynamodb: Forward::to(dynamodb.address()), sent: sender };
        let limit = DefaultBodyLimit::max(BODY_BYTES_MAX);
        let router = Router::new().fallback(serve).layer(limit).with_state(Arc::new(services));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, sent })
    }

    /// The value of `AWS_ENDPOINT_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next thing that a function sends; `None` if the endpoint no longer serves.
    pub async fn sent(&mut self) -> Option<Sent> {
        self.sent.recv().await
    }
}

/// DynamoDB's requests go to the database as they are; the others are read.
async fn serve(State(services): State<Arc<Services>>, headers: HeaderMap, uri: Uri, request: Request) -> Response {
    let target = headers.get(TARGET).and_then(|target| target.to_str().ok()).unwrap_or_default();
    if target.starts_with("DynamoDB_") {
        return services.dynamodb.forward(request).await;
    }
    match axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX).await {
        Ok(body) => accept(&services, target, &uri, &body),
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

fn accept(services: &Services, target: &str, uri: &Uri, body: &Bytes) -> Response {
    let (sent, response) = match target {
        "AmazonSQS.SendMessageBatch" => sqs::send_message_batch(body),
        "Kinesis_20131202.ListShards" => (Vec::new(), kinesis::list_shards()),
        _ if uri.path().ends_with("/operation/PutMetricData") => (Vec::new(), metric_accepted()),
        _ => sns::publish_batch(body),
    };
    for sent in sent {
        // Without a receiver nobody wants to know.
        let _ = services.sent.send(sent);
    }
    response
}

fn metric_accepted() -> Response {
    ([("content-type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")], EMPTY_CBOR).into_response()
}

/// A response of the JSON protocols.
fn json(document: &serde_json::Value) -> Response {
    ([("content-type", "application/x-amz-json-1.1")], document.to_string()).into_response()
}

/// The response to a call that the functions never make.
fn unknown() -> Response {
    let document = serde_json::json!({ "__type": "UnknownOperationException", "message": "the local AWS does not have this call" });
    (StatusCode::BAD_REQUEST, json(&document)).into_response()
}
