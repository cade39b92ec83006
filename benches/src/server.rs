//! A small stand-in for the services that a function talks to: Lambda's Runtime API, and an AWS that accepts every request. It runs on
//! loopback, on a thread of its own; its cost is not counted as the function's.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::responses::{TARGET_HEADER, response_body};

/// A function that makes no call for this long fails the benchmark.
const PATIENCE: Duration = Duration::from_mins(1);
/// Time that a function has for one event.
const DEADLINE: Duration = Duration::from_mins(1);
/// The response to PublishBatch, in XML, with one confirmed entry.
const PUBLISHED: &str = "<PublishBatchResponse><PublishBatchResult><Failed/><Successful><member><Id>0</Id><MessageId>m</MessageId>\
</member></Successful></PublishBatchResult></PublishBatchResponse>";
/// An empty map in CBOR: the response to PutMetricData.
const EMPTY_CBOR: [u8; 1] = [0xA0];

/// A function's call to the Runtime API.
#[derive(Debug)]
pub(crate) enum RuntimeCall {
    /// It requested the next event.
    Next,
    /// It returned a response.
    Response(String),
    /// It reported an error.
    Error(String),
}

struct Shared {
    calls: Sender<RuntimeCall>,
    events: Mutex<UnboundedReceiver<String>>,
}

/// The server.
pub(crate) struct Server {
    /// The address that it listens on.
    pub(crate) address: SocketAddr,
    events: UnboundedSender<String>,
    calls: Receiver<RuntimeCall>,
}

impl Server {
    /// Starts on a free port of 127.0.0.1. It lives as long as the process. Each function has one of its own, so that nothing of an
    /// earlier function is left in it.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (sender, calls) = channel();
        let (events, receiver) = unbounded_channel();
        let shared = Arc::new(Shared { calls: sender, events: Mutex::new(receiver) });
        std::thread::Builder::new().name("server".to_owned()).spawn(move || serve(listener, shared))?;
        Ok(Self { address, events, calls })
    }

    /// Sends an event to the function that requested one.
    pub(crate) fn send(&self, event: String) -> anyhow::Result<()> {
        Ok(self.events.send(event)?)
    }

    /// Waits until the function requests an event.
    pub(crate) fn wait_for_next(&self) -> anyhow::Result<()> {
        match self.next_call()? {
            RuntimeCall::Next => Ok(()),
            RuntimeCall::Response(body) => anyhow::bail!("a response without an event: {body}"),
            RuntimeCall::Error(error) => anyhow::bail!("the function failed: {error}"),
        }
    }

    /// Waits for the response to the event that was sent.
    pub(crate) fn wait_for_response(&self) -> anyhow::Result<String> {
        match self.next_call()? {
            RuntimeCall::Response(body) => Ok(body),
            RuntimeCall::Next => anyhow::bail!("the function requested an event before it responded"),
            RuntimeCall::Error(error) => anyhow::bail!("the function failed: {error}"),
        }
    }

    fn next_call(&self) -> anyhow::Result<RuntimeCall> {
        self.calls.recv_timeout(PATIENCE).context("the function made no call")
    }
}

fn serve(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let served = tokio::runtime::Builder::new_current_thread().enable_all().build().and_then(|runtime| {
        runtime.block_on(async {
            let router = Router::new()
                .route("/2018-06-01/runtime/invocation/next", get(next))
                .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
                .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
                .route("/2018-06-01/runtime/init/error", post(error))
                .fallback(aws)
                .with_state(shared);
            axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await
        })
    });
    if let Err(error) = served {
        eprintln!("the server failed: {error}");
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    // If the receiver is gone, nobody needs the call.
    let _ = shared.calls.send(RuntimeCall::Next);
    let Some(event) = shared.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + DEADLINE;
    let headers = [
        ("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned()),
        ("Lambda-Runtime-Deadline-Ms", deadline.as_millis().to_string()),
        ("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:bench".to_owned()),
        (
            "Lambda-Runtime-Trace-Id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0".to_owned(),
        ),
        ("Content-Type", "application/json".to_owned()),
    ];
    (headers, event).into_response()
}

async fn response(State(shared): State<Arc<Shared>>, Path(_): Path<String>, body: String) -> StatusCode {
    let _ = shared.calls.send(RuntimeCall::Response(body));
    StatusCode::ACCEPTED
}

async fn error(State(shared): State<Arc<Shared>>, body: String) -> StatusCode {
    let _ = shared.calls.send(RuntimeCall::Error(body));
    StatusCode::ACCEPTED
}

async fn aws(uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    if uri.path().ends_with("/operation/PutMetricData") {
        let headers = [("content-type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")];
        return (headers, EMPTY_CBOR).into_response();
    }
    match headers.get(TARGET_HEADER).and_then(|target| target.to_str().ok()) {
        Some(target) => ([("content-type", "application/x-amz-json-1.0")], response_body(target, &body).into_owned())
            .into_response(),
        None => ([("content-type", "text/xml")], PUBLISHED).into_response(),
    }
}
