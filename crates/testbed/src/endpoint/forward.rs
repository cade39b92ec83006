//! Requests that go on to another server on loopback, unchanged.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// A server that takes every request, whatever its path.
#[derive(Debug)]
pub(super) struct Forward {
    address: SocketAddr,
    client: Client<HttpConnector, Body>,
}

impl Forward {
    pub(super) fn to(address: SocketAddr) -> Self {
        Self { address, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    pub(super) async fn forward(&self, mut request: Request) -> Response {
        let Ok(uri) = format!("http://{}/", self.address).parse::<Uri>() else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        *request.uri_mut() = uri;
        match self.client.request(request).await {
            Ok(response) => response.map(Body::new),
            Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
        }
    }
}
