//! The channels: ways to people and systems behind the topic.

/// One way to people or to a system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// A Slack channel, by an incoming webhook.
    Slack,
    /// A PagerDuty service, by its Events API.
    PagerDuty,
    /// A channel of Microsoft Teams, by a workflow.
    Teams,
    /// A program, by signed requests as Standard Webhooks describes them.
    Webhook,
    /// The state machine that responds to an anomaly.
    Respond,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 5] = [Self::Slack, Self::PagerDuty, Self::Teams, Self::Webhook, Self::Respond];

    /// Its word in configuration, secret, logs and documentation.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::PagerDuty => "pagerduty",
            Self::Teams => "teams",
            Self::Webhook => "webhook",
            Self::Respond => "respond",
        }
    }

    /// Whether each alert is delivered by itself. People read several at once more easily.
    #[must_use]
    pub const fn is_one_by_one(self) -> bool {
        matches!(self, Self::PagerDuty | Self::Webhook | Self::Respond)
    }

    /// Whether it needs something of the secret.
    #[must_use]
    pub const fn needs_secret(self) -> bool {
        !matches!(self, Self::Respond)
    }
}
