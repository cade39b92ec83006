//! HTTPS, with bounds on everything: time to connect, time in all, bytes of the answer. Redirects are not followed.

use std::time::{Duration, SystemTime};

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, TlsContext, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorSettings};
use aws_smithy_runtime_api::http::{Request as HttpRequest, Response};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::date_time::{DateTime, Format};
use lambda_kit::telemetry::chain;

use super::resolver::GuardedResolver;
use super::{Answer, NoAnswer, Receiver};
use crate::request::Request;
use crate::target::Guard;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The whole request. Standard Webhooks asks senders to wait 15 to 30 seconds.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// The rest of an answer whose status is known.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(500);
/// An answer is read to here, so that its connection can be used again, and dropped.
const ANSWER_BYTES_MAX: usize = 4 * 1024;

/// Receivers anywhere that the guard allows.
#[derive(Debug)]
pub struct HttpsReceiver {
    connector: Connector,
    timeout: Duration,
}

impl HttpsReceiver {
    /// A client behind the guard.
    #[must_use]
    pub fn new(guard: Guard) -> Self {
        Self { connector: connector(guard, TlsContext::default()), timeout: REQUEST_TIMEOUT }
    }

    /// A client behind the guard that trusts one certificate of an authority, in PEM, and no other.
    #[cfg(feature = "test-doubles")]
    #[must_use]
    pub fn trusting(guard: Guard, pem: &[u8]) -> Self {
        use aws_smithy_http_client::tls::TrustStore;
        let context = TlsContext::builder().with_trust_store(TrustStore::empty().with_pem_certificate(pem)).build();
        Self { connector: connector(guard, context.unwrap_or_default()), timeout: REQUEST_TIMEOUT }
    }

    /// The same client with another time for a whole request.
    #[cfg(feature = "test-doubles")]
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    async fn post_once(&self, request: HttpRequest) -> Result<Answer, NoAnswer> {
        let response = self.connector.call(request).await.map_err(|error| {
            tracing::warn!(error = %chain(&error), "A receiver did not answer.");
            NoAnswer
        })?;
        let answer = answer(&response);
        // The answer is known, whatever becomes of its body.
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, drain(response)).await;
        Ok(answer)
    }
}

impl Receiver for HttpsReceiver {
    async fn post(&self, request: &Request) -> Result<Answer, NoAnswer> {
        let request = to_http(request).ok_or(NoAnswer)?;
        if let Ok(answered) = tokio::time::timeout(self.timeout, self.post_once(request)).await {
            return answered;
        }
        tracing::warn!(timeout_seconds = self.timeout.as_secs(), "A receiver did not answer in time.");
        Err(NoAnswer)
    }
}

fn connector(guard: Guard, tls: TlsContext) -> Connector {
    let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build();
    let builder = Connector::builder().connector_settings(settings).tls_provider(Provider::Rustls(CryptoMode::Ring));
    builder.tls_context(tls).build_with_resolver(GuardedResolver(guard))
}

fn to_http(request: &Request) -> Option<HttpRequest> {
    let mut http = HttpRequest::new(SdkBody::from(request.body.as_str()));
    http.set_method("POST").ok()?;
    http.set_uri(request.target.reveal()).ok()?;
    for (name, value) in &request.headers {
        http.headers_mut().try_insert(*name, value.clone()).ok()?;
    }
    Some(http)
}

fn answer(response: &Response) -> Answer {
    let retry_after_seconds = response.headers().get("retry-after").and_then(seconds);
    Answer { status: response.status().as_u16(), retry_after_seconds }
}

/// A number of seconds, or a date.
fn seconds(retry_after: &str) -> Option<u64> {
    let from_date = || {
        let date = DateTime::from_str(retry_after, Format::HttpDate).ok()?;
        let date = SystemTime::try_from(date).ok()?;
        Some(date.duration_since(SystemTime::now()).unwrap_or_default().as_secs())
    };
    retry_after.trim().parse().ok().or_else(from_date)
}

async fn drain(response: Response) {
    let mut body = ByteStream::new(response.into_body());
    let mut bytes = 0;
    while bytes < ANSWER_BYTES_MAX {
        match body.next().await {
            Some(Ok(chunk)) => bytes += chunk.len(),
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds("Wed, 21 Oct 2015 07:28:00 GMT"), Some(0));
        assert_eq!(seconds("soon"), None);
    }
}
