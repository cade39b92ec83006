//! The alerter's configuration: each environment variable is declared once, with its range and default. `template.yaml` sets the same
//! names; `variables` lists them for docs and tests.

use std::ops::Bound;

use alert_policy::Settings;
use anomaly_core::{Knob, KnobRow, knobs};
use lambda_kit::{Env, EnvError, metrics};

const LEDGER_TABLE_NAME: (&str, &str) = ("LEDGER_TABLE_NAME", "the name of the table of the alert ledger");
const ALERT_TOPIC_ARN: (&str, &str) = ("ALERT_TOPIC_ARN", "the ARN of the topic of alerts");
const METRIC_SOURCE: (&str, &str) = ("METRIC_SOURCE", "Detector");

const MAX_ALERTS_PER_BATCH: Knob<u32> = Knob {
    name: "MAX_ALERTS_PER_BATCH",
    default: 3,
    min: Bound::Included(1),
    max: Bound::Included(100),
    meaning: "alerts of a batch that are published alone; the rest share a message",
};

/// See [`AlerterSettings::batch_size`].
const BATCH_SIZE: Knob<u32> = Knob {
    name: "BATCH_SIZE",
    default: 10,
    min: Bound::Included(1),
    max: Bound::Included(10_000),
    meaning: "messages in a full batch, as the event source mapping has it; a full batch is published as shared messages alone",
};

/// Two instances stay below ten a second. See [`crate::publisher`].
const MAX_MESSAGES_PER_SECOND: Knob<u32> = Knob {
    name: "MAX_MESSAGES_PER_SECOND",
    default: 4,
    min: Bound::Included(1),
    max: Bound::Included(1_000),
    meaning: "SNS messages a second that an instance publishes; SNS suspends an email subscription above ten",
};

/// See [`AlerterSettings::ledger_retention_days`].
const LEDGER_RETENTION_DAYS: Knob<u32> = Knob {
    name: "LEDGER_RETENTION_DAYS",
    default: 125,
    min: Bound::Included(29),
    max: Bound::Included(3_650),
    meaning: "days for which an alert's id is remembered: longer than user state is kept, plus a message's time in queue and \
              dead-letter queue",
};

/// See [`alert_policy::Settings`].
const PAGES_PER_DAY_MAX: Knob<u32> = Knob {
    name: "PAGES_PER_DAY_MAX",
    default: 20,
    min: Bound::Included(0),
    max: Bound::Included(1_000),
    meaning: "alerts a day (UTC) that people are told at once, 0 for any number; the rest wait for the summary. The policy can set it too",
};

/// See [`alert_policy::Settings`].
const DIGEST_HOURS: Knob<u32> = Knob {
    name: "DIGEST_HOURS",
    default: 24,
    min: Bound::Included(0),
    max: Bound::Included(168),
    meaning: "hours between two summaries, as the schedule has it; 0 switches summaries off, and every alert is told at once",
};

/// Days that the ledger remembers an id for longer than user state is kept: a message waits up to 14 days in the queue and 14 in its
/// dead-letter queue, and DynamoDB may take days to delete an expired item.
const LEDGER_MARGIN_DAYS: u32 = 35;

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The table of the ledger.
    pub ledger_table_name: String,
    /// The topic of alerts.
    pub alert_topic_arn: String,
    /// Namespace of AnomalyCount and of the operational metrics.
    pub metric_namespace: String,
    /// Value of AnomalyCount's dimension `Source`.
    pub metric_source: String,
    /// Value of the metrics' dimension `Stack`.
    pub stack_name: Option<String>,
    /// What the handler needs.
    pub settings: AlerterSettings,
}

/// What the handler needs, whatever its ports are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlerterSettings {
    /// Alerts of one batch that are published alone; the rest share a message.
    pub singles_max: usize,
    /// Messages in a full batch. A full batch means that more messages wait, so all of it is bundled.
    pub batch_size: usize,
    /// SNS messages a second that an instance publishes.
    pub messages_per_second_max: u32,
    /// How long an id is remembered. Longer than a message can wait in the queue and then in its dead-letter queue (at most 14 days
    /// each), or a late redrive would be alerted twice. And longer by that than user state is kept (90 days, and a few until DynamoDB
    /// deletes), since an outbox that could not be cleared is sent again with the user's next transaction, whenever that is.
    pub ledger_retention_days: u32,
    /// What decisions follow where the policy says nothing.
    pub policy: Settings,
}

/// Every environment variable of the alerter.
#[must_use]
pub fn variables() -> Vec<KnobRow> {
    let required = [LEDGER_TABLE_NAME, ALERT_TOPIC_ARN];
    let required = required.map(|(name, form)| KnobRow::required(name, form.to_owned(), form));
    let own = [
        metrics::namespace_row(),
        KnobRow::text(
            METRIC_SOURCE.0,
            METRIC_SOURCE.1,
            metrics::NAME_FORM,
            "value of AnomalyCount's dimension `Source`",
        ),
        metrics::stack_name_row(),
        MAX_ALERTS_PER_BATCH.row(),
        BATCH_SIZE.row(),
        MAX_MESSAGES_PER_SECOND.row(),
        LEDGER_RETENTION_DAYS.row(),
        PAGES_PER_DAY_MAX.row(),
        DIGEST_HOURS.row(),
        knobs::STATE_RETENTION_DAYS.row(),
    ];
    required.into_iter().chain(own).collect()
}

impl Config {
    /// Reads and validates the environment.
    ///
    /// # Errors
    /// [`EnvError`] names the variable and what it accepts.
    pub fn from_env(env: &Env) -> Result<Self, EnvError> {
        Ok(Self {
            ledger_table_name: env.required(LEDGER_TABLE_NAME.0, LEDGER_TABLE_NAME.1)?,
            alert_topic_arn: env.required(ALERT_TOPIC_ARN.0, ALERT_TOPIC_ARN.1)?,
            metric_namespace: metrics::namespace(env)?,
            metric_source: metric_source(env)?,
            stack_name: metrics::stack_name(env)?,
            settings: AlerterSettings::from_env(env)?,
        })
    }
}

fn metric_source(env: &Env) -> Result<String, EnvError> {
    env.parsed_with(METRIC_SOURCE.0, metrics::NAME_FORM, METRIC_SOURCE.1.to_owned(), metrics::name)
}

impl AlerterSettings {
    /// Reads the variables that have defaults.
    ///
    /// # Errors
    /// [`EnvError`] names the variable and what it accepts.
    pub fn from_env(env: &Env) -> Result<Self, EnvError> {
        Ok(Self {
            singles_max: usize::try_from(env.knob(&MAX_ALERTS_PER_BATCH)?).unwrap_or(usize::MAX),
            batch_size: usize::try_from(env.knob(&BATCH_SIZE)?).unwrap_or(usize::MAX),
            messages_per_second_max: env.knob(&MAX_MESSAGES_PER_SECOND)?,
            ledger_retention_days: ledger_retention_days(env)?,
            policy: policy_settings(env)?,
        })
    }
}

/// Without summaries there can be no budget: what it refused would reach nobody.
fn policy_settings(env: &Env) -> Result<Settings, EnvError> {
    let (pages_per_day_max, digest_hours) = (env.knob(&PAGES_PER_DAY_MAX)?, env.knob(&DIGEST_HOURS)?);
    if digest_hours == 0 && pages_per_day_max > 0 {
        let form = format!("0 if {} is 0: what the budget refuses waits for a summary", DIGEST_HOURS.name);
        return Err(EnvError::Malformed { name: PAGES_PER_DAY_MAX.name, value: pages_per_day_max.to_string(), form });
    }
    Ok(Settings { pages_per_day_max, has_digest: digest_hours > 0 })
}

/// The retention, if no outbox can outlive it.
fn ledger_retention_days(env: &Env) -> Result<u32, EnvError> {
    let (days, state_days) = (env.knob(&LEDGER_RETENTION_DAYS)?, env.knob(&knobs::STATE_RETENTION_DAYS)?);
    let days_min = state_days + LEDGER_MARGIN_DAYS;
    if days >= days_min {
        return Ok(days);
    }
    let form = format!("at least {days_min}: {LEDGER_MARGIN_DAYS} more than {}", knobs::STATE_RETENTION_DAYS.name);
    Err(EnvError::Malformed { name: LEDGER_RETENTION_DAYS.name, value: days.to_string(), form })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_remembers_for_longer_than_user_state_is_kept() {
        let error = config(("STATE_RETENTION_DAYS", "91")).unwrap_err().to_string();
        let expected = "LEDGER_RETENTION_DAYS is \"125\": it must be at least 126: 35 more than STATE_RETENTION_DAYS";
        assert_eq!(error, expected);
        assert_eq!(config(("STATE_RETENTION_DAYS", "90")).unwrap().settings.ledger_retention_days, 125);
    }

    #[test]
    fn a_budget_needs_summaries() {
        let error = config(("DIGEST_HOURS", "0")).unwrap_err().to_string();
        assert!(error.starts_with("PAGES_PER_DAY_MAX is \"20\": it must be 0 if DIGEST_HOURS is 0"), "{error}");
    }

    fn config(extra: (&'static str, &str)) -> Result<Config, EnvError> {
        Config::from_env(&Env::from_pairs([("LEDGER_TABLE_NAME", "t"), ("ALERT_TOPIC_ARN", "a"), extra]))
    }

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let config = config(("", "")).unwrap();
        assert_eq!((config.metric_namespace.as_str(), config.metric_source.as_str()), ("AnomalyDetection", "Detector"));
    }

    #[test]
    fn a_missing_or_malformed_variable_is_named() {
        for (name, value) in [
            ("LEDGER_TABLE_NAME", ""),
            ("ALERT_TOPIC_ARN", ""),
            ("METRIC_SOURCE", "Zürich"),
            ("MAX_ALERTS_PER_BATCH", "0"),
            ("BATCH_SIZE", "0"),
            ("MAX_MESSAGES_PER_SECOND", "0"),
            ("LEDGER_RETENTION_DAYS", "28"),
            ("LEDGER_RETENTION_DAYS", "124"),
            ("STATE_RETENTION_DAYS", "0"),
            ("PAGES_PER_DAY_MAX", "1001"),
            ("DIGEST_HOURS", "169"),
        ] {
            assert!(config((name, value)).unwrap_err().to_string().starts_with(name), "{name}");
        }
    }
}
