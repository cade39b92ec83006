//! The answer, and what Step Functions says to it.

use aws_sdk_sfn::Client;
use aws_sdk_sfn::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sfn::operation::send_task_success::SendTaskSuccessError;
use lambda_kit::telemetry::chain;
use serde::Serialize;

use super::Decision;
use super::question::Token;
use crate::policy::draft::{Author, time};

/// What the state machine gets.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Answer {
    pub(super) decision: Decision,
    /// ARN of whoever decided.
    by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// When, to the second.
    at: String,
}

impl Answer {
    /// Of an author, now.
    pub(super) fn new(decision: Decision, why: Option<String>, author: &Author) -> anyhow::Result<Self> {
        Ok(Self { decision, by: author.by.clone(), why, at: time(author.now_ms)? })
    }

    /// Sends it. Only the first answer to a question counts.
    pub(super) async fn send(&self, client: &Client, id: &str, token: &Token) -> anyhow::Result<()> {
        let output = serde_json::to_string(self)?;
        let sent = client.send_task_success().task_token(token.expose()).output(output).send().await;
        sent.map(|_| ())
            .map_err(|error| anyhow::anyhow!("nothing was decided on alert {id}: {}", reason(&error, token)))
    }
}

/// Why an answer was refused. Texts of the service may repeat the token.
fn reason<R: std::fmt::Debug + 'static>(error: &SdkError<SendTaskSuccessError, R>, token: &Token) -> String {
    let hint = match error.code().unwrap_or_default() {
        "TaskTimedOut" | "TaskDoesNotExist" => {
            return "the question is closed. Somebody answered it before, or the time was over and OnNoAnswer decided; the \
                    ledger's item of the alert says in `response` how it ended"
                .to_owned();
        }
        "InvalidToken" => {
            return "Step Functions does not know the token that the ledger has. Is it of another region, or was the item \
                    changed by hand?"
                .to_owned();
        }
        "AccessDeniedException" => "these credentials need the right states:SendTaskSuccess on the state machine. ",
        "UnrecognizedClientException" | "ExpiredTokenException" => "the credentials are not valid, or no longer. ",
        _ => "",
    };
    format!("{hint}{}", token.redacted(&chain(error)))
}
