//! The notifier's configuration: each environment variable is declared once. `template.yaml` sets the same names; `variables` lists
//! them for docs and tests.

use anomaly_core::{Choice, KnobRow};
use lambda_kit::{Env, EnvError, metrics};

use crate::channel::Channel;
use crate::target::Guard;

const CHANNEL_SECRET_ARN: (&str, &str) = ("CHANNEL_SECRET_ARN", "the ARN of the secret of the channels");
const STATE_MACHINE_ARN: (&str, &str) = ("STATE_MACHINE_ARN", "the ARN of the state machine of the response");

/// See [`Guard`].
const CHANNEL_GUARD: Choice<Guard> = Choice {
    name: "CHANNEL_GUARD",
    default: Guard::On,
    values: &[Guard::On, Guard::Off],
    name_of: Guard::as_str,
    meaning: "off lets channels reach private addresses and other ports, for local runs alone",
};

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The channels that are on, and the URLs of their queues.
    pub queues: Vec<(Channel, String)>,
    /// The secret with the addresses and keys of the channels, if one of them needs it.
    pub secret_arn: Option<String>,
    /// The state machine of the response, if that is on.
    pub state_machine_arn: Option<String>,
    /// Whether receivers have to be public.
    pub guard: Guard,
    /// Namespace of the operational metrics.
    pub metric_namespace: String,
    /// Value of the metrics' dimension `Stack`.
    pub stack_name: Option<String>,
}

/// The variable with the URL of a channel's queue.
const fn queue_url(channel: Channel) -> &'static str {
    match channel {
        Channel::Slack => "SLACK_QUEUE_URL",
        Channel::PagerDuty => "PAGERDUTY_QUEUE_URL",
        Channel::Teams => "TEAMS_QUEUE_URL",
        Channel::Webhook => "WEBHOOK_QUEUE_URL",
        Channel::Respond => "RESPOND_QUEUE_URL",
    }
}

/// Every environment variable of the notifier that a stack sets, so without `CHANNEL_GUARD`.
#[must_use]
pub fn variables() -> Vec<KnobRow> {
    let queue = |channel| {
        let meaning = "URL of the queue of the channel that its name begins with; that channel is off without it";
        KnobRow::text(queue_url(channel), "none", "the URL of a queue", meaning)
    };
    let own = [
        KnobRow::text(
            CHANNEL_SECRET_ARN.0,
            "none",
            CHANNEL_SECRET_ARN.1,
            "addresses and keys; respond alone needs none",
        ),
        KnobRow::text(STATE_MACHINE_ARN.0, "none", STATE_MACHINE_ARN.1, "what respond starts"),
        metrics::namespace_row(),
        metrics::stack_name_row(),
    ];
    Channel::ALL.map(queue).into_iter().chain(own).collect()
}

impl Config {
    /// Reads and validates the environment.
    ///
    /// # Errors
    /// [`EnvError`] names the variable and what it accepts.
    pub fn from_env(env: &Env) -> Result<Self, EnvError> {
        let url = |channel| Some((channel, env.text(queue_url(channel))?.to_owned()));
        let queues: Vec<_> = Channel::ALL.into_iter().filter_map(url).collect();
        if queues.is_empty() {
            let form = "the URL of a queue: no channel has one".to_owned();
            return Err(EnvError::Missing { name: queue_url(Channel::Slack), form });
        }
        let has = |needed: fn(Channel) -> bool| queues.iter().any(|(channel, _)| needed(*channel));
        Ok(Self {
            secret_arn: needed(env, CHANNEL_SECRET_ARN, has(Channel::needs_secret))?,
            state_machine_arn: needed(env, STATE_MACHINE_ARN, has(|channel| channel == Channel::Respond))?,
            queues,
            guard: env.choice(&CHANNEL_GUARD)?,
            metric_namespace: metrics::namespace(env)?,
            stack_name: metrics::stack_name(env)?,
        })
    }
}

fn needed(env: &Env, (name, form): (&'static str, &'static str), is_needed: bool) -> Result<Option<String>, EnvError> {
    is_needed.then(|| env.required(name, form)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Result<Config, EnvError> {
        Config::from_env(&Env::from_pairs(pairs.iter().copied()))
    }

    #[test]
    fn a_channel_is_on_if_it_has_a_queue() {
        let config = config(&[("SLACK_QUEUE_URL", "https://q/slack"), ("CHANNEL_SECRET_ARN", "arn")]).unwrap();
        assert_eq!(config.queues, [(Channel::Slack, "https://q/slack".to_owned())]);
        assert_eq!((config.state_machine_arn, config.guard), (None, Guard::On));
    }

    #[test]
    fn what_a_channel_needs_is_named() {
        for (pairs, missing) in [
            (&[][..], "SLACK_QUEUE_URL"),
            (&[("WEBHOOK_QUEUE_URL", "u")], "CHANNEL_SECRET_ARN"),
            (&[("RESPOND_QUEUE_URL", "u")], "STATE_MACHINE_ARN"),
            (&[("RESPOND_QUEUE_URL", "u"), ("STATE_MACHINE_ARN", "a"), ("CHANNEL_GUARD", "no")], "CHANNEL_GUARD"),
        ] {
            assert!(config(pairs).unwrap_err().to_string().starts_with(missing), "{missing}");
        }
    }
}
