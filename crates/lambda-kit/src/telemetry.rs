//! JSON logs on standard output.

use tracing::level_filters::LevelFilter;

use crate::{Env, EnvError};

/// Starts logging at the level of `AWS_LAMBDA_LOG_LEVEL`, which Lambda sets from the function's logging configuration, or at
/// INFO. A second call changes nothing.
///
/// # Errors
/// [`EnvError`] if the level is none.
pub fn start(env: &Env) -> Result<(), EnvError> {
    let form = "TRACE, DEBUG, INFO, WARN, ERROR or FATAL";
    let level = env.parsed_with("AWS_LAMBDA_LOG_LEVEL", form, LevelFilter::INFO, parse_level)?;
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_current_span(false);
    let _already_started = subscriber.with_span_list(false).with_target(false).with_max_level(level).try_init();
    Ok(())
}

fn parse_level(text: &str) -> Option<LevelFilter> {
    match text {
        "FATAL" => Some(LevelFilter::ERROR),
        level => level.parse().ok(),
    }
}

/// An error and its sources in one line, for a log field.
pub fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |source| source.source());
    sources.fold(error.to_string(), |line, source| format!("{line}: {source}"))
}
