//! The page and its two endpoints, on loopback.
//!
//! A page of another site must not reach them: the host has to be ours, which a name that was made to point at this machine is not (DNS
//! rebinding), and commands have to be JSON, which a form of another site cannot send.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::switches::Command;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What a page that opens gets first, and what follows.
pub(super) type Watching = (Arc<str>, broadcast::Receiver<Arc<str>>);

/// What the world is asked for.
#[derive(Debug)]
pub(super) enum Asked {
    /// To do something. The answer says why not.
    Do(Command, oneshot::Sender<Result<(), String>>),
    /// To be watched.
    Watch(oneshot::Sender<Watching>),
    /// To end, whoever still watches.
    End,
}

#[derive(Debug, Clone)]
struct Server {
    world: mpsc::Sender<Asked>,
    port: u16,
}

/// The routes of the server on this port.
pub(super) fn routes(world: mpsc::Sender<Asked>, port: u16) -> Router {
    let server = Server { world, port };
    Router::new()
        .route("/", get(|| async { file("text/html; charset=utf-8", include_str!("page/index.html")) }))
        .route("/page.css", get(|| async { file("text/css; charset=utf-8", include_str!("page/page.css")) }))
        .route("/page.js", get(|| async { file("text/javascript; charset=utf-8", include_str!("page/page.js")) }))
        .route("/chart.js", get(|| async { file("text/javascript; charset=utf-8", include_str!("page/chart.js")) }))
        .route("/icon.svg", get(|| async { file("image/svg+xml", include_str!("page/icon.svg")) }))
        .route("/updates", get(updates))
        .route("/commands", post(command))
        .layer(from_fn_with_state(server.clone(), guard))
        .with_state(server)
}

fn file(content_type: &'static str, text: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, content_type)], text)
}

/// Refuses what is not from this page, and says what the page may do.
async fn guard(State(server): State<Server>, request: Request, next: Next) -> Response {
    if !server.is_ours(&request) {
        let text = format!("This page is at http://127.0.0.1:{} only.\n", server.port);
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    let mut response = next.run(request).await;
    let headers = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ];
    response.headers_mut().extend(headers.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}

impl Server {
    fn is_ours(&self, request: &Request) -> bool {
        let hosts = [format!("127.0.0.1:{}", self.port), format!("localhost:{}", self.port)];
        let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
        let is_host = header(HOST).is_some_and(|host| hosts.iter().any(|ours| ours == host));
        let is_origin = |origin: &str| hosts.iter().any(|ours| origin.strip_prefix("http://") == Some(ours));
        is_host && header(ORIGIN).is_none_or(is_origin)
    }
}

/// Everything, then what is new, as server-sent events. A page that cannot keep up is disconnected; its
/// browser reconnects and gets everything again.
async fn updates(
    State(server): State<Server>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, StatusCode> {
    let (asked, answer) = oneshot::channel();
    let gone = |_| StatusCode::SERVICE_UNAVAILABLE;
    server.world.send(Asked::Watch(asked)).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let (whole, news) = answer.await.map_err(gone)?;
    let news = stream::unfold(news, |mut news| async { news.recv().await.ok().map(|update| (update, news)) });
    let events = stream::iter([whole]).chain(news).map(|update| Ok(Event::default().data(&*update)));
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

async fn command(State(server): State<Server>, Json(command): Json<Command>) -> Response {
    let (asked, answer) = oneshot::channel();
    if server.world.send(Asked::Do(command, asked)).await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match answer.await {
        Ok(Ok(())) => StatusCode::NO_CONTENT.into_response(),
        Ok(Err(why)) => (StatusCode::UNPROCESSABLE_ENTITY, why).into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
