//! The connection of commands that call AWS.

use aws_types::SdkConfig;
use clap::Args;
use lambda_kit::{AwsSettings, Env, sdk_config};

/// Region and endpoint. Credentials come from the environment.
#[derive(Debug, Clone, Default, Args)]
pub struct Connection {
    /// Region, such as eu-central-1 [default: from the environment].
    #[arg(long)]
    pub region: Option<String>,
    /// Endpoint to use instead of AWS [default: from the environment].
    #[arg(long, value_name = "URL")]
    pub endpoint_url: Option<String>,
}

impl Connection {
    /// The SDK's configuration.
    ///
    /// # Errors
    /// If region or credentials are missing.
    pub fn config(&self) -> anyhow::Result<SdkConfig> {
        let given = [("AWS_REGION", &self.region), ("AWS_ENDPOINT_URL", &self.endpoint_url)];
        let given = given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
        let env = Env::from_pairs(std::env::vars().chain(given));
        let hint = "credentials come from the environment: eval \"$(aws configure export-credentials --format env)\"";
        Ok(sdk_config(AwsSettings::from_env(&env).map_err(|error| anyhow::anyhow!("{error}; {hint}"))?))
    }
}
