//! `sigma policy check`: is a file a policy? No AWS.

use std::path::{Path, PathBuf};

use alert_policy::Policy;
use anyhow::Context;
use clap::Args;
use serde_json::json;

use crate::output::{Output, say};

/// Flags of `sigma policy check`.
#[derive(Debug, Clone, Args)]
pub(super) struct Options {
    /// The policy, as docs/alerts.md describes it.
    #[arg(value_name = "FILE.json")]
    file: PathBuf,
    #[command(flatten)]
    output: Output,
}

/// Checks a file.
pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let policy = read(&options.file, super::now_ms())?;
    let rules = policy.rules.len();
    let text = || format!("{} is a policy with {rules} rules.", options.file.display());
    if let Some(text) = options.output.render(&json!({ "isValid": true, "rules": rules }), text)? {
        say(text);
    }
    Ok(())
}

/// Reads a policy whose rules all end in the future.
pub(super) fn read(file: &Path, now_ms: i64) -> anyhow::Result<Policy> {
    let json = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    parse(&json, now_ms).with_context(|| format!("{} is refused", file.display()))
}

fn parse(json: &str, now_ms: i64) -> anyhow::Result<Policy> {
    let policy = Policy::parse(json)?;
    policy.check_dates(now_ms)?;
    Ok(policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_795_910_400_000;

    #[test]
    fn a_policy_is_refused_for_its_form_and_for_its_dates() {
        let rule = |until: &str| {
            format!(
                r#"{{"rules":[{{"id":"a","match":{{"userId":["u"]}},"then":"silent","until":"{until}","why":"test"}}]}}"#
            )
        };
        assert_eq!(parse(&rule("2027-01-31"), NOW_MS).unwrap().rules.len(), 1);
        let error = |json: &str| parse(json, NOW_MS).unwrap_err().to_string();
        assert_eq!(error(&rule("2026-11-28")), "rule \"a\" has ended already");
        assert!(error("{\"rule\":[]}").contains("unknown field `rule`"));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = read(Path::new("/nowhere/policy.json"), NOW_MS).unwrap_err();
        assert_eq!(error.to_string(), "cannot read /nowhere/policy.json");
    }
}
