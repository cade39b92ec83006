//! What AWS answers in these benchmarks: it takes everything. The same answers in process and over HTTP.

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

/// The header that names the operation of a JSON protocol.
pub(crate) const TARGET_HEADER: &str = "x-amz-target";
/// Ten entries, confirmed: the SDK ignores those that were not sent.
const SENT: &str = r#"{"Successful":[{"Id":"0","MessageId":"m"},{"Id":"1","MessageId":"m"},{"Id":"2","MessageId":"m"},
{"Id":"3","MessageId":"m"},{"Id":"4","MessageId":"m"},{"Id":"5","MessageId":"m"},{"Id":"6","MessageId":"m"},
{"Id":"7","MessageId":"m"},{"Id":"8","MessageId":"m"},{"Id":"9","MessageId":"m"}],"Failed":[]}"#;

/// The answer to an operation, by its target.
pub(crate) fn answer(target: &str) -> &'static str {
    match target.rsplit('.').next() {
        Some("BatchGetItem") => r#"{"Responses":{},"UnprocessedKeys":{}}"#,
        Some("SendMessageBatch") => SENT,
        _ => "{}",
    }
}

/// An HTTP client that hands its requests to a connector in this process.
pub(crate) fn http_client(connector: impl HttpConnector + Clone + 'static) -> SharedHttpClient {
    http_client_fn(move |_, _| SharedHttpConnector::new(connector.clone()))
}

/// A success with this body.
pub(crate) fn response(body: impl Into<SdkBody>) -> Result<HttpResponse, ConnectorError> {
    let status = StatusCode::try_from(200_u16).map_err(|error| ConnectorError::other(error.into(), None))?;
    Ok(HttpResponse::new(status, body.into()))
}

/// The connector that takes everything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answering;

impl HttpConnector for Answering {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::ready(response(answer(request.headers().get(TARGET_HEADER).unwrap_or_default())))
    }
}
