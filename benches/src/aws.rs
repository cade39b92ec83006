//! The AWS configuration of the functions under test.

use std::net::SocketAddr;

use aws_credential_types::Credentials;
use aws_types::SdkConfig;
use lambda_kit::{AwsSettings, sdk_config};

/// The SDK's configuration, as in the functions.
pub(crate) fn config() -> SdkConfig {
    sdk_config(AwsSettings {
        region: "us-east-1".to_owned(),
        endpoint_url: None,
        credentials: Credentials::new("AKIDBENCH", "secret", Some("token".to_owned()), None, "bench"),
    })
}

/// The environment variables that Lambda and the template set, for both functions and for the peer.
pub(crate) fn function_environment(server: Option<SocketAddr>) -> Vec<(&'static str, String)> {
    let endpoint = server.map(|address| ("AWS_ENDPOINT_URL", format!("http://{address}")));
    let runtime_api = server.map(|address| ("AWS_LAMBDA_RUNTIME_API", address.to_string()));
    let queue = |name: &str| format!("https://sqs.us-east-1.amazonaws.com/000000000000/{name}");
    let fixed = [
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "AKIDBENCH".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
        ("AWS_SESSION_TOKEN", "token".to_owned()),
        ("AWS_LAMBDA_FUNCTION_NAME", "bench".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128".to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "bench".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "bench".to_owned()),
        ("STATE_TABLE_NAME", "user-state".to_owned()),
        ("ANOMALY_QUEUE_URL", queue("anomalies")),
        ("QUARANTINE_QUEUE_URL", queue("quarantine")),
        ("LEDGER_TABLE_NAME", "alert-ledger".to_owned()),
        ("ALERT_TOPIC_ARN", "arn:aws:sns:us-east-1:000000000000:alerts".to_owned()),
    ];
    fixed.into_iter().chain(endpoint).chain(runtime_api).collect()
}
