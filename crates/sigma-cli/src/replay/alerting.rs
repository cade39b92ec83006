//! The flags that say how alerts are told.

use std::path::{Path, PathBuf};

use alert_policy::Policy;
use anyhow::Context;
use backtest::AlertingSettings;
use clap::Args;

/// How alerts are told.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "What people would get")]
pub struct AlertingOptions {
    /// The policy of alerting, as JSON: which alerts are told at once, which wait for a summary, which are silent.
    #[arg(long, value_name = "FILE.json")]
    pub policy: Option<PathBuf>,
    /// Alerts a day (UTC) that are told at once, unless the policy says otherwise; the rest wait for a summary. 0 for any number.
    #[arg(long, value_name = "PAGES", default_value_t = AlertingSettings::PAGES_PER_DAY_MAX, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub pages_per_day_max: u32,
    /// Hours between summaries; 0 for none: then every alert is told at once, which needs --pages-per-day-max 0.
    #[arg(
        long,
        value_name = "HOURS",
        default_value_t = AlertingSettings::DIGEST_HOURS,
        value_parser = clap::value_parser!(u32).range(0..=i64::from(AlertingSettings::DIGEST_HOURS_MAX))
    )]
    pub digest_hours: u32,
}

impl AlertingOptions {
    /// What the flags say.
    ///
    /// # Errors
    /// If the policy cannot be read.
    pub(super) fn settings(&self) -> anyhow::Result<AlertingSettings> {
        Ok(AlertingSettings {
            policy: self.policy.as_deref().map(read_policy).transpose()?,
            pages_per_day_max: self.pages_per_day_max,
            digest_hours: self.digest_hours,
        })
    }
}

/// The alerter alerts as without a policy if it cannot read one. Here that would be a wrong answer.
fn read_policy(path: &Path) -> anyhow::Result<Policy> {
    let name = path.display();
    let json = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    Policy::parse(&json).with_context(|| format!("cannot use the policy in {name}"))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        alerting: AlertingOptions,
    }

    #[test]
    fn defaults_and_bounds_are_those_of_the_alerter() {
        let command = Cli::command();
        for (name, flag) in [("PAGES_PER_DAY_MAX", "pages_per_day_max"), ("DIGEST_HOURS", "digest_hours")] {
            let variable = alerter::config::variables().into_iter().find(|row| row.name == name).unwrap();
            let argument = command.get_arguments().find(|argument| argument.get_id() == flag).unwrap();
            assert_eq!(argument.get_default_values(), [variable.default.unwrap().as_str()], "{name}");
            let max = variable.max.unwrap();
            let parse = |value: f64| Cli::try_parse_from(["replay", &format!("--{}={value}", flag.replace('_', "-"))]);
            assert!(parse(max).is_ok() && parse(max + 1.0).is_err(), "{name}");
        }
        assert_eq!(Cli::parse_from(["replay"]).alerting.settings().unwrap(), AlertingSettings::default());
    }
}
