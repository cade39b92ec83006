//! The detector's configuration: each environment variable is declared once, with its range and default. `template.yaml` sets the
//! same names; `variables` lists them for docs and tests.

mod rule;
mod warnings;

use std::num::NonZeroUsize;
use std::ops::Bound;

use anomaly_core::{ConfigurationId, Knob, KnobRow, Rule, Surroundings, knobs};
use lambda_kit::{Env, EnvError, metrics};
pub use warnings::ConfigWarning;

const STATE_TABLE_NAME: (&str, &str) = ("STATE_TABLE_NAME", "the name of the table of user state");
const ANOMALY_QUEUE_URL: (&str, &str) = ("ANOMALY_QUEUE_URL", "the URL of the anomaly queue");
const QUARANTINE_QUEUE_URL: (&str, &str) = ("QUARANTINE_QUEUE_URL", "the URL of the quarantine queue");

/// The clock skew that is allowed between a producer and Kinesis.
const MAX_CLOCK_SKEW_SECONDS: Knob<u32> = Knob {
    name: "MAX_CLOCK_SKEW_SECONDS",
    default: 300,
    min: Bound::Included(0),
    max: Bound::Included(86_400),
    meaning: "seconds that an event time may be ahead of its arrival; never more than a window",
};

/// 10,000 users take 6 to 14 MB, which a function of 128 MB can spare.
const CACHE_USERS_MAX: Knob<u32> = Knob {
    name: "CACHE_USERS_MAX",
    default: 10_000,
    min: Bound::Included(1),
    max: Bound::Unbounded,
    meaning: "user states kept in memory, 0.6 to 1.4 KB each",
};

const COMMITS_CONCURRENT_MAX: Knob<u32> = Knob {
    name: "COMMITS_CONCURRENT_MAX",
    default: 32,
    min: Bound::Included(1),
    max: Bound::Included(256),
    meaning: "write requests in flight at once",
};

/// DynamoDB takes 25 statements in one request.
const COMMIT_STATEMENTS_MAX: Knob<u32> = Knob {
    name: "COMMIT_STATEMENTS_MAX",
    default: 25,
    min: Bound::Included(1),
    max: Bound::Included(25),
    meaning: "users that one request writes, each by itself; 1 is one request a user",
};

/// See [`DetectorSettings::lanes`].
const PARALLELIZATION_FACTOR: Knob<u32> = Knob {
    name: "PARALLELIZATION_FACTOR",
    default: 1,
    min: Bound::Included(1),
    max: Bound::Included(10),
    meaning: "lanes of a shard, as the event source mapping has it; above 1, KPL aggregates go to quarantine",
};

/// The whole configuration.
#[derive(Debug)]
pub struct Config {
    /// The table of user state.
    pub state_table_name: String,
    /// Queue of anomaly messages.
    pub anomaly_queue_url: String,
    /// Queue of rejected records.
    pub quarantine_queue_url: String,
    /// Namespace of the operational metrics.
    pub metric_namespace: String,
    /// Value of the metrics' dimension `Stack`.
    pub stack_name: Option<String>,
    /// What the handler needs.
    pub settings: DetectorSettings,
    /// Settings that have no effect.
    pub warnings: Vec<ConfigWarning>,
}

/// What the handler needs, whatever its ports are.
#[derive(Debug, Clone)]
pub struct DetectorSettings {
    /// The rule.
    pub rule: Rule,
    /// How far an event time may be ahead of the arrival, in ms; at most a window.
    pub clock_skew_ms_max: i64,
    /// How long a state is kept after its last change, in seconds: see [`Rule::state_retention_seconds`].
    pub state_retention_seconds: u32,
    /// User states kept in memory.
    pub cache_users_max: NonZeroUsize,
    /// Write requests in flight at once.
    pub commits_concurrent_max: usize,
    /// Users that one request writes.
    pub commit_statements_max: usize,
    /// Batches of one shard that are under way at once. Lambda keeps order within a partition key, and all KPL aggregates have the
    /// same one. With more than one lane an aggregate may overtake lone records of its users, so it is rejected.
    pub lanes: u32,
}

/// Every environment variable of the detector.
#[must_use]
pub fn variables() -> Vec<KnobRow> {
    let required = [STATE_TABLE_NAME, ANOMALY_QUEUE_URL, QUARANTINE_QUEUE_URL];
    let required = required.map(|(name, form)| KnobRow::required(name, form.to_owned(), form));
    let own = [
        MAX_CLOCK_SKEW_SECONDS.row(),
        knobs::STATE_RETENTION_DAYS.row(),
        knobs::STREAM_RETENTION_HOURS.row(),
        CACHE_USERS_MAX.row(),
        COMMITS_CONCURRENT_MAX.row(),
        COMMIT_STATEMENTS_MAX.row(),
        PARALLELIZATION_FACTOR.row(),
        metrics::namespace_row(),
        metrics::stack_name_row(),
    ];
    required.into_iter().chain(knobs::rows()).chain(rule::documents()).chain(own).collect()
}

impl Config {
    /// Reads and validates the environment.
    ///
    /// # Errors
    /// [`EnvError`] names the variable and what it accepts.
    pub fn from_env(env: &Env) -> Result<Self, EnvError> {
        let required = |(name, form)| env.required(name, form);
        let settings = DetectorSettings::from_env(env)?;
        Ok(Self {
            state_table_name: required(STATE_TABLE_NAME)?,
            anomaly_queue_url: required(ANOMALY_QUEUE_URL)?,
            quarantine_queue_url: required(QUARANTINE_QUEUE_URL)?,
            metric_namespace: metrics::namespace(env)?,
            stack_name: metrics::stack_name(env)?,
            warnings: warnings::of(env, &settings.rule),
            settings,
        })
    }
}

impl DetectorSettings {
    /// Reads the variables that have defaults.
    ///
    /// # Errors
    /// [`EnvError`] names the variable and what it accepts.
    pub fn from_env(env: &Env) -> Result<Self, EnvError> {
        let rule = rule::from_env(env)?;
        let days = env.knob(&knobs::STATE_RETENTION_DAYS)?;
        let hours = env.knob(&knobs::STREAM_RETENTION_HOURS)?;
        let skew_ms = i64::from(env.knob(&MAX_CLOCK_SKEW_SECONDS)?) * 1_000;
        let cache_users_max = usize::try_from(env.knob(&CACHE_USERS_MAX)?).unwrap_or(usize::MAX);
        debug_assert!(cache_users_max > 0, "the knob accepts 1 or more");
        Ok(Self {
            // A record more than a window ahead would make all records that are on time late.
            clock_skew_ms_max: skew_ms.min(rule.window_length_ms()),
            state_retention_seconds: rule.state_retention_seconds(days, hours),
            rule,
            cache_users_max: NonZeroUsize::new(cache_users_max).unwrap_or(NonZeroUsize::MIN),
            commits_concurrent_max: usize::try_from(env.knob(&COMMITS_CONCURRENT_MAX)?).unwrap_or(usize::MAX),
            commit_statements_max: usize::try_from(env.knob(&COMMIT_STATEMENTS_MAX)?).unwrap_or(usize::MAX),
            lanes: env.knob(&PARALLELIZATION_FACTOR)?,
        })
    }

    /// The id of everything here that decides a verdict. Lanes are not part of it: an aggregate that they refuse is a reject.
    #[must_use]
    pub fn configuration_id(&self) -> ConfigurationId {
        let Self { clock_skew_ms_max, state_retention_seconds, .. } = *self;
        self.rule.configuration_id(Surroundings { clock_skew_ms_max, state_retention_seconds })
    }
}

#[cfg(test)]
mod tests {
    use anomaly_core::RuleSettings;

    use super::*;

    fn env(extra: &[(&str, &str)]) -> Env {
        let required = [STATE_TABLE_NAME, ANOMALY_QUEUE_URL, QUARANTINE_QUEUE_URL];
        let pairs = required.iter().map(|(name, _)| (*name, "x")).chain(extra.iter().copied());
        Env::from_pairs(pairs)
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let config = Config::from_env(&env(&[])).unwrap();
        assert_eq!(*config.settings.rule.settings(), RuleSettings::default());
        assert_eq!(config.settings.clock_skew_ms_max, 300_000);
        assert_eq!(config.settings.state_retention_seconds, 90 * 86_400);
        assert_eq!(config.metric_namespace, "AnomalyDetection");
    }

    #[test]
    fn a_missing_variable_stops_the_start() {
        for (missing, form) in [STATE_TABLE_NAME, ANOMALY_QUEUE_URL, QUARANTINE_QUEUE_URL] {
            let error = Config::from_env(&env(&[(missing, "")])).unwrap_err();
            assert_eq!(error.to_string(), format!("{missing} is not set: it must be {form}"));
        }
    }

    #[test]
    fn a_malformed_knob_stops_the_start_and_says_what_it_accepts() {
        for (name, value) in [
            ("RULE", "tumbling"),
            ("SIGMAS", "0"),
            ("SIGMAS", "NaN"),
            ("SIGMAS", "6.5"),
            ("WINDOW_SECONDS", "59"),
            ("MIN_OBSERVATIONS", "2"),
            ("STDDEV_FLOOR_RATIO", "-1"),
            ("DIRECTION", "down"),
            ("MAX_CLOCK_SKEW_SECONDS", "-1"),
            ("STATE_RETENTION_DAYS", "0"),
            ("STREAM_RETENTION_HOURS", "1"),
            ("CACHE_USERS_MAX", "0"),
            ("COMMITS_CONCURRENT_MAX", "0"),
            ("COMMIT_STATEMENTS_MAX", "26"),
            ("PARALLELIZATION_FACTOR", "11"),
        ] {
            let error = Config::from_env(&env(&[(name, value)])).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{name} is {value:?}: it must be ")), "{error}");
        }
    }

    #[test]
    fn the_configuration_is_named_by_what_decides_a_verdict() {
        let id = |extra: &[(&str, &str)]| Config::from_env(&env(extra)).unwrap().settings.configuration_id();
        let default = id(&[]);
        for same in [("CACHE_USERS_MAX", "7"), ("PARALLELIZATION_FACTOR", "2"), ("STACK_NAME", "x"), ("SIGMAS", "2.50")]
        {
            assert_eq!(id(&[same]), default, "{same:?}");
        }
        for other in
            [("SIGMAS", "3"), ("MAX_CLOCK_SKEW_SECONDS", "60"), ("STATE_RETENTION_DAYS", "91"), ("RULE", "plain")]
        {
            assert_ne!(id(&[other]), default, "{other:?}");
        }
    }

    #[test]
    fn a_state_outlives_the_stream_and_the_window() {
        let config = Config::from_env(&env(&[("WINDOW_SECONDS", "7776000"), ("STREAM_RETENTION_HOURS", "168")]));
        assert!(config.unwrap().settings.state_retention_seconds > 7_776_000 + 168 * 3_600);
    }
}
