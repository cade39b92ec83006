//! `sigma decide`: a person's answer to the response to a critical alert.
//!
//! The state machine leaves a token in the ledger's item of the alert and waits. Whoever sends that token back answers, once: Step Functions
//! refuses the second. The token is read and sent here, and never shown. Absent: an answer without the ledger, and a change of one that was
//! given.

mod answer;
mod question;
#[cfg(test)]
mod tests;

use alerter::ledger::layout;
use clap::{Args, ValueEnum};
use serde::Serialize;

use answer::Answer;
use question::Question;

use crate::ledger::item;
use crate::ledger::place::{Ledger, Place};
use crate::output::{Output, say};
use crate::policy::draft::{Author, why};

/// Digits of an alert's id.
const ID_DIGITS: usize = 32;
/// Most bytes of a reason: it is kept in the ledger's item, which may have 400 KB.
const WHY_BYTES_MAX: usize = 1_000;

/// Flags of `sigma decide`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    sigma decide 7d2f… freeze --why \"ticket 42\" --stack demo\n  \
    sigma decide 7d2f… release --why \"called her\" --stack demo\n\n\
    docs/response.md describes what follows.")]
pub struct Options {
    /// Id of the alert: 32 hexadecimal digits, as the message has it.
    #[arg(value_parser = id)]
    id: String,
    /// What to do.
    decision: Decision,
    /// The reason, for whoever reads it in half a year.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    why: Option<String>,
    /// Show what would be sent, and send nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    place: Place,
}

/// What a person can decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Decision {
    /// Have the function of `FreezeFunctionArn` freeze.
    Freeze,
    /// It was the user: nothing is frozen, and the ledger says so.
    Release,
    /// Nothing is frozen, and nothing is said about who it was.
    Nothing,
}

/// What was decided.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Decided {
    id: String,
    /// Whether it was sent; not in a dry run.
    is_sent: bool,
    #[serde(flatten)]
    answer: Answer,
}

/// Answers.
///
/// # Errors
/// Says why nobody can answer, or no longer, and what to do next.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let ledger = options.place.open().await?;
    let author = Author { by: ledger.caller().await?, now_ms: jiff::Timestamp::now().as_millisecond() };
    let decided = options.decide(&Clients::new(&ledger), &author).await?;
    if let Some(text) = options.output.render(&decided, || decided.text())? {
        say(text);
    }
    Ok(())
}

/// What is asked where.
#[derive(Debug)]
struct Clients {
    dynamodb: aws_sdk_dynamodb::Client,
    sfn: aws_sdk_sfn::Client,
    table: String,
}

impl Clients {
    fn new(ledger: &Ledger) -> Self {
        let Ledger { config, table } = ledger;
        Self {
            dynamodb: aws_sdk_dynamodb::Client::new(config),
            sfn: aws_sdk_sfn::Client::new(config),
            table: table.clone(),
        }
    }
}

impl Options {
    async fn decide(&self, clients: &Clients, author: &Author) -> anyhow::Result<Decided> {
        let item = item::read(&clients.dynamodb, &clients.table, &self.id).await?;
        let item = item.filter(|item| item.contains_key(layout::STATUS));
        let Some(item) = item else {
            anyhow::bail!("there is no alert {} in the table {}: is it of another stack?", self.id, clients.table)
        };
        let token = Question::of(&item).token(&self.id)?;
        let answer = Answer::new(self.decision, self.why.clone(), author)?;
        if !self.dry_run {
            answer.send(&clients.sfn, &self.id, &token).await?;
        }
        Ok(Decided { id: self.id.clone(), is_sent: !self.dry_run, answer })
    }
}

impl Decided {
    fn text(&self) -> String {
        let Self { id, is_sent, answer } = self;
        let follows = match answer.decision {
            Decision::Freeze => "the function of FreezeFunctionArn freezes",
            Decision::Release | Decision::Nothing => "nothing is frozen",
        };
        let (head, tail) = if *is_sent {
            ("Decided", "The ledger's item of the alert will say in `response` how it ended.")
        } else {
            ("Nothing was sent; it would be decided", "The question was asked, and nothing is recorded yet.")
        };
        format!("{head} on alert {id}: {follows}. {tail}")
    }
}

fn id(text: &str) -> Result<String, String> {
    let is_id = text.len() == ID_DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_id { Ok(text.to_owned()) } else { Err(format!("an alert's id has {ID_DIGITS} hexadecimal digits")) }
}

fn reason(text: &str) -> Result<String, String> {
    let why = why(text)?;
    if why.len() <= WHY_BYTES_MAX { Ok(why) } else { Err(format!("at most {WHY_BYTES_MAX} bytes")) }
}
