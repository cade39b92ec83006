//! `sigma local`: both functions on this machine, for `cargo lambda invoke`. AWS is in this process; what detector and alerter send
//! to each other passes through Lambda's SQS mapping, as it does when they are deployed; what people would get is printed.
//!
//! Everything listens on loopback, and everything that was started ends with the command, unless it has to be killed.

mod functions;
mod inbox;
mod place;
mod queue;
mod tools;
mod watch;

use std::path::PathBuf;

use crate::output::say;
use clap::Args;
use functions::Functions;
use inbox::Inbox;
use place::Place;
use queue::AnomalyQueue;
use testbed::{EmbeddedDynamoDb, Endpoint};
use tools::Tools;
use watch::Watch;

/// Flags of `sigma local`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example, in the root of the checkout:\n  sigma local\n\n\
    Needs cargo and cargo-lambda. Variables such as SIGMAS=3 are passed to the functions. `make local` brings cargo-lambda.")]
pub struct Options {
    /// Folder with cargo-lambda, if it is not on PATH.
    #[arg(long, value_name = "DIR")]
    pub tools: Option<PathBuf>,
}

/// Runs both functions until Ctrl-C, or until the terminal is closed.
///
/// # Errors
/// If a tool is missing, nothing can listen, or `cargo lambda watch` ends.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let (interrupted, hung_up) = (crate::signals::interrupted()?, crate::signals::hung_up()?);
    let tools = Tools::find(options.tools.as_deref())?;
    let dynamodb = EmbeddedDynamoDb::start()?;
    let endpoint = Endpoint::start(&dynamodb).await?;
    let functions = Functions::new(&endpoint.url());
    functions.create_tables(&dynamodb).await?;
    let place = Place::free()?;
    let mut watch = Watch::start(&tools, &place, functions.environment())?;
    let outcome = tokio::select! {
        outcome = serve(&place, &tools, &functions, endpoint) => outcome,
        outcome = watch.ended() => outcome,
        () = interrupted => Ok(()),
        () = hung_up => Ok(()),
    };
    watch.stop().await;
    outcome
}

/// Says how to invoke the functions once that is possible, then lets them send.
async fn serve(place: &Place, tools: &Tools, functions: &Functions, endpoint: Endpoint) -> anyhow::Result<()> {
    place.until_listening().await?;
    say(place.welcome(tools));
    let queue = AnomalyQueue::new(*place);
    let mut inbox = Inbox::new(functions, endpoint, &queue);
    tokio::select! {
        outcome = queue.deliver() => outcome,
        () = inbox.receive() => anyhow::bail!("the local AWS no longer serves"),
    }
}
