//! The knobs of the rule: name, range, default and meaning, each written down once.
//!
//! The functions' configuration, the command line, docs/configuration.md and the tests of the template all read this table.
//! The functions declare their own settings with the same types, so one list describes every environment variable.

use std::fmt::Display;
use std::ops::{Bound, RangeBounds};
use std::str::FromStr;

use serde::Serialize;

use crate::{Direction, ModelMode, RuleKind};

/// Which rule judges.
pub const RULE: Choice<RuleKind> = Choice {
    name: "RULE",
    default: RuleKind::Adaptive,
    values: &RuleKind::ALL,
    name_of: RuleKind::as_str,
    meaning: "which rule judges",
};

/// The 2.5 of "2.5 σ". At 6 a normal amount alerts once in a thousand million; far beyond it Φ(σ) rounds to 1 and nothing could.
pub const SIGMAS: Knob<f64> = Knob {
    name: "SIGMAS",
    default: 2.5,
    min: Bound::Excluded(0.0),
    max: Bound::Included(6.0),
    meaning: "how many standard deviations from the mean an amount may lie: the 2.5 of \"2.5 σ\"",
};

/// A minute to 90 days.
pub const WINDOW_SECONDS: Knob<u32> = Knob {
    name: "WINDOW_SECONDS",
    default: 300,
    min: Bound::Included(60),
    max: Bound::Included(90 * 24 * 60 * 60),
    meaning: "length of the window in seconds: a minute to 90 days",
};

/// Two observations say next to nothing about a spread. The default depends on the rule: [`RuleKind::observations_min`].
pub const MIN_OBSERVATIONS: Knob<u32> = Knob {
    name: "MIN_OBSERVATIONS",
    default: RuleKind::Adaptive.observations_min(),
    min: Bound::Included(3),
    max: Bound::Included(1_000),
    meaning: "how many observations it takes to judge a transaction",
};

/// Keeps a constant amount, such as a subscription, from alerting at a small rise.
pub const STDDEV_FLOOR_RATIO: Knob<f64> = Knob {
    name: "STDDEV_FLOOR_RATIO",
    default: 0.05,
    min: Bound::Included(0.0),
    max: Bound::Included(1.0),
    meaning: "least standard deviation, as a share of the mean",
};

/// A cent, where amounts are in units of a currency that has cents.
pub const AMOUNT_UNIT: Knob<f64> = Knob {
    name: "AMOUNT_UNIT",
    default: 0.01,
    min: Bound::Included(1e-6),
    max: Bound::Included(1e6),
    meaning: "smallest amount that means something to `profile`: a smaller one counts as this",
};

/// Which rule gives a second opinion.
pub const SECOND_OPINION: Choice<bool> = Choice {
    name: "SECOND_OPINION",
    default: false,
    values: &[false, true],
    name_of: |is_asked| if is_asked { "profile" } else { "none" },
    meaning: "which rule's score goes with the anomalies of `adaptive` or `plain`, at its own default sigmas",
};

/// See [`ModelMode`].
pub const MODEL_MODE: Choice<ModelMode> = Choice {
    name: "MODEL_MODE",
    default: ModelMode::Annotate,
    values: &ModelMode::ALL,
    name_of: ModelMode::as_str,
    meaning: "what the model does: nothing, give its opinion on the anomalies of `profile`, or also alert by itself",
};

/// Which side of the baseline alerts.
pub const DIRECTION: Choice<Direction> = Choice {
    name: "DIRECTION",
    default: Direction::Up,
    values: &Direction::ALL,
    name_of: Direction::as_str,
    meaning: "which side alerts: amounts above the threshold, or also those below the mirrored one",
};

/// After this a silent user's state is forgotten, unless [`crate::Rule::state_retention_seconds`] demands more.
pub const STATE_RETENTION_DAYS: Knob<u32> = Knob {
    name: "STATE_RETENTION_DAYS",
    default: 90,
    min: Bound::Included(1),
    max: Bound::Included(3_650),
    meaning: "days after which the state of a silent user is forgotten",
};

/// Kinesis keeps records for one day to a year.
pub const STREAM_RETENTION_HOURS: Knob<u32> = Knob {
    name: "STREAM_RETENTION_HOURS",
    default: 24,
    min: Bound::Included(24),
    max: Bound::Included(8_760),
    meaning: "retention of the stream in hours",
};

/// Every knob of the rule, in the order of the documentation.
#[must_use]
pub fn rows() -> Vec<KnobRow> {
    let plain = RuleKind::Plain;
    let observations =
        format!("{}, or {} for `plain` and `profile`", MIN_OBSERVATIONS.default, plain.observations_min());
    let profile = RuleKind::Profile;
    let sigmas = format!("{}, or {} for `{}`", SIGMAS.default, profile.sigmas(), profile.as_str());
    vec![
        RULE.row(),
        KnobRow { default: Some(sigmas), ..SIGMAS.row() },
        WINDOW_SECONDS.row(),
        KnobRow { default: Some(observations), ..MIN_OBSERVATIONS.row() },
        STDDEV_FLOOR_RATIO.row(),
        DIRECTION.row(),
        AMOUNT_UNIT.row(),
        SECOND_OPINION.row(),
        MODEL_MODE.row(),
    ]
}

/// A number that can be set. As a range it contains the values that it accepts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Knob<T> {
    /// The environment variable. The flag on the command line is the same name in kebab case.
    pub name: &'static str,
    /// The value if it is not set.
    pub default: T,
    /// Least value.
    pub min: Bound<T>,
    /// Greatest value.
    pub max: Bound<T>,
    /// What it sets and in which unit: a phrase without a full stop.
    pub meaning: &'static str,
}

/// One of a few words that can be set.
#[derive(Debug, Clone, Copy)]
pub struct Choice<T: 'static> {
    /// See [`Knob::name`].
    pub name: &'static str,
    /// The value if it is not set.
    pub default: T,
    /// All values.
    pub values: &'static [T],
    /// The word for a value.
    pub name_of: fn(T) -> &'static str,
    /// See [`Knob::meaning`].
    pub meaning: &'static str,
}

/// A value outside the range of its knob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {value}: it must be {accepts}")]
pub struct KnobError {
    /// The knob's name.
    pub name: &'static str,
    /// The value.
    pub value: String,
    /// The values that are accepted, in words.
    pub accepts: String,
}

/// One setting as data: a row of docs/configuration.md, and what the template's tests compare with its parameters.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KnobRow {
    /// The environment variable.
    pub name: &'static str,
    /// The value if it is not set, as text; `None` if it has to be set.
    pub default: Option<String>,
    /// The accepted values, in words.
    pub accepts: String,
    /// Least accepted number.
    pub min: Option<f64>,
    /// Whether `min` itself is too small.
    pub is_min_excluded: bool,
    /// Greatest accepted number.
    pub max: Option<f64>,
    /// Accepted words; empty for numbers and free text.
    pub values: Vec<&'static str>,
    /// What it sets.
    pub meaning: &'static str,
}

impl<T: PartialOrd> RangeBounds<T> for Knob<T> {
    fn start_bound(&self) -> Bound<&T> {
        self.min.as_ref()
    }

    fn end_bound(&self) -> Bound<&T> {
        self.max.as_ref()
    }
}

impl<T: Copy + Display + FromStr + Into<f64> + PartialOrd> Knob<T> {
    /// The accepted values in words, such as `60 to 7776000`.
    #[must_use]
    pub fn accepts(&self) -> String {
        match (self.min, self.max) {
            (Bound::Included(min), Bound::Included(max)) => format!("{min} to {max}"),
            (Bound::Excluded(min), Bound::Included(max)) => format!("above {min}, at most {max}"),
            (Bound::Included(min), _) => format!("{min} or more"),
            (Bound::Excluded(min), _) => format!("above {min}"),
            (Bound::Unbounded, _) => "a number".to_owned(),
        }
    }

    /// The number that a text says, if it is accepted.
    #[must_use]
    pub fn parse(&self, text: &str) -> Option<T> {
        text.parse().ok().filter(|value| self.contains(value))
    }

    /// The value, if it is accepted.
    ///
    /// # Errors
    /// [`KnobError`] says what is accepted.
    pub fn check(&self, value: T) -> Result<T, KnobError> {
        if self.contains(&value) {
            return Ok(value);
        }
        Err(KnobError { name: self.name, value: value.to_string(), accepts: self.accepts() })
    }

    /// Meaning and accepted values, for the help of a command line.
    #[must_use]
    pub fn help(&self) -> String {
        format!("{} ({})", capitalised(self.meaning), self.accepts())
    }

    /// The knob as data.
    #[must_use]
    pub fn row(&self) -> KnobRow {
        let number = |bound: Bound<T>| match bound {
            Bound::Included(value) | Bound::Excluded(value) => Some(value.into()),
            Bound::Unbounded => None,
        };
        KnobRow {
            default: Some(self.default.to_string()),
            min: number(self.min),
            is_min_excluded: matches!(self.min, Bound::Excluded(_)),
            max: number(self.max),
            ..KnobRow::required(self.name, self.accepts(), self.meaning)
        }
    }
}

impl<T: Copy> Choice<T> {
    /// The accepted words, such as `up or both`.
    #[must_use]
    pub fn accepts(&self) -> String {
        self.words().join(" or ")
    }

    /// The value of a word.
    #[must_use]
    pub fn parse(&self, text: &str) -> Option<T> {
        self.values.iter().copied().find(|value| (self.name_of)(*value) == text)
    }

    /// The meaning, for the help of a command line, which lists the words by itself.
    #[must_use]
    pub fn help(&self) -> String {
        capitalised(self.meaning)
    }

    /// The choice as data.
    #[must_use]
    pub fn row(&self) -> KnobRow {
        KnobRow {
            default: Some((self.name_of)(self.default).to_owned()),
            values: self.words(),
            ..KnobRow::required(self.name, self.accepts(), self.meaning)
        }
    }

    fn words(&self) -> Vec<&'static str> {
        self.values.iter().map(|value| (self.name_of)(*value)).collect()
    }
}

impl KnobRow {
    /// A setting without a default.
    #[must_use]
    pub const fn required(name: &'static str, accepts: String, meaning: &'static str) -> Self {
        Self { name, default: None, accepts, min: None, is_min_excluded: false, max: None, values: Vec::new(), meaning }
    }

    /// A free text with a default.
    #[must_use]
    pub fn text(name: &'static str, default: &str, accepts: &str, meaning: &'static str) -> Self {
        Self { default: Some(default.to_owned()), ..Self::required(name, accepts.to_owned(), meaning) }
    }
}

fn capitalised(phrase: &str) -> String {
    let mut characters = phrase.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_says_in_words_what_it_contains() {
        assert_eq!(SIGMAS.accepts(), "above 0, at most 6");
        assert_eq!((SIGMAS.parse("0"), SIGMAS.parse("6"), SIGMAS.parse("NaN")), (None, Some(6.0), None));
        assert_eq!(WINDOW_SECONDS.accepts(), "60 to 7776000");
        assert_eq!((WINDOW_SECONDS.parse("59"), WINDOW_SECONDS.parse("60")), (None, Some(60)));
        assert_eq!((DIRECTION.accepts().as_str(), DIRECTION.parse("down")), ("up or both", None));
    }

    #[test]
    fn a_value_out_of_range_is_named_with_what_is_accepted() {
        let error = MIN_OBSERVATIONS.check(2).unwrap_err();
        assert_eq!(error.to_string(), "MIN_OBSERVATIONS is 2: it must be 3 to 1000");
    }

    #[test]
    fn every_default_is_within_its_range() {
        assert!(SIGMAS.contains(&SIGMAS.default) && WINDOW_SECONDS.contains(&WINDOW_SECONDS.default));
        assert!(STDDEV_FLOOR_RATIO.contains(&STDDEV_FLOOR_RATIO.default));
        assert!(RuleKind::ALL.iter().all(|kind| MIN_OBSERVATIONS.contains(&kind.observations_min())));
        assert!(RuleKind::ALL.iter().all(|kind| SIGMAS.contains(&kind.sigmas())));
        assert!(AMOUNT_UNIT.contains(&AMOUNT_UNIT.default));
        assert_eq!(rows().len(), 9);
    }
}
