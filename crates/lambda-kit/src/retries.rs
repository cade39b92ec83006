//! Retries of calls that have an effect each time: SNS's and CloudWatch's.
//!
//! The SDK repeats a call whose response it did not get, which is right where a second call changes nothing (DynamoDB's conditional
//! writes, and SQS, behind which the ledger suppresses repetitions). A second PublishBatch is a second mail.

use std::error::Error;
use std::time::Duration;

use aws_smithy_runtime_api::client::interceptors::context;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::orchestrator::OrchestratorError;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction, RetryClassifierPriority};
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use hyper_util::client::legacy::Error as HttpError;

/// Waiting for a slow response is better than giving it up, since its call cannot be repeated. The functions stop earlier if their
/// deadline is nearer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Statuses of a gateway that does not know what the service behind it did.
const GATEWAY_STATUSES: [u16; 2] = [502, 504];

/// The connection of a service whose calls must not be repeated: its attempts may take longer. Its client also needs [`OnlyIfRefused`].
#[must_use]
pub fn patient(aws: &SdkConfig) -> SdkConfig {
    let attempt = TimeoutConfig::builder().operation_attempt_timeout(PATIENCE).operation_timeout(PATIENCE);
    let mut timeouts = attempt.build();
    if let Some(others) = aws.timeout_config() {
        timeouts.take_defaults_from(others);
    }
    aws.to_builder().timeout_config(timeouts).build()
}

/// Forbids the retry of a call whose outcome is unknown: one that timed out, whose connection broke once it was made, or whose response
/// cannot be read. What the service refused (a throttle, an error of its own), and what never reached it, is retried as usual.
#[derive(Debug, Clone, Copy, Default)]
pub struct OnlyIfRefused;

impl ClassifyRetry for OnlyIfRefused {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let Some(Err(error)) = context.output_or_error() else { return RetryAction::NoActionIndicated };
        let status = context.response().map(|response| response.status().as_u16());
        let is_unknown = status.is_some_and(|status| GATEWAY_STATUSES.contains(&status)) || is_unknown(error);
        if is_unknown { RetryAction::RetryForbidden } else { RetryAction::NoActionIndicated }
    }

    fn name(&self) -> &'static str {
        "Only If Refused"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_before(RetryClassifierPriority::http_status_code_classifier())
    }
}

fn is_unknown(error: &OrchestratorError<context::Error>) -> bool {
    let broken = error.as_connector_error().is_some_and(|error| !is_before_the_connection(error));
    error.is_timeout_error() || error.is_response_error() || broken
}

/// Whether the error says that there was no connection yet.
fn is_before_the_connection(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        if cause.downcast_ref::<HttpError>().is_some_and(HttpError::is_connect) {
            return true;
        }
        next = cause.source();
    }
    false
}
