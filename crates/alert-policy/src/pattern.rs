//! Patterns over an alert's document: the subset that EventBridge patterns and SNS filter policies share.
//!
//! A field's list of matchers is *or*, a pattern's fields are *and*, nested objects are nested patterns. Matchers: a text, number, boolean
//! or null as it is; `prefix`; `numeric`; `anything-but` (values, or a `prefix`); `exists`. A field that is absent matches nothing but
//! `{"exists": false}`. A field that holds a list matches if one of its elements does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Deepest nesting of a pattern.
const DEPTH_MAX: usize = 8;

/// A pattern.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Pattern {
    fields: BTreeMap<String, Field>,
    /// As it was written.
    json: Value,
}

/// Why a JSON value is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {what}")]
pub struct PatternError {
    /// Path of the field, such as `explanation.heat`.
    field: String,
    what: &'static str,
}

#[derive(Debug, Clone, PartialEq)]
enum Field {
    Nested(BTreeMap<String, Field>),
    OneOf(Vec<Matcher>),
}

#[derive(Debug, Clone, PartialEq)]
enum Matcher {
    Is(Value),
    Prefix(String),
    Numeric(Vec<(Comparison, f64)>),
    AnythingBut(Vec<Value>),
    AnythingButPrefix(String),
    Exists(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Pattern {
    /// Whether it matches nothing unless some field is there.
    #[must_use]
    pub fn needs_presence(&self) -> bool {
        any_needs_presence(&self.fields)
    }

    /// Whether a document matches.
    #[must_use]
    pub fn matches(&self, document: &Value) -> bool {
        all_match(&self.fields, Some(document))
    }
}

impl TryFrom<Value> for Pattern {
    type Error = PatternError;

    fn try_from(json: Value) -> Result<Self, PatternError> {
        let fields = fields("", &json, DEPTH_MAX)?;
        Ok(Self { fields, json })
    }
}

impl From<Pattern> for Value {
    fn from(pattern: Pattern) -> Self {
        pattern.json
    }
}

fn any_needs_presence(fields: &BTreeMap<String, Field>) -> bool {
    fields.values().any(|field| match field {
        Field::Nested(fields) => any_needs_presence(fields),
        Field::OneOf(matchers) => !matchers.contains(&Matcher::Exists(false)),
    })
}

fn all_match(fields: &BTreeMap<String, Field>, object: Option<&Value>) -> bool {
    fields.iter().all(|(name, field)| {
        let value = object.and_then(|object| object.get(name));
        match field {
            Field::Nested(fields) => all_match(fields, value.filter(|value| value.is_object())),
            Field::OneOf(matchers) => matchers.iter().any(|matcher| matcher.matches(value)),
        }
    })
}

impl Matcher {
    fn matches(&self, value: Option<&Value>) -> bool {
        // EventBridge matches leaves, and an object is not a leaf.
        let value = value.filter(|value| !value.is_object());
        match (self, value) {
            (Self::Exists(wanted), value) => value.is_some() == *wanted,
            (_, None) => false,
            (_, Some(Value::Array(elements))) => elements.iter().any(|element| self.matches_leaf(element)),
            (_, Some(value)) => self.matches_leaf(value),
        }
    }

    fn matches_leaf(&self, value: &Value) -> bool {
        match self {
            Self::Is(wanted) => is_same(wanted, value),
            Self::Prefix(prefix) => value.as_str().is_some_and(|text| text.starts_with(prefix)),
            Self::Numeric(comparisons) => {
                value.as_f64().is_some_and(|number| comparisons.iter().all(|(is, bound)| is.holds(number, *bound)))
            }
            Self::AnythingBut(values) => !values.iter().any(|unwanted| is_same(unwanted, value)),
            Self::AnythingButPrefix(prefix) => value.as_str().is_some_and(|text| !text.starts_with(prefix)),
            Self::Exists(wanted) => *wanted,
        }
    }
}

/// Numbers are compared as numbers: 5 is 5.0.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

impl Comparison {
    fn of(sign: &str) -> Option<Self> {
        match sign {
            "=" => Some(Self::Equal),
            "<" => Some(Self::Less),
            "<=" => Some(Self::LessOrEqual),
            ">" => Some(Self::Greater),
            ">=" => Some(Self::GreaterOrEqual),
            _ => None,
        }
    }

    fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            Self::Equal => number == bound,
            Self::Less => number < bound,
            Self::LessOrEqual => number <= bound,
            Self::Greater => number > bound,
            Self::GreaterOrEqual => number >= bound,
        }
    }
}

fn fields(path: &str, json: &Value, depth_left: usize) -> Result<BTreeMap<String, Field>, PatternError> {
    let error =
        |what| PatternError { field: if path.is_empty() { "the pattern".to_owned() } else { path.to_owned() }, what };
    let object = json.as_object().ok_or_else(|| error("has to be an object of fields"))?;
    if object.is_empty() {
        return Err(error("names no field, so it would match everything"));
    }
    let depth_left = depth_left.checked_sub(1).ok_or_else(|| error("is nested too deeply"))?;
    let of_field = |(name, value): (&String, &Value)| {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        Ok((name.clone(), field(&path, value, depth_left)?))
    };
    object.iter().map(of_field).collect()
}

fn field(path: &str, json: &Value, depth_left: usize) -> Result<Field, PatternError> {
    let error = |what| PatternError { field: path.to_owned(), what };
    match json {
        Value::Object(_) => Ok(Field::Nested(fields(path, json, depth_left)?)),
        Value::Array(matchers) if matchers.is_empty() => Err(error("an empty list matches nothing")),
        Value::Array(matchers) => {
            let read = matchers.iter().map(|json| matcher(json).map_err(error));
            Ok(Field::OneOf(read.collect::<Result<_, _>>()?))
        }
        _ => Err(error("has to be a list of matchers, such as [\"value\"]")),
    }
}

fn matcher(json: &Value) -> Result<Matcher, &'static str> {
    match json {
        Value::Object(operator) => self::operator(operator),
        Value::Array(_) => Err("a list in a list is not a matcher"),
        leaf => Ok(Matcher::Is(leaf.clone())),
    }
}

fn operator(operator: &Map<String, Value>) -> Result<Matcher, &'static str> {
    let mut entries = operator.iter();
    let (Some((name, value)), None) = (entries.next(), entries.next()) else {
        return Err("a matcher has one operator");
    };
    match name.as_str() {
        "prefix" => prefix(value).map(Matcher::Prefix),
        "numeric" => numeric(value).map(Matcher::Numeric),
        "anything-but" => anything_but(value),
        "exists" => value.as_bool().map(Matcher::Exists).ok_or("exists takes true or false"),
        _ => Err("the operators are prefix, numeric, anything-but and exists"),
    }
}

fn prefix(value: &Value) -> Result<String, &'static str> {
    let prefix = value.as_str().filter(|prefix| !prefix.is_empty());
    prefix.map(str::to_owned).ok_or("prefix takes a text that is not empty")
}

fn numeric(value: &Value) -> Result<Vec<(Comparison, f64)>, &'static str> {
    const FORM: &str = "numeric takes one or two comparisons, such as [\">\", 0, \"<=\", 100]";
    let parts = value.as_array().ok_or(FORM)?;
    let read = |pair: &[Value]| match pair {
        [sign, bound] => Some((Comparison::of(sign.as_str()?)?, bound.as_f64()?)),
        _ => None,
    };
    let comparisons: Option<Vec<_>> = parts.chunks(2).map(read).collect();
    comparisons.filter(|comparisons| (1..=2).contains(&comparisons.len())).ok_or(FORM)
}

fn anything_but(value: &Value) -> Result<Matcher, &'static str> {
    const FORM: &str = "anything-but takes values, a list of values, or a prefix";
    match value {
        Value::Object(operator) if operator.len() == 1 => {
            prefix(operator.get("prefix").ok_or(FORM)?).map(Matcher::AnythingButPrefix)
        }
        Value::Object(_) | Value::Null => Err(FORM),
        Value::Array(values) if values.is_empty() || values.iter().any(|v| v.is_object() || v.is_array()) => Err(FORM),
        Value::Array(values) => Ok(Matcher::AnythingBut(values.clone())),
        value => Ok(Matcher::AnythingBut(vec![value.clone()])),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn matches(pattern: Value, document: &Value) -> bool {
        Pattern::try_from(pattern).unwrap().matches(document)
    }

    #[test]
    fn fields_are_and_and_lists_are_or() {
        let document = json!({"userId": "u1", "amount": 4999.5, "explanation": {"newLevel": true}});
        assert!(matches(json!({"userId": ["u2", "u1"], "amount": [{"numeric": [">", 0, "<", 5000]}]}), &document));
        assert!(matches(json!({"explanation": {"newLevel": [true]}}), &document));
        assert!(!matches(json!({"userId": ["u1"], "amount": [{"numeric": [">=", 5000]}]}), &document));
        assert!(matches(json!({"amount": [4999.50]}), &document));
    }

    #[test]
    fn an_absent_field_matches_only_that_it_is_absent() {
        let document = json!({"userId": "u1"});
        for operator in [json!("x"), json!({"prefix": "x"}), json!({"anything-but": "x"}), json!({"numeric": ["<", 1]})]
        {
            assert!(!matches(json!({"merchantId": [operator]}), &document));
        }
        assert!(matches(json!({"merchantId": [{"exists": false}]}), &document));
        assert!(matches(json!({"explanation": {"heat": [{"exists": false}]}}), &document));
        assert!(matches(json!({"userId": [{"exists": true}]}), &document));
    }

    #[test]
    fn only_a_number_is_compared_as_a_number() {
        for value in [json!(false), json!("0"), json!(null), json!({"a": 0})] {
            assert!(!matches(json!({"amount": [{"numeric": ["<", 1]}]}), &json!({"amount": value})));
        }
    }

    #[test]
    fn anything_but_takes_values_and_a_prefix() {
        let document = json!({"merchantId": "shop_12"});
        assert!(matches(json!({"merchantId": [{"anything-but": ["shop_1", "shop_2"]}]}), &document));
        assert!(!matches(json!({"merchantId": [{"anything-but": {"prefix": "shop_"}}]}), &document));
    }

    #[test]
    fn what_is_not_a_pattern_is_named() {
        let error = |pattern: Value| Pattern::try_from(pattern).unwrap_err().to_string();
        assert_eq!(error(json!({})), "the pattern: names no field, so it would match everything");
        assert_eq!(error(json!({"a": {"b": "x"}})), "a.b: has to be a list of matchers, such as [\"value\"]");
        for pattern in [
            json!([]),
            json!({"a": []}),
            json!({"a": {}}),
            json!({"a": [["b"]]}),
            json!({"a": [{"suffix": "b"}]}),
            json!({"a": [{"numeric": [">"]}]}),
            json!({"a": [{"numeric": ["~", 1]}]}),
            json!({"a": [{"prefix": ""}]}),
            json!({"a": [{"numeric": [">", 1, "<", 2, "=", 3]}]}),
            json!({"a": [{"exists": "yes"}]}),
            json!({"a": [{"anything-but": []}]}),
            json!({"a": [{"prefix": "b", "exists": true}]}),
        ] {
            assert!(Pattern::try_from(pattern.clone()).is_err(), "{pattern}");
        }
    }
}
