//! Where the ledger's table of a stack is, and who the caller is.

use anyhow::Context;
use aws_sdk_cloudformation::types::Stack;
use aws_types::SdkConfig;
use clap::Args;

use super::failure::failed;
use crate::aws::Connection;

/// The stack or the table.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Target {
    /// Name of the stack.
    #[arg(long, value_name = "NAME")]
    stack: Option<String>,
    /// Name of the ledger's table, instead of the stack.
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
}

/// Where the table is.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    connection: Connection,
}

/// The table, and the account that it is in.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// The connection.
    pub(crate) config: SdkConfig,
    /// The table's name.
    pub(crate) table: String,
}

impl Place {
    /// Finds the table.
    pub(crate) async fn open(&self) -> anyhow::Result<Ledger> {
        let config = self.connection.config()?;
        let table = match (&self.target.table, &self.target.stack) {
            (Some(table), _) => table.clone(),
            (None, Some(stack)) => ledger_table(&aws_sdk_cloudformation::Client::new(&config), stack).await?,
            (None, None) => anyhow::bail!("add --stack NAME, or --table NAME"),
        };
        Ok(Ledger { config, table })
    }
}

impl Ledger {
    /// The ARN of the caller, whom what is written will name.
    pub(crate) async fn caller(&self) -> anyhow::Result<String> {
        caller(&aws_sdk_sts::Client::new(&self.config)).await
    }
}

/// The ledger's table, as the stack's outputs have it.
pub(crate) async fn ledger_table(client: &aws_sdk_cloudformation::Client, stack: &str) -> anyhow::Result<String> {
    let answer = client.describe_stacks().stack_name(stack).send().await.map_err(failed(format!(
        "CloudFormation cannot describe the stack {stack}; is it deployed to this region, and by this account? \
         --table NAME does without CloudFormation"
    )))?;
    let mut outputs = answer.stacks().iter().flat_map(Stack::outputs);
    let output = outputs.find(|output| output.output_key() == Some("LedgerTableName"));
    let name = output.and_then(|output| output.output_value()).map(str::to_owned);
    name.with_context(|| {
        format!("the stack {stack} has no output LedgerTableName; is it a stack of this project's template.yaml?")
    })
}

/// The ARN of the caller.
pub(crate) async fn caller(client: &aws_sdk_sts::Client) -> anyhow::Result<String> {
    let identity = client.get_caller_identity().send().await;
    let identity =
        identity.map_err(failed("STS does not say who you are, and what is written names who wrote it".to_owned()))?;
    identity.arn.context("STS returns no ARN, and what is written names who wrote it")
}
