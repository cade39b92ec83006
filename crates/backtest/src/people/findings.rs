//! The findings, for the summary.

use super::calendar::{Day, number, start_ms};
use super::{AlertingSettings, People};
use crate::summary::{AlertingSummary, MessagesOverTime, MessagesPerDay, PeopleSummary, PolicyRuleSummary, Timeline};

/// First and last day of the input, by number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    first: i64,
    last: i64,
}

impl Span {
    /// The days from the one time to the other, both included.
    pub(crate) const fn new(first_ms: i64, last_ms: i64) -> Self {
        Self { first: number(first_ms), last: number(last_ms) }
    }

    /// At least 1.
    fn days(self) -> u64 {
        u64::try_from(self.last.saturating_sub(self.first)).unwrap_or_default() + 1
    }
}

impl AlertingSettings {
    /// For the summary.
    pub(crate) fn summary(&self) -> AlertingSummary {
        AlertingSummary {
            policy_version: self.policy.as_ref().map(|policy| policy.version),
            mode: self.policy.as_ref().map(|policy| policy.mode).unwrap_or_default(),
            pages_per_day_max: self.pages_per_day_max(),
            digest_hours: self.digest_hours,
        }
    }
}

impl People {
    /// The findings over these days. `labelled` is the number of labelled episodes and of labelled users, if there is a label.
    pub(crate) fn summary(&self, span: Span, labelled: Option<(u64, u64)>) -> PeopleSummary {
        PeopleSummary {
            messages: self.per_day(span, Day::messages),
            messages_without: self.per_day(span, |day| day.alerts),
            summaries: self.calendar.days().map(|(_, day)| day.summaries()).sum(),
            pages: self.fates.pages,
            digest: self.fates.digest,
            silent: self.fates.silent,
            shadow: self.fates.shadow,
            over_budget: self.fates.over_budget,
            episodes: labelled.map(|(episodes, _)| self.episodes.of(episodes)),
            labelled_users: labelled.map(|(_, users)| self.users.of(users)),
            policy_rules: self.policy_rules(),
            over_time: self.over_time(span),
        }
    }

    fn per_day(&self, span: Span, count: impl Fn(Day) -> u64) -> MessagesPerDay {
        let counts = || self.calendar.days().map(|(_, day)| count(day));
        MessagesPerDay { mean: float(counts().sum()) / float(span.days()), max: counts().max().unwrap_or(0) }
    }

    fn policy_rules(&self) -> Vec<PolicyRuleSummary> {
        let rules = self.settings.policy.iter().flat_map(|policy| &policy.rules);
        let rule =
            |(rule, count): (&alert_policy::Rule, _)| PolicyRuleSummary { id: rule.id.clone(), then: rule.then, count };
        rules.zip(self.of_rules.iter().copied()).map(rule).collect()
    }

    /// Messages a day, in at most [`Timeline::BINS_MAX`] bins of whole days.
    fn over_time(&self, span: Span) -> MessagesOverTime {
        let bins_max = u64::try_from(Timeline::BINS_MAX).unwrap_or(u64::MAX);
        let bin_days = span.days().div_ceil(bins_max);
        let bins = usize::try_from(span.days().div_ceil(bin_days)).unwrap_or_default();
        let (mut with, mut without) = (vec![0; bins], vec![0; bins]);
        for (day, counts) in self.calendar.days() {
            let days = u64::try_from(day.saturating_sub(span.first)).unwrap_or_default();
            let bin = usize::try_from(days / bin_days).unwrap_or(usize::MAX).min(bins.saturating_sub(1));
            add(&mut with, bin, counts.messages());
            add(&mut without, bin, counts.alerts);
        }
        MessagesOverTime { start_ms: start_ms(span.first), days: span.days(), bin_days, with, without }
    }
}

fn add(counts: &mut [u64], bin: usize, count: u64) {
    if let Some(sum) = counts.get_mut(bin) {
        *sum += count;
    }
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a mean needs no more than 53 bits")]
fn float(count: u64) -> f64 {
    count as f64
}
