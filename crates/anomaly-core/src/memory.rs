//! What a rule remembers of a user's amounts, and how it is taken over when the rule changes.

use crate::{Assessment, Direction, Moments, Profile, Rule, RuleKind, SecondOpinion, Severity, Transaction, Windowed};

/// What is remembered of a user's amounts. The rule says which of the three; [`crate::UserState::step`] takes over what another rule
/// left: a long-term baseline becomes a profile as if the amounts were log-normal, a profile becomes a long-term baseline with its mean
/// and variance, and the window starts empty.
#[derive(Debug, Clone, PartialEq)]
pub enum Memory {
    /// Of `adaptive` and `plain`.
    Windowed(Windowed),
    /// Of `profile`.
    Profile(Profile),
    /// Of `adaptive` or `plain`, with `profile` as the second opinion.
    Both(Windowed, Box<Profile>),
}

impl Memory {
    /// A user without transactions.
    #[must_use]
    pub(crate) fn new(rule: &Rule) -> Self {
        match (rule.settings().kind, rule.second_opinion()) {
            (RuleKind::Profile, _) => Self::Profile(Profile::new()),
            (RuleKind::Adaptive | RuleKind::Plain, None) => Self::Windowed(Windowed::new(rule)),
            (RuleKind::Adaptive | RuleKind::Plain, Some(_)) => Self::Both(Windowed::new(rule), Box::default()),
        }
    }

    /// The memory of `adaptive` and `plain`.
    #[must_use]
    pub const fn windowed(&self) -> Option<&Windowed> {
        match self {
            Self::Windowed(windowed) | Self::Both(windowed, _) => Some(windowed),
            Self::Profile(_) => None,
        }
    }

    /// The memory of `profile`.
    #[must_use]
    pub fn profile(&self) -> Option<&Profile> {
        match self {
            Self::Windowed(_) => None,
            Self::Profile(profile) => Some(profile),
            Self::Both(_, profile) => Some(profile),
        }
    }

    /// Event time of the user's newest transaction, in ms since the epoch.
    #[must_use]
    pub const fn newest_event_time_ms(&self) -> Option<i64> {
        match self {
            Self::Windowed(windowed) | Self::Both(windowed, _) => windowed.window.newest_event_time_ms(),
            Self::Profile(profile) => profile.newest_event_time_ms(),
        }
    }

    /// Count, mean and spread for human eyes: of the window at the newest transaction, or of the profile.
    #[must_use]
    pub fn usual(&self) -> Moments {
        match self {
            Self::Windowed(windowed) | Self::Both(windowed, _) => {
                let window = &windowed.window;
                window.newest_event_time_ms().map(|newest| window.before(newest)).unwrap_or_default()
            }
            Self::Profile(profile) => {
                let long_term = profile.to_long_term();
                Moments::new(long_term.count, long_term.mean, f64::from(long_term.count) * long_term.variance)
            }
        }
    }

    /// Makes it the memory that the rule has.
    pub(crate) fn fit(&mut self, rule: &Rule) {
        let is_profile = rule.settings().kind == RuleKind::Profile;
        match self {
            Self::Profile(_) if is_profile => return,
            Self::Windowed(windowed) if !is_profile && rule.second_opinion().is_none() => return windowed.fit(rule),
            Self::Both(windowed, _) if !is_profile && rule.second_opinion().is_some() => return windowed.fit(rule),
            _ => {}
        }
        *self = if is_profile {
            Self::Profile(self.to_profile(rule))
        } else if rule.second_opinion().is_some() {
            Self::Both(self.to_windowed(rule), Box::new(self.to_profile(rule)))
        } else {
            Self::Windowed(self.to_windowed(rule))
        };
    }

    fn to_windowed(&self, rule: &Rule) -> Windowed {
        match self {
            Self::Windowed(windowed) | Self::Both(windowed, _) => {
                let mut windowed = windowed.clone();
                windowed.fit(rule);
                windowed
            }
            Self::Profile(profile) => Windowed::from_profile(profile, rule),
        }
    }

    fn to_profile(&self, rule: &Rule) -> Profile {
        match self {
            Self::Windowed(windowed) => {
                let newest = windowed.window.newest_event_time_ms();
                Profile::from_long_term(&windowed.long_term, newest, rule.settings().amount_unit)
            }
            Self::Profile(profile) => profile.clone(),
            Self::Both(_, profile) => (**profile).clone(),
        }
    }

    /// Whether an event time lies before the window that ends at the newest transaction.
    pub(crate) fn is_late(&self, event_time_ms: i64, window_length_ms: i64) -> bool {
        self.newest_event_time_ms().is_some_and(|newest| event_time_ms <= newest.saturating_sub(window_length_ms))
    }

    /// Judges an amount, then folds it in. `None` while there are too few observations; the severity if it is an anomaly.
    pub(crate) fn step(
        &mut self,
        transaction: &Transaction<'_>,
        rule: &Rule,
    ) -> Option<(Assessment, Option<Severity>)> {
        let (amount, event_time_ms) = (transaction.amount, transaction.event_time_ms);
        match self {
            Self::Windowed(windowed) => windowed.step(amount, event_time_ms, rule),
            Self::Profile(profile) => judge_by_profile(profile, transaction, rule),
            Self::Both(windowed, profile) => {
                let second = rule.second_opinion().and_then(|rule| judge_by_profile(profile, transaction, rule));
                let (assessment, severity) = windowed.step(amount, event_time_ms, rule)?;
                let second = second.map(|(second, severity)| SecondOpinion::new(&second, severity));
                Some((Assessment { second, ..assessment }, severity))
            }
        }
    }
}

fn judge_by_profile(
    profile: &mut Profile,
    transaction: &Transaction<'_>,
    rule: &Rule,
) -> Option<(Assessment, Option<Severity>)> {
    let merchant_id = transaction.merchant_id.as_deref();
    let settings = rule.profile_settings();
    let judgement = profile.step(transaction.amount, transaction.event_time_ms, merchant_id, settings)?;
    // A model may alert on an amount below the usual, which is not severe as an amount.
    let is_up = settings.direction == Direction::Up;
    let score = if is_up { judgement.score.max(0.0) } else { judgement.score };
    let severity = judgement.is_anomaly.then(|| rule.severity(score));
    Some((Assessment::of_profile(&judgement, settings.sigmas), severity))
}
