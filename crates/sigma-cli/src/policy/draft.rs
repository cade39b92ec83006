//! A policy on its way into the table: its version, its author, its times.

use alert_policy::{Disposition, Pattern, Policy, Rule, Until};
use anyhow::Context;
use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::{Value, json};

/// Who writes, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Author {
    /// ARN of the caller.
    pub(crate) by: String,
    /// Now, in ms since the epoch.
    pub(crate) now_ms: i64,
}

/// The policy as it is stored. It is read back first, so that what is written can be read.
pub(crate) fn stamped(policy: Policy, version: u64, author: &Author) -> anyhow::Result<Policy> {
    let policy = Policy { version, by: author.by.clone(), at: time(author.now_ms)?, ..policy };
    policy.check_dates(author.now_ms)?;
    Policy::parse(&serde_json::to_string(&policy)?).context("the policy is refused")
}

/// A rule that silences what matches from now on, for some seconds.
pub(crate) fn silencing(pattern: Option<Pattern>, seconds: f64, why: &str, author: &Author) -> anyhow::Result<Rule> {
    let end = Timestamp::from_millisecond(author.now_ms)?.checked_add(SignedDuration::try_from_secs_f64(seconds)?)?;
    let until: Until = end.round(Unit::Second)?.to_string().parse()?;
    Ok(Rule { id: String::new(), pattern, then: Disposition::Silent, until, why: why.to_owned(), by: String::new() })
}

/// A pattern on one merchant.
pub(super) fn of_merchant(merchant: &str) -> anyhow::Result<Pattern> {
    Ok(serde_json::from_value(json!({ "merchantId": [merchant] }))?)
}

/// A pattern as it is written in a policy.
pub(super) fn pattern(text: &str) -> Result<Pattern, String> {
    let json: Value = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
    Pattern::try_from(json).map_err(|error| error.to_string())
}

/// A reason that says something.
pub(crate) fn why(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() { Err("say why: somebody will ask in half a year".to_owned()) } else { Ok(text.to_owned()) }
}

/// A time, to the second that has begun: what happens because of it is not before it.
pub(crate) fn time(now_ms: i64) -> anyhow::Result<String> {
    Ok(Timestamp::from_second(now_ms.div_euclid(1_000))?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author() -> Author {
        Author { by: "arn:aws:iam::111122223333:user/alice".to_owned(), now_ms: 1_795_910_400_000 }
    }

    #[test]
    fn a_stored_policy_says_who_wrote_it_and_when() {
        let policy = stamped(Policy { by: "somebody".to_owned(), ..Policy::default() }, 8, &author()).unwrap();
        assert_eq!((policy.version, policy.by, policy.at), (8, author().by, "2026-11-29T00:00:00Z".to_owned()));
    }

    #[test]
    fn a_rule_lasts_as_long_as_it_was_asked_for_and_at_most_a_year() {
        let silent = |days: f64| silencing(Some(of_merchant("m").unwrap()), days * 86_400.0, "why", &author()).unwrap();
        assert_eq!(silent(30.0).until.as_str(), "2026-12-29T00:00:00Z");
        let policy = |days| Policy { rules: vec![Rule { id: "a".to_owned(), ..silent(days) }], ..Policy::default() };
        assert!(stamped(policy(30.0), 1, &author()).is_ok());
        let error = stamped(policy(400.0), 1, &author()).unwrap_err();
        assert_eq!(error.to_string(), "rule \"a\" would hold for more than a year");
    }

    #[test]
    fn a_time_is_never_ahead() {
        assert_eq!(time(1_795_910_400_999).unwrap(), "2026-11-29T00:00:00Z");
    }

    #[test]
    fn patterns_and_reasons_are_refused_with_what_is_wrong() {
        assert!(pattern(r#"{"merchantId":["m"]}"#).is_ok());
        assert!(pattern("{}").unwrap_err().contains("names no field"));
        assert!(pattern("merchant").unwrap_err().contains("not JSON"));
        assert!(why(" ").is_err());
    }
}
