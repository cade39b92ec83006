//! The settings that the detector had, as flags: the same names and ranges as everywhere, read by the detector's own configuration.

use std::path::{Path, PathBuf};

use anomaly_core::{Direction, ModelMode, RuleKind, knobs};
use clap::builder::TypedValueParser;
use clap::{ArgAction, Args};
use detector::DetectorSettings;
use lambda_kit::Env;

use crate::choice::{one_of, within};
use crate::rule_options::{SharedKnobs, direction, rule_kind};

/// Most seconds that an event time may be ahead.
const CLOCK_SKEW_SECONDS_MAX: i64 = 86_400;

/// The settings of a detector; what is left out has the detector's default.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Settings that the detector had")]
pub(super) struct SettingsOptions {
    /// The rule that judged [default: the message's].
    #[arg(long, value_parser = rule_kind())]
    rule: Option<RuleKind>,
    #[arg(long, value_parser = within(knobs::SIGMAS), help = format!("{} [default: 2.5, or 3.25 for profile]", knobs::SIGMAS.help()))]
    sigmas: Option<f64>,
    #[arg(
        long,
        value_parser = within(knobs::WINDOW_SECONDS),
        default_value_t = knobs::WINDOW_SECONDS.default,
        help = knobs::WINDOW_SECONDS.help()
    )]
    window_seconds: u32,
    #[arg(
        long,
        value_parser = within(knobs::MIN_OBSERVATIONS),
        help = format!("{} [default: 9, or 3 for profile and plain]", knobs::MIN_OBSERVATIONS.help())
    )]
    min_observations: Option<u32>,
    #[arg(long, value_parser = direction(), default_value = "up", help = "Which side of the baseline alerts")]
    direction: Direction,
    #[command(flatten)]
    shared: SharedKnobs,
    /// For profile: what is large for everybody.
    #[arg(long, value_name = "FILE.json")]
    population: Option<PathBuf>,
    /// For profile: the model.
    #[arg(long, value_name = "FILE.json")]
    model: Option<PathBuf>,
    #[arg(long, value_parser = model_mode(), default_value = "annotate", help = knobs::MODEL_MODE.help())]
    model_mode: ModelMode,
    #[arg(long, value_parser = second_opinion(), action = ArgAction::Set, default_value = "none", help = knobs::SECOND_OPINION.help())]
    second_opinion: bool,
    /// Seconds that an event time could be ahead of its arrival. The archive does not say when a record arrived, so this changes the id of
    /// the configuration alone.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(i64).range(0..=CLOCK_SKEW_SECONDS_MAX))]
    max_clock_skew_seconds: i64,
    #[arg(
        long,
        value_parser = within(knobs::STREAM_RETENTION_HOURS),
        default_value_t = knobs::STREAM_RETENTION_HOURS.default,
        help = knobs::STREAM_RETENTION_HOURS.help()
    )]
    stream_retention_hours: u32,
}

impl SettingsOptions {
    /// The detector's settings, as it would read them from its environment.
    ///
    /// # Errors
    /// If a file cannot be read, or is not what it should be.
    pub(super) fn detector(&self, rule: RuleKind) -> anyhow::Result<DetectorSettings> {
        let path = |path: &Option<PathBuf>| set(path.as_deref().map(Path::display));
        let shared = &self.shared;
        let env = Env::from_pairs([
            (knobs::RULE.name, self.rule.unwrap_or(rule).as_str().to_owned()),
            (knobs::SIGMAS.name, set(self.sigmas)),
            (knobs::WINDOW_SECONDS.name, self.window_seconds.to_string()),
            (knobs::MIN_OBSERVATIONS.name, set(self.min_observations)),
            (knobs::STDDEV_FLOOR_RATIO.name, shared.stddev_floor_ratio.to_string()),
            (knobs::DIRECTION.name, self.direction.as_str().to_owned()),
            (knobs::AMOUNT_UNIT.name, shared.amount_unit.to_string()),
            (knobs::SECOND_OPINION.name, (knobs::SECOND_OPINION.name_of)(self.second_opinion).to_owned()),
            (knobs::MODEL_MODE.name, self.model_mode.as_str().to_owned()),
            ("POPULATION", path(&self.population)),
            ("MODEL", path(&self.model)),
            ("MAX_CLOCK_SKEW_SECONDS", self.max_clock_skew_seconds.to_string()),
            (knobs::STATE_RETENTION_DAYS.name, shared.state_retention_days.to_string()),
            (knobs::STREAM_RETENTION_HOURS.name, self.stream_retention_hours.to_string()),
        ]);
        Ok(DetectorSettings::from_env(&env)?)
    }
}

/// The text of a variable; empty if it is not set.
fn set(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn model_mode() -> impl TypedValueParser<Value = ModelMode> {
    let help = |mode| match mode {
        ModelMode::Off => "Not asked",
        ModelMode::Annotate => "Its opinion goes with the rule's anomalies",
        ModelMode::Alert => "Its opinion alone makes an anomaly too",
    };
    one_of(ModelMode::ALL.map(|mode| (mode, mode.as_str(), help(mode))))
}

fn second_opinion() -> impl TypedValueParser<Value = bool> {
    let help = |is_asked| if is_asked { "The rule profile is asked too" } else { "No other rule is asked" };
    one_of([false, true].map(|is_asked| (is_asked, (knobs::SECOND_OPINION.name_of)(is_asked), help(is_asked))))
}
