//! The test itself: from what was usual to a threshold. `docs/rule.md` has the derivation and the evidence.

mod explanation;
mod multipliers;
mod settings;

pub use explanation::{Explanation, SecondOpinion};
use multipliers::Multipliers;
use serde::{Deserialize, Serialize};
pub use settings::{Direction, ModelMode, RuleKind, RuleSettings};

use std::sync::Arc;

use crate::knobs::{self, KnobError};
use crate::profile::{Model, Population, ProfileSettings};
use crate::{LongTerm, Moments, Window};

/// A score is finite even where the standard deviation is 0: JSON has no infinity.
const SCORE_ABSOLUTE_MAX: f64 = 1e9;
/// Scores from which an anomaly is high, and critical.
const SCORE_HIGH: f64 = 5.0;
const SCORE_CRITICAL: f64 = 10.0;
/// The score of `profile` grows with the logarithm of an amount, not with the amount.
const SCORE_CRITICAL_PROFILE: f64 = 8.0;
/// No threshold that is told is beyond it, a thousand times the largest amount.
const THRESHOLD_MAX: f64 = 1e15;
/// Observations from which an amount is clamped before it is judged.
const TAMED_FROM: u32 = 3;
/// Most pseudo-observations that the long-term baseline lends to the window.
const PSEUDO_OBSERVATIONS_MAX: u32 = 10;

/// How far beyond usual an anomaly is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Beyond the threshold.
    Warning,
    /// At least 5 s from the mean.
    High,
    /// At least 10 s from the mean; under `profile`, from a score of 8 on.
    Critical,
}

impl Severity {
    /// As written in messages, metrics and filter policies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The severity of an anomaly with this score under this rule.
    #[must_use]
    pub fn of(score: f64, rule: RuleKind) -> Self {
        let critical = if rule == RuleKind::Profile { SCORE_CRITICAL_PROFILE } else { SCORE_CRITICAL };
        match score.abs() {
            s if s >= critical => Self::Critical,
            s if s >= SCORE_HIGH => Self::High,
            _ => Self::Warning,
        }
    }
}

/// What is usual for a user, from before the transaction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Baseline {
    /// Observations, pseudo-observations included.
    pub count: u32,
    /// Mean amount.
    pub mean: f64,
    /// Sample standard deviation, floored.
    pub stddev: f64,
}

/// A transaction compared with its baseline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Assessment {
    /// The baseline it was compared with.
    pub baseline: Baseline,
    /// Beyond this amount the transaction is an anomaly.
    pub threshold: f64,
    /// (amount − mean) / stddev, within ±1e9; under `profile`, the sum of the parts in [`Explanation`].
    pub score: f64,
    /// What the score is made of, under `profile`.
    pub explanation: Option<Explanation>,
    /// What the other rule says, if one is asked.
    pub second: Option<SecondOpinion>,
}

/// Validated settings with their table of k(n).
#[derive(Debug, Clone)]
pub struct Rule {
    settings: RuleSettings,
    observations_min: u32,
    multipliers: Multipliers,
    profile: ProfileSettings,
    second_opinion: Option<Box<Rule>>,
}

impl Rule {
    /// Validates the settings.
    ///
    /// # Errors
    /// [`KnobError`] names the knob that is out of range, and its range.
    pub fn new(settings: RuleSettings) -> Result<Self, KnobError> {
        let observations_min = settings.observations_min.unwrap_or(settings.kind.observations_min());
        knobs::SIGMAS.check(settings.sigmas)?;
        knobs::WINDOW_SECONDS.check(settings.window_seconds)?;
        knobs::MIN_OBSERVATIONS.check(observations_min)?;
        knobs::STDDEV_FLOOR_RATIO.check(settings.stddev_floor_ratio)?;
        knobs::AMOUNT_UNIT.check(settings.amount_unit)?;
        let profile = ProfileSettings {
            sigmas: settings.sigmas,
            direction: settings.direction,
            observations_min,
            spread_ratio_min: settings.stddev_floor_ratio,
            unit: settings.amount_unit,
            population: None,
            model: None,
            model_alerts: false,
            keeps_context: false,
        };
        let multipliers = Multipliers::new(settings.sigmas);
        Ok(Self { settings, observations_min, multipliers, profile, second_opinion: None })
    }

    /// The rule with a table of what is loud for everybody. Only `profile` reads it.
    #[must_use]
    pub fn with_population(mut self, population: Population) -> Self {
        self.profile.population = Some(Arc::new(population));
        self
    }

    /// The rule with a trained second opinion. Only `profile` asks it; from now on a user's state holds the context that it needs.
    #[must_use]
    pub fn with_model(mut self, model: Model, mode: ModelMode) -> Self {
        let is_on = mode != ModelMode::Off;
        self.profile.model = is_on.then(|| Arc::new(model));
        self.profile.model_alerts = mode == ModelMode::Alert;
        self.profile.keeps_context = is_on;
        self
    }

    /// The rule, with the score of `second` beside each of its own. Its window has fewer panes then, so that a verdict may differ where an
    /// amount is just about to leave it. `second` has to be `profile`; a rule that is `profile` itself asks nobody.
    #[must_use]
    pub fn with_second_opinion(mut self, second: Self) -> Self {
        let is_asked = self.settings.kind != RuleKind::Profile && second.settings.kind == RuleKind::Profile;
        self.second_opinion = is_asked.then(|| Box::new(second));
        self
    }

    /// The rule that is asked beside this one.
    #[must_use]
    pub fn second_opinion(&self) -> Option<&Self> {
        self.second_opinion.as_deref()
    }

    /// What the rule `profile` is set to.
    #[must_use]
    pub const fn profile_settings(&self) -> &ProfileSettings {
        &self.profile
    }

    /// The severity of an anomaly with this score.
    #[must_use]
    pub fn severity(&self, score: f64) -> Severity {
        Severity::of(score, self.settings.kind)
    }

    /// An empty window as the rule wants it.
    #[must_use]
    pub fn new_window(&self) -> Window {
        let length_ms = self.window_length_ms();
        if self.second_opinion.is_some() { Window::shared(length_ms) } else { Window::new(length_ms) }
    }

    /// The settings this rule was made from.
    #[must_use]
    pub const fn settings(&self) -> &RuleSettings {
        &self.settings
    }

    /// How many observations it takes to judge a transaction.
    #[must_use]
    pub const fn observations_min(&self) -> u32 {
        self.observations_min
    }

    /// Window length in ms.
    #[must_use]
    pub fn window_length_ms(&self) -> i64 {
        i64::from(self.settings.window_seconds) * 1_000
    }

    /// How long a state is kept after its last change, in seconds: at least `days`, and always a day longer than the stream's
    /// retention and the window together. Otherwise a redelivered record could be applied to a state that no longer knows it.
    #[must_use]
    pub const fn state_retention_seconds(&self, days: u32, stream_retention_hours: u32) -> u32 {
        const SECONDS_PER_DAY: u32 = 86_400;
        const SECONDS_PER_HOUR: u32 = 3_600;
        let redeliverable = stream_retention_hours * SECONDS_PER_HOUR + self.settings.window_seconds + SECONDS_PER_DAY;
        let wanted = days * SECONDS_PER_DAY;
        if wanted > redeliverable { wanted } else { redeliverable }
    }

    /// Compares an amount with what came before it: `window` is the user's window without this amount. Returns the assessment,
    /// and the severity if the amount is an anomaly. `None` while there are too few observations.
    #[must_use]
    pub fn assess(&self, amount: f64, window: Moments, long_term: &LongTerm) -> Option<(Assessment, Option<Severity>)> {
        let baseline = self.baseline(window, long_term)?;
        let reach = self.multiplier(baseline.count) * baseline.stddev;
        let deviation = amount - baseline.mean;
        let is_below = deviation < 0.0 && self.settings.direction == Direction::Both;
        let is_anomaly = if is_below { deviation < -reach } else { deviation > reach };
        let score = score(deviation, baseline.stddev);
        let threshold = if is_below { baseline.mean - reach } else { baseline.mean + reach };
        let assessment = Assessment { baseline, threshold, score, explanation: None, second: None };
        Some((assessment, is_anomaly.then(|| self.severity(score))))
    }

    /// The amount that is folded into the state after it was judged. `adaptive` clamps it to within the threshold of the mean, on both
    /// sides whatever the direction, so that neither an outlier nor a refund widens the next threshold. Where the threshold is the mean
    /// itself (nothing but zeros so far) it does not clamp: nothing else could ever be learnt.
    #[must_use]
    pub fn winsorise(&self, amount: f64, assessment: &Assessment) -> f64 {
        match self.settings.kind {
            RuleKind::Adaptive => {
                clamped(amount, assessment.baseline.mean, assessment.threshold - assessment.baseline.mean)
            }
            RuleKind::Plain | RuleKind::Profile => amount,
        }
    }

    /// The amount that is folded into the state, or into the long-term baseline alone, without having been judged: clamped as if
    /// it were judged, from the third observation on. Two say next to nothing about a spread.
    #[must_use]
    pub fn tame(&self, amount: f64, window: Moments, long_term: &LongTerm) -> f64 {
        let pooled = pool(window, long_term);
        if pooled.count < TAMED_FROM {
            return amount;
        }
        let stddev = self.floored_stddev(&pooled);
        clamped(amount, pooled.mean, self.multipliers.at(pooled.count) * stddev)
    }

    /// Observations that the window and the long-term baseline make together; see [`Self::assess`].
    #[must_use]
    pub fn observations(&self, window: Moments, long_term: &LongTerm) -> u32 {
        pool(window, long_term).count
    }

    /// The baseline of the configured rule; `None` while there are too few observations.
    fn baseline(&self, window: Moments, long_term: &LongTerm) -> Option<Baseline> {
        let pooled = match self.settings.kind {
            RuleKind::Adaptive => pool(window, long_term),
            RuleKind::Plain | RuleKind::Profile => window,
        };
        if pooled.count < self.observations_min {
            return None;
        }
        Some(Baseline { count: pooled.count, mean: pooled.mean, stddev: self.floored_stddev(&pooled) })
    }

    /// Sample standard deviation of at least two observations, at least the floor.
    fn floored_stddev(&self, moments: &Moments) -> f64 {
        let floor = self.settings.stddev_floor_ratio * moments.mean.abs();
        (moments.sum_squares / f64::from(moments.count - 1)).sqrt().max(floor)
    }

    fn multiplier(&self, count: u32) -> f64 {
        match self.settings.kind {
            RuleKind::Adaptive => self.multipliers.at(count),
            RuleKind::Plain | RuleKind::Profile => self.settings.sigmas,
        }
    }
}

/// Window and long-term baseline together: p = min(10, L − c) pseudo-observations of the long-term mean and population
/// variance, where L is how many amounts the baseline has seen and c how many of them are in the window, so that an amount in the
/// window counts once. The same as merging a set of p numbers with those moments.
fn pool(window: Moments, long_term: &LongTerm) -> Moments {
    let count = long_term.count.saturating_sub(window.count).min(PSEUDO_OBSERVATIONS_MAX);
    window.merge(Moments::new(count, long_term.mean, f64::from(count) * long_term.variance))
}

/// The amount, at most |`reach`| from the mean; unchanged if that is 0.
fn clamped(amount: f64, mean: f64, reach: f64) -> f64 {
    let reach = reach.abs();
    if reach == 0.0 { amount } else { amount.clamp(mean - reach, mean + reach) }
}

fn score(deviation: f64, stddev: f64) -> f64 {
    let score = deviation / stddev;
    if score.is_nan() { 0.0 } else { score.clamp(-SCORE_ABSOLUTE_MAX, SCORE_ABSOLUTE_MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_amounts_do_not_alert_at_a_small_rise() {
        let rule = Rule::new(RuleSettings::default()).unwrap();
        let mut window = Moments::default();
        (0..30).for_each(|_| window.push(9.99));
        let severity = |amount| rule.assess(amount, window, &LongTerm::default()).unwrap().1;
        assert_eq!(severity(10.49), None);
        assert_eq!(severity(99.0), Some(Severity::Critical));
    }

    #[test]
    fn a_zero_deviation_gives_a_finite_score() {
        let settings = RuleSettings { kind: RuleKind::Plain, ..RuleSettings::default() };
        let rule = Rule::new(settings).unwrap();
        let mut window = Moments::default();
        (0..3).for_each(|_| window.push(0.0));
        let (assessment, _) = rule.assess(1.0, window, &LongTerm::default()).unwrap();
        assert!(assessment.score.is_finite());
        assert_eq!(rule.assess(0.0, window, &LongTerm::default()).unwrap().1, None);
    }

    #[test]
    fn refunds_alert_only_in_both_directions() {
        let mut window = Moments::default();
        [99.0, 100.0, 101.0].iter().cycle().take(30).for_each(|x| window.push(*x));
        let judge = |direction| {
            let rule = Rule::new(RuleSettings { direction, ..RuleSettings::default() }).unwrap();
            rule.assess(-5_000.0, window, &LongTerm::default()).unwrap()
        };
        assert_eq!(judge(Direction::Up).1, None);
        let (assessment, severity) = judge(Direction::Both);
        assert_eq!(severity, Some(Severity::Critical));
        assert!(assessment.threshold < assessment.baseline.mean);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let default = RuleSettings::default();
        for (settings, name) in [
            (RuleSettings { sigmas: 0.0, ..default }, "SIGMAS"),
            (RuleSettings { sigmas: f64::NAN, ..default }, "SIGMAS"),
            (RuleSettings { sigmas: 6.1, ..default }, "SIGMAS"),
            (RuleSettings { window_seconds: 59, ..default }, "WINDOW_SECONDS"),
            (RuleSettings { observations_min: Some(2), ..default }, "MIN_OBSERVATIONS"),
            (RuleSettings { stddev_floor_ratio: -0.1, ..default }, "STDDEV_FLOOR_RATIO"),
        ] {
            assert_eq!(Rule::new(settings).unwrap_err().name, name, "{settings:?}");
        }
    }
}
