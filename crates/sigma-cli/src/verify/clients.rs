//! The services that a verification calls.

use aws_types::SdkConfig;

/// One client of each service.
#[derive(Debug, Clone)]
pub(super) struct Clients {
    pub(super) cloudformation: aws_sdk_cloudformation::Client,
    pub(super) cloudwatch: aws_sdk_cloudwatch::Client,
    pub(super) dynamodb: aws_sdk_dynamodb::Client,
    pub(super) kinesis: aws_sdk_kinesis::Client,
    pub(super) lambda: aws_sdk_lambda::Client,
    pub(super) sns: aws_sdk_sns::Client,
    pub(super) sqs: aws_sdk_sqs::Client,
}

impl Clients {
    pub(super) fn new(config: &SdkConfig) -> Self {
        Self {
            cloudformation: aws_sdk_cloudformation::Client::new(config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(config),
            dynamodb: aws_sdk_dynamodb::Client::new(config),
            kinesis: aws_sdk_kinesis::Client::new(config),
            lambda: aws_sdk_lambda::Client::new(config),
            sns: aws_sdk_sns::Client::new(config),
            sqs: aws_sdk_sqs::Client::new(config),
        }
    }
}

/// An error of the SDK in one line, with what failed.
pub(super) fn failed(what: &str) -> impl FnOnce(&(dyn std::error::Error + 'static)) -> anyhow::Error {
    move |error| anyhow::anyhow!("{what}: {}", lambda_kit::telemetry::chain(error))
}
