//! An update of one user as a `PartiQL` statement, one of up to 25 in a `BatchExecuteStatement`.
//!
//! Each statement has its own outcome, in the order of the statements, and there is neither order nor atomicity between them. Of a
//! condition that failed it brings the item. An UPDATE never creates an item: without one the condition fails, and nothing is brought.

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeValue, BatchStatementError, BatchStatementErrorCodeEnum, BatchStatementRequest, BatchStatementResponse,
    ReturnValuesOnConditionCheckFailure,
};

use super::item::{ATTRIBUTES, USER_ID, VERSION, from_item, number, values};
use crate::window_store::{CommitError, Loaded, StoreError, Update};

/// The statement, the same for all users of a table: only the values differ. It leaves the attribute `outbox` alone, so neither the item
/// nor the user may have one; and attributes that it does not know.
pub(super) fn text(table: &str) -> String {
    let set = ATTRIBUTES.map(|name| format!(r#"SET "{name}"=?"#)).join(" ");
    format!(r#"UPDATE "{table}" {set} WHERE "{USER_ID}"=? AND "{VERSION}"=?"#)
}

/// The statement with one user's values.
pub(super) fn request(
    text: &str,
    Update { user_id, user, replaced }: Update<'_>,
) -> Result<BatchStatementRequest, BuildError> {
    debug_assert!(user.outbox.is_empty(), "an update does not write outboxes");
    let condition = [AttributeValue::S(user_id.to_owned()), number(replaced)];
    let parameters = values(user).into_iter().chain(condition).collect();
    let request = BatchStatementRequest::builder().statement(text).set_parameters(Some(parameters));
    request.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld).build()
}

/// What came of each statement.
pub(super) fn outcomes(answers: Vec<BatchStatementResponse>, statements: usize) -> Vec<Result<(), CommitError>> {
    // With another number of answers none can be assigned.
    let answers = if answers.len() == statements { answers } else { Vec::new() };
    let mut outcomes: Vec<_> = answers.into_iter().map(outcome).collect();
    outcomes.resize_with(statements, || Err(failed("DynamoDB has not answered for every statement")));
    outcomes
}

fn outcome(answer: BatchStatementResponse) -> Result<(), CommitError> {
    let Some(error) = answer.error else { return Ok(()) };
    if error.code == Some(BatchStatementErrorCodeEnum::ConditionalCheckFailed) {
        let item = error.item.filter(|item| !item.is_empty());
        return Err(CommitError::Conflict(item.as_ref().map_or(Loaded::Absent, from_item)));
    }
    Err(failed(&described(&error)))
}

fn described(error: &BatchStatementError) -> String {
    let code = error.code.as_ref().map_or("an error without a code", BatchStatementErrorCodeEnum::as_str);
    format!("{code}: {}", error.message.as_deref().unwrap_or("no message"))
}

fn failed(reason: &str) -> CommitError {
    CommitError::Failed(StoreError::new("write", reason))
}
