//! The alerter's configuration: each environment variable named once. `template.yaml` sets the same names.

use lambda_kit::{Env, EnvError};

/// Names of the environment variables.
pub mod names {
    /// Table of the ledger.
    pub const LEDGER_TABLE_NAME: &str = "LEDGER_TABLE_NAME";
    /// Topic of alerts.
    pub const ALERT_TOPIC_ARN: &str = "ALERT_TOPIC_ARN";
    /// Namespace of AnomalyCount and of the operational metrics.
    pub const METRIC_NAMESPACE: &str = "METRIC_NAMESPACE";
    /// Value of AnomalyCount's dimension `Source`.
    pub const METRIC_SOURCE: &str = "METRIC_SOURCE";
    /// Alerts of one batch that are published alone.
    pub const MAX_ALERTS_PER_BATCH: &str = "MAX_ALERTS_PER_BATCH";
    /// Days for which an alert's id is remembered.
    pub const LEDGER_RETENTION_DAYS: &str = "LEDGER_RETENTION_DAYS";
    /// All of them.
    pub const ALL: [&str; 6] = [
        LEDGER_TABLE_NAME,
        ALERT_TOPIC_ARN,
        METRIC_NAMESPACE,
        METRIC_SOURCE,
        MAX_ALERTS_PER_BATCH,
        LEDGER_RETENTION_DAYS,
    ];
}

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The table of the ledger.
    pub ledger_table_name: String,
    /// Where alerts go.
    pub alert_topic_arn: String,
    /// Namespace of AnomalyCount and of the operational metrics.
    pub metric_namespace: String,
    /// Value of AnomalyCount's dimension `Source`.
    pub metric_source: String,
    /// What the protocol itself needs.
    pub settings: Settings,
}

/// What the handler needs, whatever its ports are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Alerts of one batch that are published alone; the rest share a digest.
    pub singles_max: usize,
    /// How long an id is remembered. Longer than a message can wait in the queue and then in its dead-letter queue (14 days each
    /// at most), or one that is redriven late would be alerted twice; and longer than that beyond the retention of user state
    /// (90 days, and a few until DynamoDB deletes), since an outbox that could not be cleared is sent again with the user's next
    /// transaction, whenever that comes.
    pub ledger_retention_days: u32,
}

impl Config {
    /// Reads and validates the environment.
    ///
    /// # Errors
    /// [`EnvError`] names the variable and what it accepts.
    pub fn from_env(env: &Env) -> Result<Self, EnvError> {
        let ascii = "1 to 255 printable ASCII characters";
        let printable = |text: &str| {
            let fits = text.len() <= 255 && text.bytes().all(|c| c.is_ascii_graphic() || c == b' ');
            fits.then(|| text.to_owned())
        };
        Ok(Self {
            ledger_table_name: env.required(names::LEDGER_TABLE_NAME, "the name of the table of the alert ledger")?,
            alert_topic_arn: env.required(names::ALERT_TOPIC_ARN, "the ARN of the topic of alerts")?,
            metric_namespace: env.parsed_with(
                names::METRIC_NAMESPACE,
                ascii,
                "AnomalyDetection".to_owned(),
                printable,
            )?,
            metric_source: env.parsed_with(names::METRIC_SOURCE, ascii, "Detector".to_owned(), printable)?,
            settings: Settings::from_env(env)?,
        })
    }
}

impl Settings {
    /// Reads the variables that have defaults.
    ///
    /// # Errors
    /// [`EnvError`] names the variable and what it accepts.
    pub fn from_env(env: &Env) -> Result<Self, EnvError> {
        Ok(Self {
            singles_max: env.number(names::MAX_ALERTS_PER_BATCH, "1 to 100", 3, 1..=100)?,
            ledger_retention_days: env.number(names::LEDGER_RETENTION_DAYS, "29 to 3650", 125, 29..=3_650)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(extra: (&'static str, &str)) -> Result<Config, EnvError> {
        Config::from_env(&Env::from_pairs([(names::LEDGER_TABLE_NAME, "t"), (names::ALERT_TOPIC_ARN, "a"), extra]))
    }

    #[test]
    fn the_defaults_are_the_recipes() {
        let config = config(("", "")).unwrap();
        assert_eq!((config.metric_namespace.as_str(), config.metric_source.as_str()), ("AnomalyDetection", "Detector"));
    }

    #[test]
    fn what_is_missing_or_malformed_is_named() {
        for (name, value) in [
            (names::LEDGER_TABLE_NAME, ""),
            (names::ALERT_TOPIC_ARN, ""),
            (names::METRIC_SOURCE, "Zürich"),
            (names::MAX_ALERTS_PER_BATCH, "0"),
            (names::LEDGER_RETENTION_DAYS, "28"),
        ] {
            assert!(config((name, value)).unwrap_err().to_string().starts_with(name), "{name}");
        }
    }
}
