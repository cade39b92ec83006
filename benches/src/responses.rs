//! The responses of AWS in these benchmarks: it accepts every request. They are the same in process and over HTTP.

use std::borrow::Cow;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

/// The header that names the operation of a JSON protocol.
pub(crate) const TARGET_HEADER: &str = "x-amz-target";

/// The body of the response to an operation, by its target and the request's body.
pub(crate) fn response_body(target: &str, body: &[u8]) -> Cow<'static, str> {
    match target.rsplit('.').next() {
        Some("BatchGetItem") => r#"{"Responses":{},"UnprocessedKeys":{}}"#.into(),
        Some("SendMessageBatch") => all_confirmed(body).into(),
        Some("BatchExecuteStatement") => all_executed(body).into(),
        _ => "{}".into(),
    }
}

/// Confirms every entry of a SendMessageBatch; both SDKs number them from 0.
fn all_confirmed(body: &[u8]) -> String {
    let entries = String::from_utf8_lossy(body).matches("\"Id\":").count();
    let confirmed: Vec<String> = (0..entries).map(|id| format!(r#"{{"Id":"{id}","MessageId":"m"}}"#)).collect();
    format!(r#"{{"Successful":[{}],"Failed":[]}}"#, confirmed.join(","))
}

/// Executes every statement of a BatchExecuteStatement.
fn all_executed(body: &[u8]) -> String {
    let statements = memchr::memmem::find_iter(body, b"\"Statement\":").count();
    format!(r#"{{"Responses":[{}]}}"#, vec![r#"{"TableName":"user-state"}"#; statements].join(","))
}

/// An HTTP client that passes its requests to a connector in this process.
pub(crate) fn http_client(connector: impl HttpConnector + Clone + 'static) -> SharedHttpClient {
    http_client_fn(move |_, _| SharedHttpConnector::new(connector.clone()))
}

/// A successful response with this body.
pub(crate) fn response(body: impl Into<SdkBody>) -> Result<HttpResponse, ConnectorError> {
    let status = StatusCode::try_from(200_u16).map_err(|error| ConnectorError::other(error.into(), None))?;
    Ok(HttpResponse::new(status, body.into()))
}

/// A connector to an AWS that accepts every request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AcceptingAws;

impl HttpConnector for AcceptingAws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get(TARGET_HEADER).unwrap_or_default();
        let body = request.body().bytes().unwrap_or_default();
        HttpConnectorFuture::ready(response(response_body(target, body).into_owned()))
    }
}
