//! The command against the embedded DynamoDB and a mocked Step Functions.

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sfn::error::ErrorMetadata;
use aws_sdk_sfn::operation::send_task_success::{SendTaskSuccessError, SendTaskSuccessOutput};
use aws_sdk_sfn::types::error::{InvalidToken, TaskDoesNotExist, TaskTimedOut};
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use clap::{Args as _, FromArgMatches as _};
use serde_json::{Value, json};
use testbed::{EmbeddedDynamoDb, RequestCounter, create_ledger_table};

use super::{Clients, Decided, Options};
use crate::policy::draft::Author;

const ID: &str = "0123456789abcdef0123456789abcdef";
const TOKEN: &str = "AQCkAAAAKgAAAAMAAAAA";
const NOW_MS: i64 = 1_795_910_400_000;

struct World {
    clients: Clients,
    _dynamodb: EmbeddedDynamoDb,
}

impl World {
    async fn new(sent: &Rule) -> Self {
        let embedded = EmbeddedDynamoDb::start().unwrap();
        let dynamodb = embedded.client(&RequestCounter::default());
        create_ledger_table(&dynamodb, "ledger").await.unwrap();
        let sfn = mock_client!(aws_sdk_sfn, RuleMode::MatchAny, &[sent]);
        Self { clients: Clients { dynamodb, sfn, table: "ledger".to_owned() }, _dynamodb: embedded }
    }

    /// With an alert that has these attributes besides.
    async fn with(self, attributes: &[(&str, &str)]) -> Self {
        let all = [("id", ID), ("status", "completed")];
        let item = all.iter().chain(attributes).map(|(name, value)| {
            let name: &str = name;
            (name.to_owned(), AttributeValue::S((*value).to_owned()))
        });
        let put = self.clients.dynamodb.put_item().table_name("ledger").set_item(Some(item.collect()));
        put.send().await.unwrap();
        self
    }

    async fn decide(&self, line: &str) -> anyhow::Result<Decided> {
        let author = Author { by: "arn:aws:iam::111122223333:user/alice".to_owned(), now_ms: NOW_MS };
        parse(line).unwrap().decide(&self.clients, &author).await
    }

    async fn refusal(&self) -> String {
        let error = self.decide(&format!("{ID} freeze")).await.unwrap_err();
        let text = format!("{error:#} {error:?}");
        assert!(!text.contains(TOKEN), "{text}");
        text
    }
}

fn parse(line: &str) -> Result<Options, clap::Error> {
    let words = ["decide"].into_iter().chain(line.split(' ')).chain(["--table", "ledger"]);
    let matches = Options::augment_args(clap::Command::new("decide")).try_get_matches_from(words)?;
    Options::from_arg_matches(&matches)
}

fn accepted() -> Rule {
    mock!(aws_sdk_sfn::Client::send_task_success).then_output(|| SendTaskSuccessOutput::builder().build())
}

fn refused(error: fn() -> SendTaskSuccessError) -> Rule {
    mock!(aws_sdk_sfn::Client::send_task_success).then_error(error)
}

#[tokio::test]
async fn the_answer_is_sent_with_the_token_of_the_ledger_and_says_who_and_why_and_when() {
    let seen = Arc::new(Mutex::new(None));
    let keep = seen.clone();
    let sent = mock!(aws_sdk_sfn::Client::send_task_success)
        .match_requests(move |request| {
            let output: Value = serde_json::from_str(request.output().unwrap()).unwrap();
            *keep.lock().unwrap() = Some((request.task_token().unwrap().to_owned(), output));
            true
        })
        .then_output(|| SendTaskSuccessOutput::builder().build());
    let world = World::new(&sent).await.with(&[("responseToken", TOKEN)]).await;
    let decided = world.decide(&format!("{ID} freeze --why ticket")).await.unwrap();
    let expected = json!({
        "decision": "freeze", "by": "arn:aws:iam::111122223333:user/alice", "why": "ticket", "at": "2026-11-29T00:00:00Z",
    });
    assert_eq!(seen.lock().unwrap().take(), Some((TOKEN.to_owned(), expected)));
    assert!(decided.text().starts_with(&format!("Decided on alert {ID}: the function")), "{}", decided.text());
    assert!(!serde_json::to_string(&decided).unwrap().contains(TOKEN));
}

#[tokio::test]
async fn a_dry_run_sends_nothing_and_says_whether_one_could() {
    let sent = accepted();
    let world = World::new(&sent).await.with(&[("responseToken", TOKEN)]).await;
    let decided = world.decide(&format!("{ID} release --dry-run")).await.unwrap();
    assert_eq!((decided.is_sent, sent.num_calls()), (false, 0));
    let expected = format!(
        "Nothing was sent; it would be decided on alert {ID}: nothing is frozen. The question was asked, and nothing is recorded yet."
    );
    assert_eq!(decided.text(), expected);
    let world = World::new(&sent).await.with(&[]).await;
    assert!(world.decide(&format!("{ID} release --dry-run")).await.is_err());
}

#[tokio::test]
async fn an_alert_that_is_not_there_is_said_so() {
    let text = World::new(&accepted()).await.refusal().await;
    assert!(text.contains(&format!("there is no alert {ID} in the table ledger")), "{text}");
}

#[tokio::test]
async fn an_alert_about_which_nobody_was_asked_is_said_so() {
    let text = World::new(&accepted()).await.with(&[]).await.refusal().await;
    assert!(text.contains(&format!("nobody was asked about alert {ID}")), "{text}");
}

#[tokio::test]
async fn a_response_that_has_ended_is_told_and_not_answered_again() {
    let sent = accepted();
    let response = r#"{"action":"freeze","by":"no answer","at":"2026-11-29T01:00:00.000Z","failed":"Lambda.Unknown"}"#;
    let world = World::new(&sent).await.with(&[("responseToken", TOKEN), ("response", response)]).await;
    let text = world.refusal().await;
    let expected =
        "has its response already: freeze, by no answer, at 2026-11-29T01:00:00.000Z; it failed with Lambda.Unknown";
    assert!(text.contains(expected) && sent.num_calls() == 0, "{text}");
    let world = World::new(&sent).await.with(&[("response", "broken")]).await;
    assert!(world.refusal().await.contains("already: unknown, by unknown, at unknown"));
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_said_so() {
    let closed: [fn() -> SendTaskSuccessError; 2] = [
        || SendTaskSuccessError::TaskTimedOut(TaskTimedOut::builder().meta(metadata("TaskTimedOut")).build()),
        || {
            SendTaskSuccessError::TaskDoesNotExist(
                TaskDoesNotExist::builder().meta(metadata("TaskDoesNotExist")).build(),
            )
        },
    ];
    for error in closed {
        let text = World::new(&refused(error)).await.with(&[("responseToken", TOKEN)]).await.refusal().await;
        assert!(text.contains("the question is closed. Somebody answered it before, or the time was over"), "{text}");
    }
}

#[tokio::test]
async fn a_token_that_is_not_known_is_said_so() {
    let error = || SendTaskSuccessError::InvalidToken(InvalidToken::builder().meta(metadata("InvalidToken")).build());
    let text = World::new(&refused(error)).await.with(&[("responseToken", TOKEN)]).await.refusal().await;
    assert!(text.contains("does not know the token that the ledger has"), "{text}");
}

#[tokio::test]
async fn a_service_that_repeats_the_token_does_not_show_it() {
    let repeated = || SendTaskSuccessError::generic(metadata("ValidationException"));
    let text = World::new(&refused(repeated)).await.with(&[("responseToken", TOKEN)]).await.refusal().await;
    assert!(text.contains("Value '(token)' at 'taskToken'"), "{text}");
    let denied = || SendTaskSuccessError::generic(metadata("AccessDeniedException"));
    let text = World::new(&refused(denied)).await.with(&[("responseToken", TOKEN)]).await.refusal().await;
    assert!(text.contains("need the right states:SendTaskSuccess on the state machine"), "{text}");
}

fn metadata(code: &str) -> ErrorMetadata {
    ErrorMetadata::builder().code(code).message(format!("Value '{TOKEN}' at 'taskToken' is invalid")).build()
}

#[test]
fn the_command_line_takes_what_the_documentation_says() {
    Options::augment_args(clap::Command::new("decide")).debug_assert();
    for decision in ["freeze", "release", "nothing"] {
        assert!(parse(&format!("{ID} {decision}")).is_ok());
    }
    let long = format!("{ID} freeze --why {}", "x".repeat(1_001));
    for line in ["freeze", "0123 freeze", &format!("{ID} block"), &format!("{}g freeze", &ID[1..]), &long] {
        assert!(parse(line).is_err(), "{line}");
    }
}
