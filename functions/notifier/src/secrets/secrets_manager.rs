//! AWS Secrets Manager.

use aws_sdk_secretsmanager::Client;
use lambda_kit::telemetry::chain;

use super::{SecretStore, SecretUnavailable};

/// One secret. `None` is that no channel needs one.
#[derive(Debug, Clone)]
pub struct SecretsManager {
    client: Client,
    secret_arn: Option<String>,
}

impl SecretsManager {
    /// The secret with an ARN.
    #[must_use]
    pub const fn new(client: Client, secret_arn: Option<String>) -> Self {
        Self { client, secret_arn }
    }
}

impl SecretStore for SecretsManager {
    async fn read(&self) -> Result<String, SecretUnavailable> {
        let secret_arn = self.secret_arn.as_deref().ok_or(SecretUnavailable)?;
        match self.client.get_secret_value().secret_id(secret_arn).send().await {
            Ok(answer) => answer.secret_string.ok_or(SecretUnavailable),
            Err(error) => {
                tracing::warn!(error = %chain(&error), "The secret of the channels could not be read.");
                Err(SecretUnavailable)
            }
        }
    }
}
