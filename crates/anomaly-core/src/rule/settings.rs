//! What can be chosen of a rule. [`crate::knobs`] has the ranges and defaults.

use serde::{Deserialize, Serialize};

use crate::knobs;

/// Which rule judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleKind {
    /// Pools the window with the long-term baseline, holds the same false-alarm rate at every count, and clamps outliers
    /// before it folds them in.
    Adaptive,
    /// mean + SIGMAS · s of the prior window.
    Plain,
    /// The user's own scale, whatever the distribution of the amounts: [`crate::profile`].
    Profile,
}

/// Which side of the baseline alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Amounts above the threshold.
    Up,
    /// Also amounts below the mirrored threshold.
    Both,
}

impl RuleKind {
    /// Every rule.
    pub const ALL: [Self; 3] = [Self::Adaptive, Self::Profile, Self::Plain];

    /// The name in messages and configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Adaptive => "adaptive",
            Self::Plain => "plain",
            Self::Profile => "profile",
        }
    }

    /// How many observations this rule needs before it judges, unless `MIN_OBSERVATIONS` is set.
    #[must_use]
    pub const fn observations_min(self) -> u32 {
        match self {
            Self::Adaptive => 9,
            Self::Plain | Self::Profile => 3,
        }
    }

    /// How many sigmas make an anomaly, unless `SIGMAS` is set: 2.5, and 3.25 of `profile`, whose false-alarm rate per sigma is the same
    /// for any distribution and whose parts add up.
    #[must_use]
    pub const fn sigmas(self) -> f64 {
        match self {
            Self::Adaptive | Self::Plain => 2.5,
            Self::Profile => 3.25,
        }
    }
}

impl Direction {
    /// Both directions.
    pub const ALL: [Self; 2] = [Self::Up, Self::Both];

    /// The name in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Both => "both",
        }
    }
}

/// Whether a trained model is asked, and whether it may alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelMode {
    /// Not asked.
    Off,
    /// Its opinion goes with the rule's anomalies.
    Annotate,
    /// Its opinion alone makes an anomaly too.
    Alert,
}

impl ModelMode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Off, Self::Annotate, Self::Alert];

    /// The name in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Annotate => "annotate",
            Self::Alert => "alert",
        }
    }
}

/// The knobs of a rule, as configured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RuleSettings {
    /// [`knobs::RULE`].
    pub kind: RuleKind,
    /// [`knobs::SIGMAS`].
    pub sigmas: f64,
    /// [`knobs::WINDOW_SECONDS`].
    pub window_seconds: u32,
    /// [`knobs::MIN_OBSERVATIONS`]; `None` takes the rule's own [`RuleKind::observations_min`].
    pub observations_min: Option<u32>,
    /// [`knobs::STDDEV_FLOOR_RATIO`].
    pub stddev_floor_ratio: f64,
    /// [`knobs::DIRECTION`].
    pub direction: Direction,
    /// [`knobs::AMOUNT_UNIT`].
    pub amount_unit: f64,
}

impl RuleSettings {
    /// The defaults of a rule.
    #[must_use]
    pub fn of(kind: RuleKind) -> Self {
        Self { kind, sigmas: kind.sigmas(), ..Self::default() }
    }
}

impl Default for RuleSettings {
    fn default() -> Self {
        Self {
            kind: knobs::RULE.default,
            sigmas: knobs::SIGMAS.default,
            window_seconds: knobs::WINDOW_SECONDS.default,
            observations_min: None,
            stddev_floor_ratio: knobs::STDDEV_FLOOR_RATIO.default,
            direction: knobs::DIRECTION.default,
            amount_unit: knobs::AMOUNT_UNIT.default,
        }
    }
}
