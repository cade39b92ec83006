//! Which rules run: every combination of rule and sigmas, within the ranges of the detector's own knobs.

use anomaly_core::profile::{Model, Population};
use anomaly_core::{Direction, KnobError, Rule, RuleKind, RuleSettings, knobs};

use super::people::AlertingSettings;
use super::summary::{Knobs, RuleName};
use super::track::{Aids, Spec};

/// The sigmas of a sweep.
const SWEEP: [f64; 9] = [1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0];
/// Maximum number of rules shown side by side: as many as a table and a chart can hold.
const SHOWN_MAX: usize = 16;

/// Which rules to compare. Every rule runs with every number of sigmas.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleChoices {
    /// The rules.
    pub rules: Vec<RuleName>,
    /// [`knobs::SIGMAS`]; empty takes each rule's own.
    pub sigmas: Vec<f64>,
    /// [`knobs::WINDOW_SECONDS`].
    pub window_seconds: u32,
    /// [`knobs::MIN_OBSERVATIONS`]; `None` takes each rule's own.
    pub min_observations: Option<u32>,
    /// [`knobs::STDDEV_FLOOR_RATIO`]; `tumbling` has no floor.
    pub stddev_floor_ratio: f64,
    /// [`knobs::DIRECTION`].
    pub direction: Direction,
    /// [`knobs::STATE_RETENTION_DAYS`].
    pub state_retention_days: u32,
    /// [`knobs::AMOUNT_UNIT`].
    pub amount_unit: f64,
    /// What is loud for everybody, for `profile`.
    pub population: Option<Population>,
    /// A trained model that alerts beside `profile`.
    pub model: Option<Model>,
}

/// The detector's two rules, each with its own sigmas, and its defaults.
impl Default for RuleChoices {
    fn default() -> Self {
        let RuleSettings { window_seconds, stddev_floor_ratio, direction, .. } = RuleSettings::default();
        Self {
            rules: vec![RuleName::Adaptive, RuleName::Profile],
            sigmas: Vec::new(),
            window_seconds,
            min_observations: None,
            stddev_floor_ratio,
            direction,
            state_retention_days: knobs::STATE_RETENTION_DAYS.default,
            amount_unit: knobs::AMOUNT_UNIT.default,
            population: None,
            model: None,
        }
    }
}

/// The rules of a backtest, validated.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Distinct rules, the shown ones first.
    pub(crate) specs: Vec<Spec>,
    /// How many of them are shown. The others only count alerts for the sweep.
    pub(crate) shown: usize,
    pub(crate) is_swept: bool,
    /// How the shown rules' alerts are told.
    pub(crate) alerting: AlertingSettings,
}

/// Choices that cannot run.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A knob is out of range.
    #[error(transparent)]
    Knob(#[from] KnobError),
    /// More combinations than a report can hold.
    #[error("{0} combinations of rules and sigmas are too many; at most {SHOWN_MAX} can be compared")]
    TooMany(usize),
    /// Alerts for which no page is left would reach nobody.
    #[error(
        "without summaries there is no budget of pages: with 0 hours between summaries, pages per day have to be 0, for any number"
    )]
    BudgetWithoutDigest,
    /// Summaries that nobody would wait for.
    #[error("{0} hours between summaries are too many; {max} is the most", max = AlertingSettings::DIGEST_HOURS_MAX)]
    DigestHours(u32),
}

impl RuleChoices {
    /// Plans every combination and, with `is_swept`, the same rules with other sigmas.
    ///
    /// # Errors
    /// [`PlanError`] if a knob is out of range, or if there are more combinations than a report can hold.
    pub fn plan(&self, is_swept: bool) -> Result<Plan, PlanError> {
        knobs::STATE_RETENTION_DAYS.check(self.state_retention_days)?;
        let mut specs = Vec::new();
        if self.sigmas.is_empty() {
            for rule in &self.rules {
                self.add_distinct(&[*rule], &[rule.sigmas()], &mut specs)?;
            }
        }
        self.add_distinct(&self.rules, &self.sigmas, &mut specs)?;
        let shown = specs.len();
        if shown > SHOWN_MAX {
            return Err(PlanError::TooMany(shown));
        }
        if is_swept {
            self.add_distinct(&self.rules, &SWEEP, &mut specs)?;
        }
        Ok(Plan { specs, shown, is_swept, alerting: AlertingSettings::default() })
    }

    fn add_distinct(&self, rules: &[RuleName], sigmas: &[f64], specs: &mut Vec<Spec>) -> Result<(), KnobError> {
        for (rule, sigmas) in rules.iter().flat_map(|rule| sigmas.iter().map(move |sigmas| (*rule, *sigmas))) {
            let spec = self.spec(rule, sigmas)?;
            if !specs.contains(&spec) {
                specs.push(spec);
            }
        }
        Ok(())
    }

    fn spec(&self, name: RuleName, sigmas: f64) -> Result<Spec, KnobError> {
        let rule = Rule::new(RuleSettings {
            // `tumbling` uses the ranges and the default minimum of observations of `plain`.
            kind: name.kind().unwrap_or(RuleKind::Plain),
            sigmas,
            window_seconds: self.window_seconds,
            observations_min: self.min_observations,
            stddev_floor_ratio: self.stddev_floor_ratio,
            direction: self.direction,
            amount_unit: self.amount_unit,
        })?;
        let knobs = Knobs {
            sigmas,
            window_seconds: self.window_seconds,
            min_observations: rule.observations_min(),
            stddev_floor_ratio: if name == RuleName::Tumbling { 0.0 } else { self.stddev_floor_ratio },
            direction: self.direction,
            amount_unit: self.amount_unit,
        };
        let hours = knobs::STREAM_RETENTION_HOURS.default;
        let retention_seconds = rule.state_retention_seconds(self.state_retention_days, hours);
        let state_retention_ms = i64::from(retention_seconds) * 1_000;
        let aids = if name == RuleName::Profile { self.aids() } else { Aids::default() };
        let label = format!("{} {sigmas}σ{}", name.as_str(), aids.label());
        Ok(Spec { label, rule: name, knobs, state_retention_ms, aids })
    }

    fn aids(&self) -> Aids {
        Aids { population: self.population.clone(), model: self.model.clone() }
    }
}

impl Plan {
    /// The same rules, with their alerts told like this.
    ///
    /// # Errors
    /// [`PlanError`] if that cannot be told.
    pub fn with_alerting(self, alerting: AlertingSettings) -> Result<Self, PlanError> {
        alerting.check()?;
        Ok(Self { alerting, ..self })
    }

    /// The shown rules, and how long each keeps a silent user's state, in seconds. `None` unless the detector has them all.
    #[must_use]
    pub fn detector_rules(&self) -> Option<Vec<(Rule, u32)>> {
        let rule = |spec: &Spec| {
            let retention_seconds = u32::try_from(spec.state_retention_ms / 1_000).ok()?;
            Some((spec.rule().ok()??, retention_seconds))
        };
        self.specs.iter().take(self.shown).map(rule).collect()
    }
}

impl RuleName {
    /// The detector's rule of this name; `None` for `tumbling`.
    #[must_use]
    pub const fn kind(self) -> Option<RuleKind> {
        match self {
            Self::Adaptive => Some(RuleKind::Adaptive),
            Self::Plain => Some(RuleKind::Plain),
            Self::Profile => Some(RuleKind::Profile),
            Self::Tumbling => None,
        }
    }

    /// The sigmas that it has unless they are chosen.
    #[must_use]
    pub fn sigmas(self) -> f64 {
        self.kind().unwrap_or(RuleKind::Plain).sigmas()
    }
}

impl Spec {
    /// The detector's rule; `None` for `tumbling`.
    pub(crate) fn rule(&self) -> Result<Option<Rule>, KnobError> {
        let Some(kind) = self.rule.kind() else { return Ok(None) };
        let Knobs { sigmas, window_seconds, min_observations, stddev_floor_ratio, direction, amount_unit } = self.knobs;
        let observations_min = Some(min_observations);
        let settings =
            RuleSettings { kind, sigmas, window_seconds, observations_min, stddev_floor_ratio, direction, amount_unit };
        Ok(Some(self.aids.clone().help(Rule::new(settings)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_runs_once() {
        let choices = RuleChoices {
            rules: vec![RuleName::Adaptive, RuleName::Tumbling],
            sigmas: vec![2.5, 3.0, 3.0],
            ..RuleChoices::default()
        };
        let plan = choices.plan(false).unwrap();
        let labels: Vec<_> = plan.specs.iter().map(|spec| spec.label.as_str()).collect();
        assert_eq!(labels, ["adaptive 2.5σ", "adaptive 3σ", "tumbling 2.5σ", "tumbling 3σ"]);
        assert_eq!(plan.specs.iter().map(|spec| spec.knobs.min_observations).collect::<Vec<_>>(), [9, 9, 3, 3]);
        assert!(plan.detector_rules().is_none());
    }

    #[test]
    fn without_sigmas_every_rule_has_its_own() {
        let plan = RuleChoices { rules: RuleName::ALL.to_vec(), ..RuleChoices::default() }.plan(false).unwrap();
        let labels: Vec<_> = plan.specs.iter().map(|spec| spec.label.as_str()).collect();
        assert_eq!(labels, ["adaptive 2.5σ", "profile 3.25σ", "plain 2.5σ", "tumbling 2.5σ"]);
    }

    #[test]
    fn a_sweep_adds_other_sigmas_and_shows_none_of_them() {
        let plan = RuleChoices { rules: vec![RuleName::Adaptive], sigmas: vec![2.7], ..RuleChoices::default() };
        let plan = plan.plan(true).unwrap();
        assert_eq!((plan.shown, plan.specs.len()), (1, 1 + SWEEP.len()));
        assert_eq!(plan.detector_rules().unwrap()[0].0.settings().sigmas, 2.7);
    }

    #[test]
    fn a_knob_out_of_range_is_refused_in_the_detectors_words() {
        let default = RuleChoices::default;
        for (choices, message) in [
            (RuleChoices { sigmas: vec![7.0], ..default() }, "SIGMAS is 7: it must be above 0, at most 6"),
            (RuleChoices { window_seconds: 59, ..default() }, "WINDOW_SECONDS is 59: it must be 60 to 7776000"),
            (RuleChoices { min_observations: Some(2), ..default() }, "MIN_OBSERVATIONS is 2: it must be 3 to 1000"),
            (RuleChoices { stddev_floor_ratio: 2.0, ..default() }, "STDDEV_FLOOR_RATIO is 2: it must be 0 to 1"),
            (RuleChoices { state_retention_days: 0, ..default() }, "STATE_RETENTION_DAYS is 0: it must be 1 to 3650"),
        ] {
            assert_eq!(choices.plan(false).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn more_combinations_than_a_report_can_hold_are_refused() {
        let sigmas: Vec<f64> = (0..17).map(|step| 1.0 + f64::from(step) / 10.0).collect();
        assert!(RuleChoices { sigmas, ..RuleChoices::default() }.plan(false).is_err());
    }
}
