//! Which rules run: every combination of rule and sigmas, checked by the detector's own configuration.

use std::fmt::Display;

use anomaly_core::{Rule, RuleError, RuleKind, RuleSettings};
use clap::{Args, ValueEnum};
use detector::config::{ConfigError, Settings, names};
use lambda_kit::{Env, telemetry};

use super::lane::Spec;
use super::summary::{Knobs, RuleName};

/// The sigmas that a sweep tries.
const SWEEP: [f64; 9] = [1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0];
/// Rules shown side by side: as many as a table and a chart can hold.
const SHOWN_MAX: usize = 16;

/// Which way amounts alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DirectionName {
    /// Above the threshold.
    Up,
    /// Below the mirrored threshold too.
    Both,
}

/// The rules and their knobs; the same names, defaults and bounds as in the detector's configuration.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Rules")]
pub struct RuleOptions {
    /// Which rule judges; several are compared side by side.
    #[arg(long, value_enum, default_value = "adaptive")]
    pub rule: Vec<RuleName>,
    /// The 2.5 of "2.5 σ", above 0, at most 6; several are compared side by side.
    #[arg(long, default_value = "2.5")]
    pub sigmas: Vec<f64>,
    /// Length of the window, 60 to 7776000.
    #[arg(long, default_value_t = 300)]
    pub window_seconds: u32,
    /// Observations from which a transaction is judged, 3 to 1000 [default: 9, or 3 for plain and recipe].
    #[arg(long)]
    pub min_observations: Option<u32>,
    /// Least standard deviation as a share of the mean, 0 to 1.
    #[arg(long, default_value_t = 0.05)]
    pub stddev_floor_ratio: f64,
    /// Which side of the baseline alerts.
    #[arg(long, value_enum, default_value = "up")]
    pub direction: DirectionName,
    /// Days after which a silent user is forgotten, 1 to 3650.
    #[arg(long, default_value_t = 90)]
    pub state_retention_days: u32,
}

/// What to run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    /// Distinct rules, the shown ones first.
    pub(super) specs: Vec<Spec>,
    /// How many of them are shown; the others only count, for the sweep.
    pub(super) shown: usize,
}

/// A combination that cannot run.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlanError {
    #[error("{}", telemetry::chain(.0))]
    Config(#[from] ConfigError),
    #[error("{0} combinations of --rule and --sigmas are too many: {SHOWN_MAX} can be compared")]
    TooMany(usize),
}

impl RuleOptions {
    /// Every combination, and with `is_swept` the same rules with other sigmas.
    pub(super) fn plan(&self, is_swept: bool) -> Result<Plan, PlanError> {
        let mut specs = Vec::new();
        self.add_distinct(&self.sigmas, &mut specs)?;
        let shown = specs.len();
        if shown > SHOWN_MAX {
            return Err(PlanError::TooMany(shown));
        }
        if is_swept {
            self.add_distinct(&SWEEP, &mut specs)?;
        }
        Ok(Plan { specs, shown })
    }

    fn add_distinct(&self, sigmas: &[f64], specs: &mut Vec<Spec>) -> Result<(), ConfigError> {
        for (rule, sigmas) in self.rule.iter().flat_map(|rule| sigmas.iter().map(move |sigmas| (*rule, *sigmas))) {
            let spec = self.spec(rule, sigmas)?;
            if !specs.contains(&spec) {
                specs.push(spec);
            }
        }
        Ok(())
    }

    fn spec(&self, rule: RuleName, sigmas: f64) -> Result<Spec, ConfigError> {
        let settings = self.settings(rule, sigmas)?;
        let rule_settings = settings.rule.settings();
        let knobs = Knobs {
            sigmas,
            window_seconds: rule_settings.window_seconds,
            min_observations: settings.rule.observations_min(),
            stddev_floor_ratio: if rule == RuleName::Recipe { 0.0 } else { rule_settings.stddev_floor_ratio },
            direction: rule_settings.direction,
        };
        let state_retention_ms = i64::from(settings.state_retention_seconds) * 1_000;
        Ok(Spec { label: format!("{} {sigmas}σ", rule.as_str()), rule, knobs, state_retention_ms })
    }

    /// The detector's settings for one combination. `recipe` has the bounds of `plain`.
    pub(super) fn settings(&self, rule: RuleName, sigmas: f64) -> Result<Settings, ConfigError> {
        let rule = if rule == RuleName::Recipe { RuleName::Plain } else { rule };
        let direction = match self.direction {
            DirectionName::Up => "up",
            DirectionName::Both => "both",
        };
        let text = |value: &dyn Display| value.to_string();
        let pairs = [
            (names::RULE, text(&rule.as_str())),
            (names::SIGMAS, text(&sigmas)),
            (names::WINDOW_SECONDS, text(&self.window_seconds)),
            (names::MIN_OBSERVATIONS, self.min_observations.map(|count| count.to_string()).unwrap_or_default()),
            (names::STDDEV_FLOOR_RATIO, text(&self.stddev_floor_ratio)),
            (names::DIRECTION, direction.to_owned()),
            (names::STATE_RETENTION_DAYS, text(&self.state_retention_days)),
        ];
        Settings::from_env(&Env::from_pairs(pairs))
    }
}

impl Spec {
    /// The detector's rule; `None` for `recipe`.
    pub(super) fn rule(&self) -> Result<Option<Rule>, RuleError> {
        let kind = match self.rule {
            RuleName::Adaptive => RuleKind::Adaptive,
            RuleName::Plain => RuleKind::Plain,
            RuleName::Recipe => return Ok(None),
        };
        let Knobs { sigmas, window_seconds, min_observations, stddev_floor_ratio, direction } = self.knobs;
        let observations_min = Some(min_observations);
        Rule::new(RuleSettings { kind, sigmas, window_seconds, observations_min, stddev_floor_ratio, direction })
            .map(Some)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        rules: RuleOptions,
    }

    fn plan(arguments: &[&str], is_swept: bool) -> Result<Plan, String> {
        let cli = Cli::parse_from(["replay"].iter().chain(arguments));
        cli.rules.plan(is_swept).map_err(|error| error.to_string())
    }

    #[test]
    fn every_combination_runs_once() {
        let plan = plan(
            &["--rule", "adaptive", "--rule", "recipe", "--sigmas", "2.5", "--sigmas", "3", "--sigmas", "3.0"],
            false,
        )
        .unwrap();
        let labels: Vec<_> = plan.specs.iter().map(|spec| spec.label.as_str()).collect();
        assert_eq!(labels, ["adaptive 2.5σ", "adaptive 3σ", "recipe 2.5σ", "recipe 3σ"]);
        assert_eq!(plan.specs.iter().map(|spec| spec.knobs.min_observations).collect::<Vec<_>>(), [9, 9, 3, 3]);
    }

    #[test]
    fn a_sweep_adds_other_sigmas_and_shows_none_of_them() {
        let plan = plan(&["--sigmas", "2.7"], true).unwrap();
        assert_eq!((plan.shown, plan.specs.len()), (1, 1 + SWEEP.len()));
    }

    #[test]
    fn a_knob_out_of_range_is_refused_in_the_detectors_words() {
        for (arguments, name) in [
            (["--sigmas", "7"], "SIGMAS"),
            (["--window-seconds", "59"], "WINDOW_SECONDS"),
            (["--min-observations", "2"], "MIN_OBSERVATIONS"),
            (["--stddev-floor-ratio", "2"], "STDDEV_FLOOR_RATIO"),
            (["--state-retention-days", "0"], "STATE_RETENTION_DAYS"),
        ] {
            let error = plan(&arguments, false).unwrap_err();
            assert!(error.starts_with(name) && error.contains("it must be"), "{error}");
        }
    }

    #[test]
    fn the_defaults_are_the_detectors() {
        let ours = plan(&[], false).unwrap();
        let theirs = Settings::from_env(&Env::default()).unwrap();
        let knobs = ours.specs[0].knobs;
        let settings = RuleSettings { observations_min: Some(9), ..*theirs.rule.settings() };
        assert_eq!(ours.specs[0].rule().unwrap().unwrap().settings(), &settings);
        assert_eq!(knobs.min_observations, theirs.rule.observations_min());
        assert_eq!(ours.specs[0].state_retention_ms, i64::from(theirs.state_retention_seconds) * 1_000);
    }
}
