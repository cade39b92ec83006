//! The AWS SDK's connection, from the environment alone.
//!
//! Lambda gives a function its region and credentials as variables, so nothing here reads profiles or asks the instance metadata
//! service: that chain costs start-up time and binary size, and could only find credentials that must not be used. All service
//! clients share one HTTPS client, on ring. `AWS_ENDPOINT_URL` redirects everything to a local emulator.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;

use crate::{Env, EnvError};

/// Connecting within a region takes milliseconds. A second means a lost packet, and a new connection is the better bet.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// One attempt of one call.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
/// All attempts of one call. The functions stop earlier if their deadline is nearer.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(8);
/// The SDK's own retries: throttles and transient errors, exponential back-off with jitter.
const ATTEMPTS_MAX: u32 = 3;

/// Region, endpoint and credentials.
#[derive(Debug, Clone)]
pub struct AwsSettings {
    /// For example `eu-central-1`.
    pub region: String,
    /// An endpoint to use instead of AWS, for local runs.
    pub endpoint_url: Option<String>,
    /// Never printed.
    pub credentials: Credentials,
}

impl AwsSettings {
    /// Reads what Lambda sets.
    ///
    /// # Errors
    /// [`EnvError`] names the variable that is not set.
    pub fn from_env(env: &Env) -> Result<Self, EnvError> {
        let credentials = Credentials::new(
            env.required("AWS_ACCESS_KEY_ID", "an access key id; Lambda sets it from the function's role")?,
            env.required("AWS_SECRET_ACCESS_KEY", "a secret access key; Lambda sets it from the function's role")?,
            env.text("AWS_SESSION_TOKEN").map(str::to_owned),
            None,
            "environment",
        );
        Ok(Self {
            region: env.required("AWS_REGION", "a region such as eu-central-1; Lambda sets it")?,
            endpoint_url: env.text("AWS_ENDPOINT_URL").map(str::to_owned),
            credentials,
        })
    }
}

/// The configuration that every service client is made from.
#[must_use]
pub fn sdk_config(settings: AwsSettings) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    let mut builder = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(settings.region))
        .credentials_provider(SharedCredentialsProvider::new(settings.credentials))
        .http_client(https_client())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX))
        .timeout_config(timeouts)
        // Requests and responses are small and each attempt has its time-out: nothing could stall for longer. Watching every
        // body costs 7 % of a PutItem.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()));
    builder.set_endpoint_url(settings.endpoint_url);
    builder.build()
}

fn https_client() -> SharedHttpClient {
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}
