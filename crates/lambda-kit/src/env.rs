//! Configuration from the environment: each variable read once, at start, its accepted form in the error.

use std::collections::HashMap;
use std::str::FromStr;

/// Why a function does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvError {
    /// A variable without a default is not set, or is empty.
    #[error("{name} is not set: it must be {form}")]
    Missing {
        /// The variable.
        name: &'static str,
        /// What it accepts.
        form: &'static str,
    },
    /// A variable holds something else than it accepts.
    #[error("{name} is {value:?}: it must be {form}")]
    Malformed {
        /// The variable.
        name: &'static str,
        /// What it holds.
        value: String,
        /// What it accepts.
        form: &'static str,
    },
}

/// A snapshot of environment variables.
#[derive(Debug, Clone, Default)]
pub struct Env(HashMap<String, String>);

impl Env {
    /// The process's environment.
    #[must_use]
    pub fn from_process() -> Self {
        Self(std::env::vars().collect())
    }

    /// An environment made of pairs, for tests and local runs.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// The text of a variable. An empty one counts as not set: that is what an empty template parameter becomes.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A variable that has no default; `form` says what it accepts.
    ///
    /// # Errors
    /// [`EnvError::Missing`].
    pub fn required(&self, name: &'static str, form: &'static str) -> Result<String, EnvError> {
        self.text(name).map(str::to_owned).ok_or(EnvError::Missing { name, form })
    }

    /// A variable read by `parse`, or `default` if it is not set.
    ///
    /// # Errors
    /// [`EnvError::Malformed`] if `parse` answers `None`.
    pub fn parsed_with<T>(
        &self,
        name: &'static str,
        form: &'static str,
        default: T,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, EnvError> {
        let Some(value) = self.text(name) else { return Ok(default) };
        parse(value).ok_or_else(|| EnvError::Malformed { name, value: value.to_owned(), form })
    }

    /// A number within a range, or `default` if it is not set.
    ///
    /// # Errors
    /// [`EnvError::Malformed`] if it is no number or out of range.
    pub fn number<T: FromStr + PartialOrd>(
        &self,
        name: &'static str,
        form: &'static str,
        default: T,
        range: impl std::ops::RangeBounds<T>,
    ) -> Result<T, EnvError> {
        self.parsed_with(name, form, default, |text| text.parse().ok().filter(|number| range.contains(number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_name_is_an_error_that_says_what_it_must_be() {
        let error = Env::from_pairs([("TABLE", "")]).required("TABLE", "the name of a table").unwrap_err();
        assert_eq!(error.to_string(), "TABLE is not set: it must be the name of a table");
    }

    #[test]
    fn a_number_out_of_range_is_an_error_and_an_unset_one_is_the_default() {
        let env = Env::from_pairs([("N", "70"), ("M", "x")]);
        assert_eq!(env.number("N", "1 to 100", 5, 1..=100), Ok(70));
        assert_eq!(env.number("O", "1 to 100", 5, 1..=100), Ok(5));
        assert!(env.number("N", "1 to 60", 5, 1..=60).is_err());
        let error = env.number("M", "1 to 60", 5, 1..=60).unwrap_err();
        assert_eq!(error.to_string(), "M is \"x\": it must be 1 to 60");
    }
}
