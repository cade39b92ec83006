//! AWS Step Functions: a standard state machine, whose executions have the names of alerts. A name is taken for 90 days after its
//! execution ended, longer than any redelivery.

use aws_sdk_sfn::Client;
use aws_sdk_sfn::operation::start_execution::StartExecutionError;
use lambda_kit::telemetry::chain;

use super::{NotStarted, Responder, Started};

/// One state machine. `None` is that the response is off.
#[derive(Debug, Clone)]
pub struct StepFunctions {
    client: Client,
    state_machine_arn: Option<String>,
}

impl StepFunctions {
    /// The state machine with an ARN.
    #[must_use]
    pub const fn new(client: Client, state_machine_arn: Option<String>) -> Self {
        Self { client, state_machine_arn }
    }
}

impl Responder for StepFunctions {
    async fn start(&self, id: &str, document: &str) -> Result<Started, NotStarted> {
        let state_machine_arn = self.state_machine_arn.as_deref().ok_or(NotStarted)?;
        let call = self.client.start_execution().state_machine_arn(state_machine_arn).name(id).input(document);
        let Err(error) = call.send().await else { return Ok(Started::Now) };
        if error.as_service_error().is_some_and(StartExecutionError::is_execution_already_exists) {
            return Ok(Started::Before);
        }
        tracing::warn!(error = %chain(&error), "A response could not be started.");
        Err(NotStarted)
    }
}
