//! The test itself: from what was usual to a threshold. `docs/rule.md` has the derivation and the evidence.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use crate::{LongTerm, Moments};

/// Shortest window: 1 minute.
const WINDOW_SECONDS_MIN: u32 = 60;
/// Longest window: 90 days.
const WINDOW_SECONDS_MAX: u32 = 90 * 24 * 60 * 60;
/// A score is finite even where the standard deviation is 0: JSON has no infinity.
const SCORE_ABSOLUTE_MAX: f64 = 1e9;
/// Scores from which an anomaly is high, and critical.
const SCORE_HIGH: f64 = 5.0;
const SCORE_CRITICAL: f64 = 10.0;
/// Most pseudo-observations that the long-term baseline lends to the window.
const PSEUDO_OBSERVATIONS_MAX: u32 = 10;
/// Most sigmas: a usual transaction in a thousand million. Far beyond it Φ(σ) is 1 to the last bit, and nothing would alert.
const SIGMAS_MAX: f64 = 6.0;
/// Fewest observations to judge by: two say next to nothing of a spread.
const OBSERVATIONS_MIN: u32 = 3;
const OBSERVATIONS_MAX: u32 = 1_000;
/// k(n) is tabulated up to here; from here to infinity it is linear in 1/n to 1e-7.
const TABULATED_MAX: usize = 1_024;

/// Which rule judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleKind {
    /// Window and long-term baseline pooled, false-alarm rate the same at every count, outliers folded in clamped.
    Adaptive,
    /// mean + SIGMAS · s of the prior window.
    Plain,
}

/// Which side of the baseline alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Amounts above the threshold, as in the recipe.
    Up,
    /// Amounts below the mirrored threshold too.
    Both,
}

/// How far beyond usual an anomaly is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Beyond the threshold.
    Warning,
    /// At least 5 s from the mean.
    High,
    /// At least 10 s from the mean.
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

    /// The severity of an anomaly with this score.
    #[must_use]
    pub fn of(score: f64) -> Self {
        match score.abs() {
            s if s >= SCORE_CRITICAL => Self::Critical,
            s if s >= SCORE_HIGH => Self::High,
            _ => Self::Warning,
        }
    }
}

impl RuleKind {
    /// As written in messages and configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Adaptive => "adaptive",
            Self::Plain => "plain",
        }
    }

    /// The inverse of [`Self::as_str`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Adaptive, Self::Plain].into_iter().find(|kind| kind.as_str() == name)
    }
}

impl Direction {
    /// As written in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Both => "both",
        }
    }

    /// The inverse of [`Self::as_str`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Up, Self::Both].into_iter().find(|direction| direction.as_str() == name)
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

/// A transaction held against its baseline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Assessment {
    /// What it was held against.
    pub baseline: Baseline,
    /// Beyond this amount it is an anomaly.
    pub threshold: f64,
    /// (amount − mean) / stddev, within ±1e9.
    pub score: f64,
    /// `None` if it is not an anomaly.
    pub severity: Option<Severity>,
}

/// The knobs of the rule, as configured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RuleSettings {
    /// Which rule.
    pub kind: RuleKind,
    /// The 2.5 of "2.5 σ"; more than 0, at most 6.
    pub sigmas: f64,
    /// Window length in seconds, 60 to 7,776,000.
    pub window_seconds: u32,
    /// Observations from which a transaction is judged, 3 to 1,000; by default 9 (`adaptive`) or 3 (`plain`).
    pub observations_min: Option<u32>,
    /// The standard deviation is at least this share of |mean|, 0 to 1.
    pub stddev_floor_ratio: f64,
    /// Which side alerts.
    pub direction: Direction,
}

impl Default for RuleSettings {
    fn default() -> Self {
        Self {
            kind: RuleKind::Adaptive,
            sigmas: 2.5,
            window_seconds: 300,
            observations_min: None,
            stddev_floor_ratio: 0.05,
            direction: Direction::Up,
        }
    }
}

/// A knob outside its range.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum RuleError {
    /// `sigmas`.
    #[error("sigmas is {0}: it must be more than 0 and at most {SIGMAS_MAX}")]
    Sigmas(f64),
    /// `window_seconds`.
    #[error("the window is {0} s: it must be {WINDOW_SECONDS_MIN} to {WINDOW_SECONDS_MAX} s")]
    WindowSeconds(u32),
    /// `observations_min`.
    #[error("the minimum of observations is {0}: it must be {OBSERVATIONS_MIN} to {OBSERVATIONS_MAX}")]
    ObservationsMin(u32),
    /// `stddev_floor_ratio`.
    #[error("the floor of the standard deviation is {0} of the mean: it must be 0 to 1")]
    StddevFloorRatio(f64),
}

/// A validated rule with its table of k(n).
#[derive(Debug, Clone)]
pub struct Rule {
    settings: RuleSettings,
    observations_min: u32,
    multipliers: Multipliers,
}

impl Rule {
    /// Validates the settings.
    ///
    /// # Errors
    /// [`RuleError`] names the knob that is out of range.
    pub fn new(settings: RuleSettings) -> Result<Self, RuleError> {
        let RuleSettings { sigmas, window_seconds, stddev_floor_ratio, .. } = settings;
        let observations_min = settings.observations_min.unwrap_or(match settings.kind {
            RuleKind::Adaptive => 9,
            RuleKind::Plain => 3,
        });
        if !(sigmas > 0.0 && sigmas <= SIGMAS_MAX) {
            return Err(RuleError::Sigmas(sigmas));
        }
        if !(WINDOW_SECONDS_MIN..=WINDOW_SECONDS_MAX).contains(&window_seconds) {
            return Err(RuleError::WindowSeconds(window_seconds));
        }
        if !(OBSERVATIONS_MIN..=OBSERVATIONS_MAX).contains(&observations_min) {
            return Err(RuleError::ObservationsMin(observations_min));
        }
        if !(0.0..=1.0).contains(&stddev_floor_ratio) {
            return Err(RuleError::StddevFloorRatio(stddev_floor_ratio));
        }
        Ok(Self { settings, observations_min, multipliers: Multipliers::new(sigmas) })
    }

    /// The settings it was made from.
    #[must_use]
    pub const fn settings(&self) -> &RuleSettings {
        &self.settings
    }

    /// Observations from which a transaction is judged.
    #[must_use]
    pub const fn observations_min(&self) -> u32 {
        self.observations_min
    }

    /// Window length in ms.
    #[must_use]
    pub fn window_length_ms(&self) -> i64 {
        i64::from(self.settings.window_seconds) * 1_000
    }

    /// Holds an amount against what came before it. `None` while there are too few observations.
    #[must_use]
    pub fn assess(&self, amount: f64, window: Moments, long_term: &LongTerm) -> Option<Assessment> {
        let baseline = self.baseline(window, long_term)?;
        let reach = self.multiplier(baseline.count) * baseline.stddev;
        let deviation = amount - baseline.mean;
        let is_below = deviation < 0.0 && self.settings.direction == Direction::Both;
        let is_anomaly = if is_below { deviation < -reach } else { deviation > reach };
        let score = score(deviation, baseline.stddev);
        Some(Assessment {
            baseline,
            threshold: if is_below { baseline.mean - reach } else { baseline.mean + reach },
            score,
            severity: is_anomaly.then(|| Severity::of(score)),
        })
    }

    /// The amount as it enters the state: `adaptive` clamps it to within the threshold of the mean, on both sides whatever the
    /// direction, so that neither an outlier nor a refund widens the next threshold.
    #[must_use]
    pub fn winsorise(&self, amount: f64, assessment: Option<&Assessment>) -> f64 {
        match assessment {
            Some(Assessment { baseline, threshold, .. }) if self.settings.kind == RuleKind::Adaptive => {
                let reach = (threshold - baseline.mean).abs();
                amount.clamp(baseline.mean - reach, baseline.mean + reach)
            }
            _ => amount,
        }
    }

    /// The baseline of the configured rule; `None` while there are too few observations.
    fn baseline(&self, window: Moments, long_term: &LongTerm) -> Option<Baseline> {
        let pooled = match self.settings.kind {
            RuleKind::Adaptive => pool(window, long_term),
            RuleKind::Plain => window,
        };
        if pooled.count < self.observations_min {
            return None;
        }
        let floor = self.settings.stddev_floor_ratio * pooled.mean.abs();
        let stddev = (pooled.sum_squares / f64::from(pooled.count - 1)).sqrt().max(floor);
        Some(Baseline { count: pooled.count, mean: pooled.mean, stddev })
    }

    fn multiplier(&self, count: u32) -> f64 {
        match self.settings.kind {
            RuleKind::Adaptive => self.multipliers.at(count),
            RuleKind::Plain => self.settings.sigmas,
        }
    }
}

/// Window and long-term baseline together: p = min(10, L − c) pseudo-observations of the long-term mean and population
/// variance, where L is how many amounts that has seen and c how many of them are in the window: what is in the window counts
/// once. The same as merging a set of p numbers with those moments.
fn pool(window: Moments, long_term: &LongTerm) -> Moments {
    let count = long_term.count.saturating_sub(window.count).min(PSEUDO_OBSERVATIONS_MAX);
    window.merge(Moments::new(count, long_term.mean, f64::from(count) * long_term.variance))
}

fn score(deviation: f64, stddev: f64) -> f64 {
    let score = deviation / stddev;
    if score.is_nan() { 0.0 } else { score.clamp(-SCORE_ABSOLUTE_MAX, SCORE_ABSOLUTE_MAX) }
}

/// k(n) = t⁻¹₍ₙ₋₁₎(Φ(σ)) · √(1 + 1/n): half the width, in sample standard deviations, of the one-sided prediction interval for
/// one more observation of a normal population (G. J. Hahn, "Factors for calculating two-sided prediction intervals for
/// samples from a normal distribution", JASA 64, 1969; here one-sided). With it the false-alarm rate is 1 − Φ(σ) at every n.
#[derive(Debug, Clone)]
struct Multipliers {
    sigmas: f64,
    confidence: f64,
    /// Each entry is computed at its first use: a cold start that computed all would wait for what it never needs.
    table: Box<[OnceLock<f64>]>,
}

impl Multipliers {
    fn new(sigmas: f64) -> Self {
        let confidence = Normal::standard().cdf(sigmas);
        Self { sigmas, confidence, table: (0..=TABULATED_MAX).map(|_| OnceLock::new()).collect() }
    }

    fn at(&self, count: u32) -> f64 {
        let count_usize = usize::try_from(count).unwrap_or(usize::MAX);
        match self.table.get(count_usize) {
            Some(entry) => *entry.get_or_init(|| self.exact(count)),
            None => self.beyond_the_table(count),
        }
    }

    /// From the last entry towards σ, linear in 1/n.
    fn beyond_the_table(&self, count: u32) -> f64 {
        const LAST: u32 = 1_024;
        self.sigmas + (self.at(LAST) - self.sigmas) * f64::from(LAST) / f64::from(count)
    }

    fn exact(&self, count: u32) -> f64 {
        let n = f64::from(count.max(2));
        let quantile = StudentsT::new(0.0, 1.0, n - 1.0).map_or(self.sigmas, |t| t.inverse_cdf(self.confidence));
        quantile * (1.0 + 1.0 / n).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_multiplier_agrees_with_the_tables() {
        let k = Multipliers::new(2.5);
        // SciPy 1.17.1: t.ppf(norm.cdf(2.5), n - 1) * sqrt(1 + 1/n).
        let expected = [
            (3, 10.264_681_295_106_772),
            (9, 3.383_917_904_566_115),
            (30, 2.709_986_973_641_226),
            (600, 2.509_675_175_449_887_6),
            (1_024, 2.505_659_378_210_619),
            (1_025, 2.505_653_843_552_289_5),
            (1_000_000, 2.500_005_781_264_251_8),
        ];
        for (count, expected) in expected {
            assert!((k.at(count) - expected).abs() < 1e-7, "k({count}) = {}", k.at(count));
        }
    }

    #[test]
    fn the_multiplier_falls_towards_sigma_without_a_step() {
        let k = Multipliers::new(2.5);
        let values: Vec<f64> = (2..3_000).map(|n| k.at(n)).collect();
        assert!(values.windows(2).all(|pair| pair[0] > pair[1]));
        assert!(k.at(u32::MAX) > 2.5);
    }

    #[test]
    fn the_multiplier_is_finite_at_the_largest_sigma_and_the_smallest_count() {
        assert!(Multipliers::new(SIGMAS_MAX).at(OBSERVATIONS_MIN).is_finite());
    }

    #[test]
    fn constant_amounts_do_not_alert_at_a_small_rise() {
        let rule = Rule::new(RuleSettings::default()).unwrap();
        let mut window = Moments::default();
        (0..30).for_each(|_| window.push(9.99));
        let severity = |amount| rule.assess(amount, window, &LongTerm::default()).unwrap().severity;
        assert_eq!(severity(10.49), None);
        assert_eq!(severity(99.0), Some(Severity::Critical));
    }

    #[test]
    fn a_zero_deviation_gives_a_finite_score() {
        let settings = RuleSettings { kind: RuleKind::Plain, ..RuleSettings::default() };
        let rule = Rule::new(settings).unwrap();
        let mut window = Moments::default();
        (0..3).for_each(|_| window.push(0.0));
        let assessment = rule.assess(1.0, window, &LongTerm::default()).unwrap();
        assert!(assessment.score.is_finite());
        assert_eq!(rule.assess(0.0, window, &LongTerm::default()).unwrap().severity, None);
    }

    #[test]
    fn refunds_alert_only_in_both_directions() {
        let mut window = Moments::default();
        [99.0, 100.0, 101.0].iter().cycle().take(30).for_each(|x| window.push(*x));
        let judge = |direction| {
            let rule = Rule::new(RuleSettings { direction, ..RuleSettings::default() }).unwrap();
            rule.assess(-5_000.0, window, &LongTerm::default()).unwrap()
        };
        assert_eq!(judge(Direction::Up).severity, None);
        let both = judge(Direction::Both);
        assert_eq!(both.severity, Some(Severity::Critical));
        assert!(both.threshold < both.baseline.mean);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let new = |settings| Rule::new(settings).err();
        let default = RuleSettings::default();
        assert_eq!(new(RuleSettings { sigmas: 0.0, ..default }), Some(RuleError::Sigmas(0.0)));
        assert!(new(RuleSettings { sigmas: f64::NAN, ..default }).is_some());
        assert_eq!(new(RuleSettings { window_seconds: 59, ..default }), Some(RuleError::WindowSeconds(59)));
        let too_few = RuleSettings { observations_min: Some(2), ..default };
        assert_eq!(new(too_few), Some(RuleError::ObservationsMin(2)));
        assert_eq!(new(RuleSettings { sigmas: 6.1, ..default }), Some(RuleError::Sigmas(6.1)));
        let floor = RuleSettings { stddev_floor_ratio: -0.1, ..default };
        assert_eq!(new(floor), Some(RuleError::StddevFloorRatio(-0.1)));
    }
}
