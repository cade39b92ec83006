//! The live rules of alerting, as JSON of schema 1, and what is listed for single users.

use std::collections::BTreeSet;

use anomaly_core::Severity;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Disposition, Pattern, Until};

/// The schema that this code reads and writes.
const SCHEMA: u32 = 1;
/// Largest policy, in bytes of JSON. A DynamoDB item ends at 400 KB.
const POLICY_BYTES_MAX: usize = 64 * 1024;
/// Most rules of a policy, and most entries of a user: each alert is matched with all of them.
const RULES_MAX: usize = 200;
const ENTRIES_MAX: usize = 20;
/// Largest list of a user, in bytes of JSON.
const ENTRIES_BYTES_MAX: usize = 16 * 1024;
/// Longest id and reason of a rule, in bytes: they are stored with each decision.
const TEXT_BYTES_MAX: usize = 500;
/// Most pages a day: the day's item holds the id of each.
const PAGES_PER_DAY_MAX: u32 = 1_000;
/// Most alerts that a summary tells in words.
const TOP_MAX: u32 = 50;
const TOP_DEFAULT: u32 = 20;
/// Longest that a rule may hold: a year and a day, so that `until` can be the same day of next year.
const DAYS_MAX: i64 = 366;
const DAY_MS: i64 = 86_400_000;

/// The live rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    /// 1. A reader refuses schemas that it does not know.
    #[serde(default = "schema")]
    pub schema: u32,
    /// Counts the changes: 1 for the first policy.
    #[serde(default)]
    pub version: u64,
    /// Who wrote it.
    #[serde(default)]
    pub by: String,
    /// When it was written.
    #[serde(default)]
    pub at: String,
    /// Whether anybody is told.
    #[serde(default)]
    pub mode: Mode,
    /// What is told at once.
    #[serde(default)]
    pub page: Page,
    /// The summary.
    #[serde(default)]
    pub digest: DigestOptions,
    /// The first one that matches decides.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// Whether anybody is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// As decided.
    #[default]
    Live,
    /// Nobody: decisions are recorded alone.
    Shadow,
}

/// What is told at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Page {
    /// From this priority on.
    #[serde(default = "critical")]
    pub severity: Severity,
    /// And from this magnitude of the score on, if it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// At most this many a day (UTC), 0 for any number; without it, as the stack is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_day: Option<u32>,
}

/// The summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DigestOptions {
    /// Alerts that it tells in words; the rest are counted.
    #[serde(default = "top")]
    pub top: u32,
}

/// What becomes of the alerts that match a pattern.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Its name in decisions. Of an entry for a user, empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The alerts. An entry for a user may leave it out: all of that user.
    #[serde(rename = "match", default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Pattern>,
    /// What becomes of them.
    pub then: Disposition,
    /// When the rule ends. There is no rule without an end.
    pub until: Until,
    /// The reason, for whoever reads it in half a year.
    pub why: String,
    /// Who wrote it, for an entry of a user.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
}

/// What is listed for one user. The first entry that matches decides, before any rule of the policy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserEntries {
    /// The entries.
    pub entries: Vec<Rule>,
}

/// Why a text is not a policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Not the JSON of a policy.
    #[error("it is not a policy: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Written by newer code.
    #[error("it has schema {0}; this code reads schema {SCHEMA}")]
    Newer(u64),
    /// A value out of its range.
    #[error("{0}")]
    Invalid(String),
}

/// Why a rule's end cannot be accepted now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DateError {
    /// It would never hold.
    #[error("rule \"{0}\" has ended already")]
    Ended(String),
    /// Nobody would look at it again.
    #[error("rule \"{0}\" would hold for more than a year")]
    TooLong(String),
}

const fn schema() -> u32 {
    SCHEMA
}

const fn critical() -> Severity {
    Severity::Critical
}

const fn top() -> u32 {
    TOP_DEFAULT
}

impl Default for Page {
    fn default() -> Self {
        Self { severity: critical(), score: None, per_day: None }
    }
}

impl Default for DigestOptions {
    fn default() -> Self {
        Self { top: TOP_DEFAULT }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            schema: SCHEMA,
            version: 0,
            by: String::new(),
            at: String::new(),
            mode: Mode::default(),
            page: Page::default(),
            digest: DigestOptions::default(),
            rules: Vec::new(),
        }
    }
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// [`PolicyError`] says what is wrong and where.
    pub fn parse(json: &str) -> Result<Self, PolicyError> {
        if json.len() > POLICY_BYTES_MAX {
            return Err(PolicyError::Invalid(format!("it has {} bytes; {POLICY_BYTES_MAX} is the most", json.len())));
        }
        // Before anything else: a newer schema may have anything in it. And serde would read a list as an object without names.
        let fields: Map<String, Value> = serde_json::from_str(json)?;
        let schema = fields.get("schema").and_then(Value::as_u64);
        if let Some(newer) = schema.filter(|schema| *schema > u64::from(SCHEMA)) {
            return Err(PolicyError::Newer(newer));
        }
        let policy: Self = serde_json::from_value(Value::Object(fields))?;
        policy.check().map(|()| policy).map_err(PolicyError::Invalid)
    }

    /// What no type can say.
    fn check(&self) -> Result<(), String> {
        let Self { schema, page, digest, rules, .. } = self;
        let mut ids = BTreeSet::new();
        let duplicate = rules.iter().find(|rule| !ids.insert(&rule.id));
        match duplicate {
            _ if *schema != SCHEMA => Err(format!("schema has to be {SCHEMA}")),
            _ if page.score.is_some_and(|score| score.is_nan() || score < 0.0) => {
                Err("page.score has to be 0 or more".to_owned())
            }
            _ if page.per_day.is_some_and(|pages| pages > PAGES_PER_DAY_MAX) => {
                Err(format!("page.perDay has to be at most {PAGES_PER_DAY_MAX}"))
            }
            _ if !(1..=TOP_MAX).contains(&digest.top) => Err(format!("digest.top has to be 1 to {TOP_MAX}")),
            _ if rules.len() > RULES_MAX => Err(format!("there are {} rules; {RULES_MAX} is the most", rules.len())),
            Some(duplicate) => Err(format!("two rules have the id \"{}\"", duplicate.id)),
            None => rules.iter().try_for_each(Rule::check_of_policy),
        }
    }

    /// Whether every rule ends in the future, within a year.
    ///
    /// # Errors
    /// [`DateError`] names the first rule that does not.
    pub fn check_dates(&self, now_ms: i64) -> Result<(), DateError> {
        self.rules.iter().try_for_each(|rule| rule.check_dates(now_ms))
    }
}

impl Rule {
    fn check_of_policy(&self) -> Result<(), String> {
        let id = &self.id;
        match () {
            () if id.is_empty() => Err("a rule has no id".to_owned()),
            () if self.pattern.is_none() => Err(format!("rule \"{id}\" has no match")),
            () => self.check_texts(),
        }
    }

    fn check_texts(&self) -> Result<(), String> {
        let Self { id, why, pattern, .. } = self;
        let is_only_absence = pattern.as_ref().is_some_and(|pattern| !pattern.needs_presence());
        match () {
            () if why.trim().is_empty() => Err(format!("rule \"{id}\" does not say why")),
            () if id.len().max(why.len()) > TEXT_BYTES_MAX => Err(format!(
                "an id or a reason is longer than {TEXT_BYTES_MAX} bytes: \"{}…\"",
                id.get(..20).unwrap_or_default()
            )),
            // A misspelt field is absent from everything.
            () if is_only_absence => {
                Err(format!("rule \"{id}\" only asks what is absent; name a field that has to be there"))
            }
            () => Ok(()),
        }
    }

    /// Whether it ends in the future, within a year.
    ///
    /// # Errors
    /// [`DateError`] names the rule if not.
    pub fn check_dates(&self, now_ms: i64) -> Result<(), DateError> {
        match self.until.end_ms().saturating_sub(now_ms) {
            left if left <= 0 => Err(DateError::Ended(self.id.clone())),
            left if left > (DAYS_MAX + 1) * DAY_MS => Err(DateError::TooLong(self.id.clone())),
            _ => Ok(()),
        }
    }

    /// Whether it decides about a document now.
    #[must_use]
    pub fn applies(&self, document: &Value, now_ms: i64) -> bool {
        self.until.holds_at(now_ms) && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(document))
    }
}

impl UserEntries {
    /// Reads the entries of a user.
    ///
    /// # Errors
    /// [`PolicyError`] says what is wrong.
    pub fn parse(json: &str) -> Result<Self, PolicyError> {
        if json.len() > ENTRIES_BYTES_MAX {
            return Err(PolicyError::Invalid(format!("it has {} bytes; {ENTRIES_BYTES_MAX} is the most", json.len())));
        }
        let fields: Map<String, Value> = serde_json::from_str(json)?;
        let listed: Self = serde_json::from_value(Value::Object(fields))?;
        if listed.entries.len() > ENTRIES_MAX {
            return Err(PolicyError::Invalid(format!("a user has at most {ENTRIES_MAX} entries")));
        }
        listed.entries.iter().try_for_each(Rule::check_texts).map_err(PolicyError::Invalid)?;
        Ok(listed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str =
        r#"{"id":"payroll","match":{"merchantId":["m12"]},"then":"silent","until":"2027-01-31","why":"ticket 42"}"#;

    fn with_rule(rule: &str) -> String {
        format!(r#"{{"version":7,"page":{{"severity":"high","perDay":5}},"rules":[{rule}]}}"#)
    }

    #[test]
    fn a_policy_round_trips_and_has_defaults() {
        let policy = Policy::parse(&with_rule(RULE)).unwrap();
        assert_eq!((policy.version, policy.mode, policy.digest.top, policy.page.per_day), (7, Mode::Live, 20, Some(5)));
        assert_eq!(Policy::parse(&serde_json::to_string(&policy).unwrap()).unwrap(), policy);
        assert_eq!(Policy::parse("{}").unwrap(), Policy::default());
    }

    #[test]
    fn what_is_not_a_policy_is_refused_with_the_reason() {
        let refused = [
            ("[]", "not a policy"),
            ("{", "not a policy"),
            (r#"{"schema":2,"anything":1}"#, "schema 2"),
            (r#"{"schema":0}"#, "schema has to be 1"),
            (r#"{"mode":"off"}"#, "unknown variant `off`"),
            (r#"{"page":{"severity":"low"}}"#, "unknown variant `low`"),
            (r#"{"page":{"perDay":-1}}"#, "invalid value"),
            (r#"{"page":{"score":-1}}"#, "page.score"),
            (r#"{"page":{"perDay":1001}}"#, "page.perDay"),
            (r#"{"digest":{"top":0}}"#, "digest.top"),
            (r#"{"rule":[]}"#, "unknown field `rule`"),
        ];
        for (json, reason) in refused {
            let error = Policy::parse(json).unwrap_err().to_string();
            assert!(error.contains(reason), "{json}: {error}");
        }
        assert!(Policy::parse(&" ".repeat(POLICY_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn a_rule_has_an_id_a_match_an_end_and_a_reason() {
        for (from, to) in [
            ("payroll", ""),
            (r#""match":{"merchantId":["m12"]},"#, ""),
            (r#","until":"2027-01-31""#, ""),
            ("ticket 42", " "),
            ("ticket 42", &"x".repeat(501)),
            (r#"["m12"]"#, r#"[{"exists":false}]"#),
            ("silent", "drop"),
            ("m12\"]", "m12\"],\"userId\":\"u\""),
        ] {
            let json = with_rule(&RULE.replace(from, to));
            assert!(Policy::parse(&json).is_err(), "{json}");
        }
        let twice = with_rule(&format!("{RULE},{RULE}"));
        assert_eq!(Policy::parse(&twice).unwrap_err().to_string(), "two rules have the id \"payroll\"");
    }

    #[test]
    fn a_list_of_a_user_is_bounded() {
        let why = |length| {
            format!(r#"{{"entries":[{{"then":"silent","until":"2027-01-31","why":"{}"}}]}}"#, "x".repeat(length))
        };
        assert!(UserEntries::parse(&why(500)).is_ok());
        assert!(UserEntries::parse(&why(501)).is_err() && UserEntries::parse(&why(20_000)).is_err());
    }

    #[test]
    fn a_new_rule_ends_within_a_year() {
        let policy = Policy::parse(&with_rule(RULE)).unwrap();
        let at = |text: &str| text.parse::<Until>().unwrap().end_ms();
        assert_eq!(policy.check_dates(at("2026-11-29")), Ok(()));
        assert_eq!(policy.check_dates(at("2027-01-31")), Err(DateError::Ended("payroll".to_owned())));
        assert_eq!(policy.check_dates(at("2026-01-28")), Err(DateError::TooLong("payroll".to_owned())));
    }
}
