//! The end of a function, in one line on standard error.
//!
//! On Lambda, a function that is not configured ends with a status other than 0, and Lambda reports that. `cargo lambda watch` does not:
//! whoever invoked the function would wait for ever. There, it tells every caller why.
//!
//! Deliberately absent: backtraces. Where a variable was found to be missing helps nobody to set it.

use std::error::Error;
use std::process::ExitCode;

use lambda_runtime::{LambdaEvent, run, service_fn};
use serde_json::value::RawValue;

use crate::telemetry::chain;
use crate::{Env, EnvError};

/// Lambda sets it in every environment: the folder of the function's code.
const ON_LAMBDA: &str = "LAMBDA_TASK_ROOT";
/// Lambda and `cargo lambda watch` set it: where the Runtime API is.
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// Why a function ended.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// A variable is missing or malformed.
    #[error("is not configured")]
    NotConfigured(#[from] EnvError),
    /// The runtime cannot go on.
    #[error("has no runtime any more")]
    Runtime(#[source] Box<dyn Error + Send + Sync>),
}

/// The exit status of a function. What went wrong is printed.
pub async fn exit_code(function: &str, env: &Env, outcome: Result<(), Stop>) -> ExitCode {
    let Err(stop) = outcome else { return ExitCode::SUCCESS };
    let reason = reason(function, env, &stop);
    eprintln!("error: {reason}");
    if matches!(stop, Stop::NotConfigured(_)) && is_watched(env) {
        refuse(&reason).await;
    }
    ExitCode::FAILURE
}

fn is_watched(env: &Env) -> bool {
    env.text(RUNTIME_API).is_some() && env.text(ON_LAMBDA).is_none()
}

/// Answers every invocation with the reason, until `cargo lambda watch` ends the process.
async fn refuse(reason: &str) {
    let handler = |_: LambdaEvent<Box<RawValue>>| async move { Err::<(), _>(lambda_runtime::Error::from(reason)) };
    // What would go wrong here has no better reason than the one that is printed.
    let _ = run(service_fn(handler)).await;
}

/// One sentence. Whoever runs the function on a machine of their own learns how that is done.
fn reason(function: &str, env: &Env, stop: &Stop) -> String {
    let reason = format!("the {function} {}", chain(stop));
    match stop {
        Stop::NotConfigured(_) if env.text(ON_LAMBDA).is_none() => {
            format!("{reason}; `make local` runs it on this machine with everything that it needs")
        }
        _ => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not_configured() -> Stop {
        Stop::NotConfigured(EnvError::Missing { name: "TABLE", form: "the name of a table".to_owned() })
    }

    #[test]
    fn a_function_that_is_not_configured_says_so_in_one_line_and_names_make_local() {
        assert_eq!(
            reason("detector", &Env::default(), &not_configured()),
            "the detector is not configured: TABLE is not set: it must be the name of a table; `make local` runs it on \
             this machine with everything that it needs"
        );
    }

    #[test]
    fn on_lambda_nobody_is_told_of_make_local() {
        let env = Env::from_pairs([(ON_LAMBDA, "/var/task")]);
        assert!(!reason("detector", &env, &not_configured()).contains("make local"));
        let stop = Stop::Runtime("the connection is closed".into());
        assert_eq!(reason("alerter", &env, &stop), "the alerter has no runtime any more: the connection is closed");
    }

    #[test]
    fn only_a_runtime_api_that_is_not_lambdas_gets_an_answer_to_every_invocation() {
        let (api, task_root) = ((RUNTIME_API, "127.0.0.1:9001"), (ON_LAMBDA, "/var/task"));
        assert!(is_watched(&Env::from_pairs([api])));
        assert!(!is_watched(&Env::from_pairs([api, task_root])) && !is_watched(&Env::default()));
    }
}
