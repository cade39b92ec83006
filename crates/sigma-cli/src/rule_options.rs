//! The flags of the rules: the names, ranges and defaults of the detector's knobs.

use std::path::PathBuf;

use anomaly_core::{Direction, RuleKind, knobs};
use backtest::{RuleChoices, RuleName};
use clap::Args;
use clap::builder::TypedValueParser;

use crate::choice::{one_of, within};
use crate::files;

/// The rules to compare.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Rules")]
pub struct RuleOptions {
    /// The rule that judges; repeat the flag to compare rules side by side.
    #[arg(long, value_parser = rule_name(), default_values = ["adaptive", "profile"])]
    pub rule: Vec<RuleName>,
    /// Sigmas.
    #[arg(
        long,
        value_parser = within(knobs::SIGMAS),
        help = format!(
            "{}; repeat the flag to compare several [default: 2.5, or 3.25 for profile]",
            knobs::SIGMAS.help()
        )
    )]
    pub sigmas: Vec<f64>,
    /// Window length.
    #[arg(
        long,
        value_parser = within(knobs::WINDOW_SECONDS),
        default_value_t = knobs::WINDOW_SECONDS.default,
        help = knobs::WINDOW_SECONDS.help()
    )]
    pub window_seconds: u32,
    /// Minimum of observations.
    #[arg(
        long,
        value_parser = within(knobs::MIN_OBSERVATIONS),
        help = format!("{} [default: 9, or 3 for profile, plain and tumbling]", knobs::MIN_OBSERVATIONS.help())
    )]
    pub min_observations: Option<u32>,
    /// Direction.
    #[arg(long, value_parser = direction(), default_value = "up", help = "Which side of the baseline alerts")]
    pub direction: Direction,
    /// Knobs of every rule.
    #[command(flatten)]
    pub shared: SharedKnobs,
    /// For profile: what is large for everybody, as `sigma calibrate` writes it.
    #[arg(long, value_name = "FILE.json")]
    pub population: Option<PathBuf>,
    /// For profile: a model that alerts too, as `sigma train` writes it.
    #[arg(long, value_name = "FILE.json")]
    pub model: Option<PathBuf>,
}

/// The knobs that mean the same to a backtest and to what is learnt from an archive.
#[derive(Debug, Clone, Args)]
pub struct SharedKnobs {
    /// Floor of the standard deviation.
    #[arg(
        long,
        value_parser = within(knobs::STDDEV_FLOOR_RATIO),
        default_value_t = knobs::STDDEV_FLOOR_RATIO.default,
        help = knobs::STDDEV_FLOOR_RATIO.help()
    )]
    pub stddev_floor_ratio: f64,
    /// Retention of state.
    #[arg(
        long,
        value_parser = within(knobs::STATE_RETENTION_DAYS),
        default_value_t = knobs::STATE_RETENTION_DAYS.default,
        help = knobs::STATE_RETENTION_DAYS.help()
    )]
    pub state_retention_days: u32,
    /// Unit.
    #[arg(
        long,
        value_parser = within(knobs::AMOUNT_UNIT),
        default_value_t = knobs::AMOUNT_UNIT.default,
        help = knobs::AMOUNT_UNIT.help()
    )]
    pub amount_unit: f64,
}

impl RuleOptions {
    /// What the flags choose.
    ///
    /// # Errors
    /// If a file cannot be read, or is not what it should be.
    pub fn choices(&self) -> anyhow::Result<RuleChoices> {
        Ok(RuleChoices {
            rules: self.rule.clone(),
            sigmas: self.sigmas.clone(),
            window_seconds: self.window_seconds,
            min_observations: self.min_observations,
            stddev_floor_ratio: self.shared.stddev_floor_ratio,
            direction: self.direction,
            state_retention_days: self.shared.state_retention_days,
            amount_unit: self.shared.amount_unit,
            population: self.population.as_deref().map(files::read_json).transpose()?,
            model: self.model.as_deref().map(files::read_json).transpose()?,
        })
    }
}

fn rule_name() -> impl TypedValueParser<Value = RuleName> {
    let help = |rule| match rule {
        RuleName::Adaptive => "Window and long-term baseline together; the detector's default",
        RuleName::Profile => "The user's own scale, whatever the distribution of the amounts",
        RuleName::Plain => "mean + σ·s of the prior window",
        RuleName::Tumbling => "The tumbling windows of the Flink baseline, faults included; not in the detector",
    };
    one_of(RuleName::ALL.map(|rule| (rule, rule.as_str(), help(rule))))
}

/// A parser for a rule of the detector.
pub(crate) fn rule_kind() -> impl TypedValueParser<Value = RuleKind> {
    let help = |rule| match rule {
        RuleKind::Adaptive => "Window and long-term baseline together",
        RuleKind::Profile => "The user's own scale, whatever the distribution of the amounts",
        RuleKind::Plain => "mean + σ·s of the prior window",
    };
    one_of(RuleKind::ALL.map(|rule| (rule, rule.as_str(), help(rule))))
}

/// A parser for a direction.
pub(crate) fn direction() -> impl TypedValueParser<Value = Direction> {
    let help = |direction| match direction {
        Direction::Up => "Amounts above the threshold",
        Direction::Both => "Also amounts below the mirrored threshold",
    };
    one_of(Direction::ALL.map(|direction| (direction, direction.as_str(), help(direction))))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        rules: RuleOptions,
    }

    #[test]
    fn without_flags_the_choices_are_the_detectors() {
        assert_eq!(Cli::parse_from(["replay"]).rules.choices().unwrap(), RuleChoices::default());
    }

    #[test]
    fn a_knob_out_of_range_is_a_wrong_call_that_says_what_is_accepted() {
        for (flag, value, accepts) in [
            ("--sigmas", "7", "above 0, at most 6"),
            ("--window-seconds", "59", "60 to 7776000"),
            ("--min-observations", "2", "3 to 1000"),
            ("--stddev-floor-ratio", "2", "0 to 1"),
            ("--state-retention-days", "0", "1 to 3650"),
            ("--rule", "recipe", "tumbling"),
            ("--direction", "down", "both"),
        ] {
            let error = Cli::try_parse_from(["replay", flag, value]).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(accepts), "{error}");
        }
    }
}
