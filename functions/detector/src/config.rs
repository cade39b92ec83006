//! The detector's configuration: each environment variable named once. `template.yaml` sets the same names.

use std::num::NonZeroUsize;

use anomaly_core::{Direction, Rule, RuleError, RuleKind, RuleSettings};
use lambda_kit::{Env, EnvError};

/// Names of the environment variables.
pub mod names {
    /// Table of user state.
    pub const STATE_TABLE_NAME: &str = "STATE_TABLE_NAME";
    /// Queue of anomaly messages.
    pub const ANOMALY_QUEUE_URL: &str = "ANOMALY_QUEUE_URL";
    /// Queue of rejected records.
    pub const QUARANTINE_QUEUE_URL: &str = "QUARANTINE_QUEUE_URL";
    /// `adaptive` or `plain`.
    pub const RULE: &str = "RULE";
    /// The 2.5 of "2.5 σ".
    pub const SIGMAS: &str = "SIGMAS";
    /// Window length in seconds.
    pub const WINDOW_SECONDS: &str = "WINDOW_SECONDS";
    /// Observations from which a transaction is judged.
    pub const MIN_OBSERVATIONS: &str = "MIN_OBSERVATIONS";
    /// Least standard deviation as a share of |mean|.
    pub const STDDEV_FLOOR_RATIO: &str = "STDDEV_FLOOR_RATIO";
    /// `up` or `both`.
    pub const DIRECTION: &str = "DIRECTION";
    /// How far an event time may be ahead of the arrival.
    pub const MAX_CLOCK_SKEW_SECONDS: &str = "MAX_CLOCK_SKEW_SECONDS";
    /// Days after which the state of a silent user is forgotten.
    pub const STATE_RETENTION_DAYS: &str = "STATE_RETENTION_DAYS";
    /// Retention of the stream.
    pub const STREAM_RETENTION_HOURS: &str = "STREAM_RETENTION_HOURS";
    /// User states kept warm.
    pub const CACHE_USERS_MAX: &str = "CACHE_USERS_MAX";
    /// Commits under way at once.
    pub const COMMITS_CONCURRENT_MAX: &str = "COMMITS_CONCURRENT_MAX";
    /// Namespace of the operational metrics.
    pub const METRIC_NAMESPACE: &str = "METRIC_NAMESPACE";
    /// All of them.
    pub const ALL: [&str; 15] = [
        STATE_TABLE_NAME,
        ANOMALY_QUEUE_URL,
        QUARANTINE_QUEUE_URL,
        RULE,
        SIGMAS,
        WINDOW_SECONDS,
        MIN_OBSERVATIONS,
        STDDEV_FLOOR_RATIO,
        DIRECTION,
        MAX_CLOCK_SKEW_SECONDS,
        STATE_RETENTION_DAYS,
        STREAM_RETENTION_HOURS,
        CACHE_USERS_MAX,
        COMMITS_CONCURRENT_MAX,
        METRIC_NAMESPACE,
    ];
}

const SECONDS_PER_DAY: u32 = 86_400;
const SECONDS_PER_HOUR: u32 = 3_600;
/// A state outlives what could still be redelivered into it by this much.
const RETENTION_MARGIN_SECONDS: u32 = SECONDS_PER_DAY;

/// Why the detector does not start.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A variable is missing or malformed.
    #[error(transparent)]
    Env(#[from] EnvError),
    /// The rule's knobs are out of range.
    #[error("the rule's configuration is refused")]
    Rule(#[from] RuleError),
}

/// Everything that can be set.
#[derive(Debug)]
pub struct Config {
    /// The table of user state.
    pub state_table_name: String,
    /// Where anomalies go.
    pub anomaly_queue_url: String,
    /// Where rejected records go.
    pub quarantine_queue_url: String,
    /// Namespace of the operational metrics.
    pub metric_namespace: String,
    /// What the protocol itself needs.
    pub settings: Settings,
}

/// What the handler needs, whatever its ports are.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The rule.
    pub rule: Rule,
    /// How far an event time may be ahead of the arrival, in ms; a window at most.
    pub clock_skew_ms_max: i64,
    /// How long a state is kept after its last change, in seconds: always beyond the stream's retention and the window, or a
    /// redelivered record could be applied to a state that no longer knows it.
    pub state_retention_seconds: u32,
    /// User states kept warm.
    pub cache_users_max: NonZeroUsize,
    /// Commits under way at once.
    pub commits_concurrent_max: usize,
}

impl Config {
    /// Reads and validates the environment.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable and what it accepts.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        Ok(Self {
            state_table_name: env.required(names::STATE_TABLE_NAME, "the name of the table of user state")?,
            anomaly_queue_url: env.required(names::ANOMALY_QUEUE_URL, "the URL of the anomaly queue")?,
            quarantine_queue_url: env.required(names::QUARANTINE_QUEUE_URL, "the URL of the quarantine queue")?,
            metric_namespace: env.text(names::METRIC_NAMESPACE).unwrap_or("AnomalyDetection").to_owned(),
            settings: Settings::from_env(env)?,
        })
    }
}

impl Settings {
    /// Reads the variables that have defaults.
    ///
    /// # Errors
    /// [`ConfigError`] names the variable and what it accepts.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let rule = Rule::new(rule_settings(env)?)?;
        let skew = env.number(names::MAX_CLOCK_SKEW_SECONDS, "0 to 86400", 300, 0..=SECONDS_PER_DAY)?;
        Ok(Self {
            state_retention_seconds: state_retention_seconds(env, &rule)?,
            // More than a window ahead, one record would make all that are on time late.
            clock_skew_ms_max: (i64::from(skew) * 1_000).min(rule.window_length_ms()),
            rule,
            cache_users_max: env.number(names::CACHE_USERS_MAX, "1 or more", DEFAULT_CACHE_USERS_MAX, ..)?,
            commits_concurrent_max: env.number(names::COMMITS_CONCURRENT_MAX, "1 to 256", 32, 1..=256)?,
        })
    }
}

/// About 20 MB: what a function of 128 MB can spare.
const DEFAULT_CACHE_USERS_MAX: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

fn state_retention_seconds(env: &Env, rule: &Rule) -> Result<u32, EnvError> {
    let days: u32 = env.number(names::STATE_RETENTION_DAYS, "1 to 3650", 90, 1..=3_650)?;
    let stream_hours: u32 = env.number(names::STREAM_RETENTION_HOURS, "24 to 8760", 24, 24..=8_760)?;
    let redeliverable = stream_hours * SECONDS_PER_HOUR + rule.settings().window_seconds + RETENTION_MARGIN_SECONDS;
    Ok((days * SECONDS_PER_DAY).max(redeliverable))
}

fn rule_settings(env: &Env) -> Result<RuleSettings, EnvError> {
    let default = RuleSettings::default();
    let observations_min = env.parsed_with(names::MIN_OBSERVATIONS, "3 to 1000", None, |text| {
        text.parse().ok().filter(|count| (3..=1_000).contains(count)).map(Some)
    })?;
    Ok(RuleSettings {
        kind: env.parsed_with(names::RULE, "adaptive or plain", default.kind, RuleKind::from_name)?,
        sigmas: env.number(names::SIGMAS, "a number above 0, at most 6", default.sigmas, f64::MIN_POSITIVE..=6.0)?,
        window_seconds: env.number(
            names::WINDOW_SECONDS,
            "60 (a minute) to 7776000 (90 days)",
            default.window_seconds,
            60..=7_776_000,
        )?,
        observations_min,
        stddev_floor_ratio: env.number(names::STDDEV_FLOOR_RATIO, "0 to 1", default.stddev_floor_ratio, 0.0..=1.0)?,
        direction: env.parsed_with(names::DIRECTION, "up or both", default.direction, Direction::from_name)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(extra: &[(&str, &str)]) -> Env {
        let required = [names::STATE_TABLE_NAME, names::ANOMALY_QUEUE_URL, names::QUARANTINE_QUEUE_URL];
        let pairs = required.iter().map(|name| (*name, "x")).chain(extra.iter().copied());
        Env::from_pairs(pairs)
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let config = Config::from_env(&env(&[])).unwrap();
        assert_eq!(*config.settings.rule.settings(), RuleSettings::default());
        assert_eq!(config.settings.clock_skew_ms_max, 300_000);
        assert_eq!(config.settings.state_retention_seconds, 90 * SECONDS_PER_DAY);
        assert_eq!(config.metric_namespace, "AnomalyDetection");
    }

    #[test]
    fn a_missing_name_stops_the_start() {
        for missing in [names::STATE_TABLE_NAME, names::ANOMALY_QUEUE_URL, names::QUARANTINE_QUEUE_URL] {
            let error = Config::from_env(&env(&[(missing, "")])).unwrap_err();
            assert!(error.to_string().starts_with(missing), "{error}");
        }
    }

    #[test]
    fn a_malformed_knob_stops_the_start_and_says_what_it_accepts() {
        for (name, value) in [
            (names::RULE, "recipe"),
            (names::SIGMAS, "0"),
            (names::SIGMAS, "NaN"),
            (names::WINDOW_SECONDS, "59"),
            (names::SIGMAS, "6.5"),
            (names::MIN_OBSERVATIONS, "2"),
            (names::STDDEV_FLOOR_RATIO, "-1"),
            (names::DIRECTION, "down"),
            (names::MAX_CLOCK_SKEW_SECONDS, "-1"),
            (names::STATE_RETENTION_DAYS, "0"),
            (names::STREAM_RETENTION_HOURS, "1"),
            (names::CACHE_USERS_MAX, "0"),
            (names::COMMITS_CONCURRENT_MAX, "0"),
        ] {
            let error = Config::from_env(&env(&[(name, value)])).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{name} is {value:?}: it must be ")), "{error}");
        }
    }

    #[test]
    fn a_state_outlives_the_stream_and_the_window() {
        let config =
            Config::from_env(&env(&[(names::WINDOW_SECONDS, "7776000"), (names::STREAM_RETENTION_HOURS, "168")]));
        assert!(config.unwrap().settings.state_retention_seconds > 7_776_000 + 168 * 3_600);
    }
}
