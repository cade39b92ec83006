//! The connection of commands that call AWS.

use anyhow::{Context, anyhow};
use aws_types::SdkConfig;
use clap::Args;
use lambda_kit::{AwsSettings, Env, sdk_config};

/// Region and endpoint. Credentials come from the environment.
#[derive(Debug, Clone, Default, Args)]
pub struct Connection {
    /// Region, such as eu-central-1 [default: `AWS_REGION`, or `AWS_DEFAULT_REGION`].
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
        Ok(sdk_config(self.settings(std::env::vars())?))
    }

    fn settings(&self, environment: impl Iterator<Item = (String, String)>) -> anyhow::Result<AwsSettings> {
        let variables: Vec<(String, String)> = environment.collect();
        let given = [("AWS_REGION", Some(self.region(&variables)?)), ("AWS_ENDPOINT_URL", self.endpoint_url.clone())];
        let given = given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let env = Env::from_pairs(variables.into_iter().chain(given));
        let hint = "credentials come from the environment: eval \"$(aws configure export-credentials --format env)\"";
        AwsSettings::from_env(&env).map_err(|error| anyhow!("{error}; {hint}"))
    }

    /// `sam` reads the second variable alone, the SDKs for other languages the first.
    fn region(&self, variables: &[(String, String)]) -> anyhow::Result<String> {
        let env = Env::from_pairs(variables.iter().cloned());
        let names = ["AWS_REGION", "AWS_DEFAULT_REGION"];
        let known = || names.into_iter().find_map(|name| env.text(name)).map(str::to_owned);
        self.region.clone().or_else(known).context("there is no region: set AWS_DEFAULT_REGION, or give --region")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(region: Option<&str>, more: &[(&str, &str)]) -> anyhow::Result<AwsSettings> {
        let keys = [("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")];
        let variables = keys.iter().chain(more).map(|&(name, value)| (name.to_owned(), value.to_owned()));
        Connection { region: region.map(str::to_owned), endpoint_url: None }.settings(variables)
    }

    #[test]
    fn the_region_is_the_flag_or_the_first_variable_that_is_set() {
        let (first, second) = (("AWS_REGION", "eu-west-1"), ("AWS_DEFAULT_REGION", "eu-west-2"));
        let region = |flag, more: &[_]| settings(flag, more).unwrap().region;
        assert_eq!(region(Some("eu-west-3"), &[first, second]), "eu-west-3");
        assert_eq!(region(None, &[first, second]), "eu-west-1");
        assert_eq!(region(None, &[("AWS_REGION", ""), second]), "eu-west-2");
        let error = settings(None, &[]).unwrap_err().to_string();
        assert_eq!(error, "there is no region: set AWS_DEFAULT_REGION, or give --region");
    }
}
