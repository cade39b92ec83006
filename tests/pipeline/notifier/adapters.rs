//! The adapters of AWS, against responses mocked at the HTTP layer.

use aws_sdk_secretsmanager::operation::get_secret_value::{GetSecretValueError, GetSecretValueOutput};
use aws_sdk_sfn::operation::start_execution::{StartExecutionError, StartExecutionOutput};
use aws_smithy_mocks::{mock, mock_client};
use aws_smithy_types::DateTime;
use notifier::responder::{NotStarted, Responder, Started, StepFunctions};
use notifier::secrets::{SecretStore, SecretUnavailable, SecretsManager};

const ARN: &str = "arn:aws:states:us-east-1:000000000000:stateMachine:response";
const ID: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn an_execution_has_the_name_of_its_alert_and_a_second_one_is_no_failure() {
    let first = mock!(aws_sdk_sfn::Client::start_execution)
        .match_requests(|input| {
            input.name() == Some(ID) && input.state_machine_arn() == Some(ARN) && input.input() == Some("{}")
        })
        .then_output(|| {
            let output = StartExecutionOutput::builder().execution_arn("e").start_date(DateTime::from_secs(0));
            output.build().unwrap()
        });
    let responder = StepFunctions::new(mock_client!(aws_sdk_sfn, [&first]), Some(ARN.to_owned()));
    assert_eq!(responder.start(ID, "{}").await, Ok(Started::Now));
    let again = mock!(aws_sdk_sfn::Client::start_execution).then_error(|| {
        StartExecutionError::ExecutionAlreadyExists(
            aws_sdk_sfn::types::error::ExecutionAlreadyExists::builder().message("exists").build(),
        )
    });
    let responder = StepFunctions::new(mock_client!(aws_sdk_sfn, [&again]), Some(ARN.to_owned()));
    assert_eq!(responder.start(ID, "{}").await, Ok(Started::Before));
}

#[tokio::test]
async fn an_execution_that_may_not_be_started_is_tried_again() {
    let limit = mock!(aws_sdk_sfn::Client::start_execution).then_error(|| {
        StartExecutionError::InvalidName(aws_sdk_sfn::types::error::InvalidName::builder().message("name").build())
    });
    let responder = StepFunctions::new(mock_client!(aws_sdk_sfn, [&limit]), Some(ARN.to_owned()));
    assert_eq!(responder.start(ID, "{}").await, Err(NotStarted));
    let off = StepFunctions::new(mock_client!(aws_sdk_sfn, [&limit]), None);
    assert_eq!(off.start(ID, "{}").await, Err(NotStarted));
}

#[tokio::test]
async fn a_secret_is_its_text_or_unavailable() {
    let known = mock!(aws_sdk_secretsmanager::Client::get_secret_value)
        .match_requests(|input| input.secret_id() == Some("arn"))
        .then_output(|| GetSecretValueOutput::builder().secret_string("{}").build());
    let secrets = SecretsManager::new(mock_client!(aws_sdk_secretsmanager, [&known]), Some("arn".to_owned()));
    assert_eq!(secrets.read().await.as_deref(), Ok("{}"));
    let denied = mock!(aws_sdk_secretsmanager::Client::get_secret_value)
        .then_error(|| GetSecretValueError::generic(aws_sdk_secretsmanager::error::ErrorMetadata::builder().build()));
    let secrets = SecretsManager::new(mock_client!(aws_sdk_secretsmanager, [&denied]), Some("arn".to_owned()));
    assert_eq!(secrets.read().await, Err(SecretUnavailable));
}
