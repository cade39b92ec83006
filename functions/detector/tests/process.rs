//! The detector as a process, between a Runtime API and an SQS that accepts everything.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests: a panic is a failed test")]

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use event_source::kinesis::{LOCAL_STREAM_ARN, StreamRecord, event_json};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A process that makes no request for this long fails the test.
const PATIENCE: Duration = Duration::from_mins(1);
/// In ms since the epoch: the year 2100.
const DEADLINE_MS: &str = "4102444800000";
const CONFIRMED: &str = r#"{"Successful":[{"Id":"0","MessageId":"m"}],"Failed":[]}"#;

/// A request of the process, other than for an event.
#[derive(Debug)]
struct Request {
    path: String,
    body: Value,
}

struct Services {
    events: Mutex<UnboundedReceiver<Bytes>>,
    requests: UnboundedSender<Request>,
}

/// A detector and the other end of what it is connected to.
struct Running {
    child: Child,
    events: UnboundedSender<Bytes>,
    requests: UnboundedReceiver<Request>,
}

impl Running {
    async fn start() -> Self {
        let (events, receiver) = unbounded_channel();
        let (sender, requests) = unbounded_channel();
        let services = Arc::new(Services { events: Mutex::new(receiver), requests: sender });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(serve).with_state(services);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { child: spawn(address), events, requests }
    }

    async fn request(&mut self) -> Request {
        tokio::time::timeout(PATIENCE, self.requests.recv()).await.unwrap().unwrap()
    }

    /// The process's answer to an event.
    async fn invoke(&mut self, event: impl Into<Bytes>) -> Request {
        self.events.send(event.into()).unwrap();
        self.request().await
    }

    /// The message of the error that an event ends with.
    async fn error(&mut self, event: impl Into<Bytes>) -> String {
        let Request { path, body } = self.invoke(event).await;
        assert!(path.ends_with("/error"), "{path}: {body}");
        body["errorMessage"].as_str().unwrap().to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It is waiting for an event that is never sent.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(address: SocketAddr) -> Child {
    let queue = |name: &str| format!("https://sqs.us-east-1.amazonaws.com/000000000000/{name}");
    Command::new(env!("CARGO_BIN_EXE_detector"))
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
        .env("AWS_ENDPOINT_URL", format!("http://{address}"))
        .env("AWS_LAMBDA_FUNCTION_NAME", "detector")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "AKIDTEST")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("STATE_TABLE_NAME", "user-state")
        .env("ANOMALY_QUEUE_URL", queue("anomalies"))
        .env("QUARANTINE_QUEUE_URL", queue("quarantine"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

async fn serve(State(services): State<Arc<Services>>, uri: Uri, body: Bytes) -> Response {
    if uri.path().ends_with("/invocation/next") {
        return next(&services).await;
    }
    let body = serde_json::from_slice(&body).unwrap_or_default();
    services.requests.send(Request { path: uri.path().to_owned(), body }).unwrap();
    match uri.path() {
        "/" => ([("content-type", "application/x-amz-json-1.0")], CONFIRMED).into_response(),
        _ => StatusCode::ACCEPTED.into_response(),
    }
}

async fn next(services: &Services) -> Response {
    let Some(event) = services.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let headers = [
        ("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
        ("Lambda-Runtime-Deadline-Ms", DEADLINE_MS),
        ("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:detector"),
    ];
    (headers, event).into_response()
}

fn rejected_record() -> String {
    let record = StreamRecord {
        sequence_number: "1".to_owned(),
        partition_key: "k".to_owned(),
        data: b"not JSON".to_vec(),
        arrival_time_ms: 1_760_000_100_000,
    };
    event_json(LOCAL_STREAM_ARN, "shardId-000000000000", &[record])
}

#[tokio::test]
async fn events_reach_the_handler_whole_and_an_event_that_is_not_a_batch_is_reported() {
    let mut detector = Running::start().await;
    let quarantined = detector.invoke(rejected_record()).await;
    assert!(quarantined.body["Entries"][0]["MessageBody"].as_str().unwrap().contains("not-json"), "{quarantined:?}");
    assert_accepted(&detector.request().await);

    assert!(detector.error("{}").await.contains("no list of Kinesis records"));
    assert!(detector.error("not JSON").await.contains("not JSON"));
    assert!(detector.error("").await.contains("not JSON"));
    assert!(detector.error(&b"\xFF"[..]).await.contains("not UTF-8"));

    assert_accepted(&detector.invoke(r#"{"Records":[]}"#).await);
}

fn assert_accepted(request: &Request) {
    assert!(request.path.ends_with("/response"), "{request:?}");
    assert_eq!(request.body, serde_json::json!({"batchItemFailures": []}));
}
