//! Values of flags that are one of a few words, or a number within a range.

use std::fmt::Display;
use std::str::FromStr;

use anomaly_core::Knob;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

/// A parser for one of a few words: value, word, help.
pub(crate) fn one_of<T: Copy + Send + Sync + 'static>(
    words: impl IntoIterator<Item = (T, &'static str, &'static str)>,
) -> impl TypedValueParser<Value = T> {
    let words: Vec<_> = words.into_iter().collect();
    let possible: Vec<_> = words.iter().map(|(_, word, help)| PossibleValue::new(*word).help(*help)).collect();
    PossibleValuesParser::new(possible).try_map(move |text| {
        let found = words.iter().find(|(_, word, _)| *word == text);
        found.map(|(value, _, _)| *value).ok_or("it is not one of the possible values")
    })
}

/// A parser for the number of a knob.
pub(crate) fn within<T>(knob: Knob<T>) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: Copy + Display + FromStr + Into<f64> + PartialOrd + Send + Sync + 'static,
{
    move |text| knob.parse(text).ok_or_else(|| format!("it must be {}", knob.accepts()))
}
