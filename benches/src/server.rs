//! A small stand-in for what a function talks to: Lambda's Runtime API, and an AWS that takes everything. On loopback, on a thread of
//! its own; what it costs is not the function's.

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

use crate::answers::{TARGET_HEADER, answer};

/// A function that says nothing for so long is given up.
const PATIENCE: Duration = Duration::from_mins(1);
/// Lambda gives a function this long for one event.
const DEADLINE: Duration = Duration::from_mins(1);
/// PublishBatch answers in XML; ten entries, confirmed.
const PUBLISHED: &str = "<PublishBatchResponse><PublishBatchResult><Failed/><Successful><member><Id>0</Id><MessageId>m</MessageId>\
</member></Successful></PublishBatchResult></PublishBatchResponse>";
/// An empty map in CBOR: the answer to PutMetricData.
const EMPTY_CBOR: [u8; 1] = [0xA0];

/// What a function did.
#[derive(Debug)]
pub(crate) enum Said {
    /// It asked for the next event.
    Asked,
    /// It answered one.
    Answered(String),
    /// It reported an error.
    Failed(String),
}

struct Shared {
    said: Sender<Said>,
    events: Mutex<UnboundedReceiver<String>>,
}

/// The server.
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    events: UnboundedSender<String>,
    said: Receiver<Said>,
}

impl Server {
    /// Starts on a free port of 127.0.0.1. It lives as long as the process: one for each function, so that nothing of an earlier
    /// one is left in it.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (say, said) = channel();
        let (events, receiver) = unbounded_channel();
        let shared = Arc::new(Shared { said: say, events: Mutex::new(receiver) });
        std::thread::Builder::new().name("server".to_owned()).spawn(move || serve(listener, shared))?;
        Ok(Self { address, events, said })
    }

    /// Hands an event to the function that asked.
    pub(crate) fn send(&self, event: String) -> anyhow::Result<()> {
        Ok(self.events.send(event)?)
    }

    /// Waits until the function asks for an event.
    pub(crate) fn wait_until_asked(&self) -> anyhow::Result<()> {
        match self.said.recv_timeout(PATIENCE).context("the function said nothing")? {
            Said::Asked => Ok(()),
            Said::Answered(answer) => anyhow::bail!("an answer to nothing: {answer}"),
            Said::Failed(error) => anyhow::bail!("the function failed: {error}"),
        }
    }

    /// Waits for the answer to the event that was handed out.
    pub(crate) fn wait_for_answer(&self) -> anyhow::Result<String> {
        match self.said.recv_timeout(PATIENCE).context("the function said nothing")? {
            Said::Answered(answer) => Ok(answer),
            Said::Asked => anyhow::bail!("the function asked before it answered"),
            Said::Failed(error) => anyhow::bail!("the function failed: {error}"),
        }
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
    // Whoever waits for it may be gone; then nobody needs it.
    let _ = shared.said.send(Said::Asked);
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
    let _ = shared.said.send(Said::Answered(body));
    StatusCode::ACCEPTED
}

async fn error(State(shared): State<Arc<Shared>>, body: String) -> StatusCode {
    let _ = shared.said.send(Said::Failed(body));
    StatusCode::ACCEPTED
}

async fn aws(uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    if uri.path().ends_with("/operation/PutMetricData") {
        let headers = [("content-type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")];
        return (headers, EMPTY_CBOR).into_response();
    }
    match headers.get(TARGET_HEADER).and_then(|target| target.to_str().ok()) {
        Some(target) => {
            ([("content-type", "application/x-amz-json-1.0")], answer(target, &body).into_owned()).into_response()
        }
        None => ([("content-type", "text/xml")], PUBLISHED).into_response(),
    }
}
