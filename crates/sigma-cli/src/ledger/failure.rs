//! Errors of AWS, with what to do next.

use std::error::Error;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use lambda_kit::telemetry::chain;

/// An error of the SDK in one line, with what failed.
pub(crate) fn failed<E, R>(what: String) -> impl FnOnce(SdkError<E, R>) -> anyhow::Error
where
    E: Error + 'static,
    R: std::fmt::Debug + 'static,
{
    move |error| anyhow::anyhow!("{what}: {}", chain(&error))
}

/// An error of DynamoDB: what was tried with which table, and what to do next.
pub(crate) fn refused<E, R>(action: &str, table: &str) -> impl FnOnce(SdkError<E, R>) -> anyhow::Error
where
    E: Error + ProvideErrorMetadata + 'static,
    R: std::fmt::Debug + 'static,
{
    move |error| {
        let hint = hint(error.code().unwrap_or_default(), action, table);
        anyhow::anyhow!("cannot {action} the table {table}: {hint}{}", chain(&error))
    }
}

fn hint(code: &str, action: &str, table: &str) -> String {
    match code {
        "ResourceNotFoundException" => {
            format!(
                "there is no table {table} in this region and account; the stack's output LedgerTableName names it. "
            )
        }
        "AccessDeniedException" => {
            let rights = match action.split(' ').next() {
                Some("write") => "dynamodb:GetItem, dynamodb:Scan and dynamodb:PutItem",
                Some("label") => "dynamodb:GetItem and dynamodb:UpdateItem",
                _ => "dynamodb:GetItem and dynamodb:Scan",
            };
            format!("these credentials need the rights {rights} on it. ")
        }
        "UnrecognizedClientException" | "ExpiredTokenException" => {
            "the credentials are not valid, or no longer. ".to_owned()
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::hint;

    #[test]
    fn an_error_says_what_to_do_next() {
        assert!(hint("ResourceNotFoundException", "read", "ledger").contains("LedgerTableName"));
        assert!(hint("AccessDeniedException", "write to", "ledger").contains("dynamodb:PutItem"));
        assert!(hint("AccessDeniedException", "label an alert in", "ledger").contains("dynamodb:UpdateItem"));
        assert!(!hint("AccessDeniedException", "read", "ledger").contains("PutItem"));
        assert_eq!(hint("ThrottlingException", "read", "ledger"), "");
    }
}
