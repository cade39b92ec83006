//! JSON logs on standard output.

use std::error::Error;

use tracing::level_filters::LevelFilter;

use crate::{Env, EnvError};

/// Starts logging at the level of `AWS_LAMBDA_LOG_LEVEL`, which Lambda sets from the function's logging configuration, or at
/// INFO. A second call changes nothing.
///
/// # Errors
/// [`EnvError`] if the variable is not a level.
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

/// An error and its sources in one line, each once: for a log field, or for people. (The SDK's own rendering prints whole HTTP
/// responses, which may contain parts of the request.)
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut causes: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        let text = cause.to_string();
        if !causes.iter().any(|known| known.contains(&text)) {
            causes.push(text);
        }
        next = cause.source();
    }
    causes.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Link(&'static str, #[source] Option<Box<Link>>);

    #[test]
    fn an_error_is_told_with_its_sources_each_once() {
        let error = Link("no state", Some(Box::new(Link("refused", Some(Box::new(Link("refused", None)))))));
        assert_eq!(chain(&error), "no state: refused");
    }
}
