//! Configuration from the environment: each variable read once, at start, its accepted form in the error.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

use anomaly_core::{Choice, Knob, KnobError};

/// Why a function does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvError {
    /// A variable without a default is not set, or is empty.
    #[error("{name} is not set: it must be {form}")]
    Missing {
        /// The variable.
        name: &'static str,
        /// What it accepts.
        form: String,
    },
    /// A variable has a value that it does not accept.
    #[error("{name} is {value:?}: it must be {form}")]
    Malformed {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it accepts.
        form: String,
    },
    /// A variable names a document that cannot be used.
    #[error("{name} cannot be used: {reason}")]
    Unusable {
        /// The variable.
        name: &'static str,
        /// Which part of the document is wrong, and how.
        reason: String,
    },
}

/// A knob that is out of range is a malformed variable of the same name.
impl From<KnobError> for EnvError {
    fn from(KnobError { name, value, accepts }: KnobError) -> Self {
        Self::Malformed { name, value, form: accepts }
    }
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

    /// A variable without a default; `form` says what it accepts.
    ///
    /// # Errors
    /// [`EnvError::Missing`].
    pub fn required(&self, name: &'static str, form: &'static str) -> Result<String, EnvError> {
        self.text(name).map(str::to_owned).ok_or_else(|| EnvError::Missing { name, form: form.to_owned() })
    }

    /// A variable read by `parse`, or `default` if it is not set.
    ///
    /// # Errors
    /// [`EnvError::Malformed`] if `parse` returns `None`.
    pub fn parsed_with<T>(
        &self,
        name: &'static str,
        form: impl Into<String>,
        default: T,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, EnvError> {
        let Some(value) = self.text(name) else { return Ok(default) };
        parse(value).ok_or_else(|| EnvError::Malformed { name, value: value.to_owned(), form: form.into() })
    }

    /// The number of a knob, or its default if the variable is not set.
    ///
    /// # Errors
    /// [`EnvError::Malformed`] if the value is not a number or out of range.
    pub fn knob<T>(&self, knob: &Knob<T>) -> Result<T, EnvError>
    where
        T: Copy + Display + FromStr + Into<f64> + PartialOrd,
    {
        self.parsed_with(knob.name, knob.accepts(), knob.default, |text| knob.parse(text))
    }

    /// The value of a choice, or its default if the variable is not set.
    ///
    /// # Errors
    /// [`EnvError::Malformed`] if the value is not one of the accepted words.
    pub fn choice<T: Copy>(&self, choice: &Choice<T>) -> Result<T, EnvError> {
        self.parsed_with(choice.name, choice.accepts(), choice.default, |text| choice.parse(text))
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Bound;

    use super::*;

    #[test]
    fn a_missing_variable_is_an_error_that_says_what_it_must_be() {
        let error = Env::from_pairs([("TABLE", "")]).required("TABLE", "the name of a table").unwrap_err();
        assert_eq!(error.to_string(), "TABLE is not set: it must be the name of a table");
    }

    #[test]
    fn a_number_out_of_range_is_an_error_and_an_unset_one_is_the_default() {
        let knob = |name| {
            let (min, max) = (Bound::Included(1), Bound::Included(60));
            Knob::<u32> { name, default: 5, min, max, meaning: "a number" }
        };
        let env = Env::from_pairs([("N", "60"), ("M", "x"), ("P", "61")]);
        assert_eq!(env.knob(&knob("N")), Ok(60));
        assert_eq!(env.knob(&knob("O")), Ok(5));
        assert!(env.knob(&knob("P")).is_err());
        assert_eq!(env.knob(&knob("M")).unwrap_err().to_string(), "M is \"x\": it must be 1 to 60");
    }
}
