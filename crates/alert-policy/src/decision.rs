//! The decision about one alert.

use anomaly_core::Severity;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::history::History;
use crate::policy::{Mode, Page, Policy, UserEntries};
use crate::{Disposition, Rank};

/// What is known of an alert.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Its id.
    pub id: &'a str,
    /// Event time in ms since the epoch.
    pub event_time_ms: i64,
    /// The detector's severity.
    pub severity: Severity,
    /// The detector's score; 0 if it gave none.
    pub score: f64,
    /// What patterns look at.
    pub document: &'a Value,
}

/// What the stack is configured to do where the policy says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Pages a day (UTC); 0 for any number.
    pub pages_per_day_max: u32,
    /// Whether there are summaries. Without them nothing can wait for one: every alert is a page.
    pub has_digest: bool,
}

/// What a decision is made on.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// The policy, if there is one that can be read.
    pub policy: Option<&'a Policy>,
    /// What is listed for the user.
    pub entries: Option<&'a UserEntries>,
    /// The user's alerts so far.
    pub history: &'a History,
    /// Of the stack.
    pub settings: Settings,
    /// Now, in ms since the epoch: rules end.
    pub now_ms: i64,
}

/// Why an alert has its disposition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// An entry of the user's, with its reason.
    User(String),
    /// A rule of the policy, by its id.
    Rule(String),
    /// Its priority: urgent enough for a page, or not.
    Priority,
    /// The episode has told people of this priority already.
    Repeat,
    /// It is from long before the user's newest alert: nobody has to read it at once any more.
    Late,
    /// The day's pages are used up.
    Budget,
    /// There are no summaries, so nothing waits for one.
    NoDigest,
}

/// What was decided about an alert, once and for all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// What becomes of it.
    pub disposition: Disposition,
    /// In shadow: what would have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would: Option<Disposition>,
    /// Why.
    pub reason: Reason,
    /// Version of the policy that decided; 0 if there was none.
    pub policy_version: u64,
    /// The severity, raised if the alert is a repeat.
    pub priority: Severity,
    /// The user's episode: the id of the alert that opened it.
    pub episode: String,
    /// Anomalies of the user in the seven days before.
    pub repeats: u32,
    /// Pages a day that were allowed when this was decided; 0 for any number.
    pub pages_per_day_max: u32,
}

/// Decides about an alert.
///
/// In order: an entry of the user's, a rule of the policy, then priority and episode. In shadow mode the result is only recorded.
#[must_use]
pub fn decide(facts: &Facts<'_>, standing: &Standing<'_>) -> Decision {
    let Standing { policy, history, settings, .. } = standing;
    let priority = priority(facts, history);
    let (wanted, reason) = listed(facts, standing).unwrap_or_else(|| by_priority(facts, priority, standing));
    let waits = wanted == Disposition::Digest && !settings.has_digest;
    let (wanted, reason) = if waits { (Disposition::Page, Reason::NoDigest) } else { (wanted, reason) };
    let is_shadow = is_shadow(*policy);
    Decision {
        disposition: if is_shadow { Disposition::Shadow } else { wanted },
        would: is_shadow.then_some(wanted),
        reason,
        policy_version: policy.map_or(0, |policy| policy.version),
        priority,
        episode: if history.is_within(facts.event_time_ms) { history.episode.clone() } else { facts.id.to_owned() },
        repeats: history.repeats(facts.event_time_ms),
        pages_per_day_max: pages_per_day_max(*policy, *settings),
    }
}

impl Decision {
    /// The decision if the day's budget has no page left: the alert waits for the summary.
    #[must_use]
    pub fn over_budget(self) -> Self {
        Self { disposition: Disposition::Digest, reason: Reason::Budget, ..self }
    }

    /// Whether it takes one of the day's pages.
    #[must_use]
    pub fn is_budgeted(&self) -> bool {
        self.disposition == Disposition::Page && self.pages_per_day_max > 0
    }

    /// The alert's place in a summary.
    #[must_use]
    pub const fn rank(&self, score: f64) -> Rank {
        Rank { priority: self.priority, score: score.abs(), repeats: self.repeats }
    }
}

/// A repeated `high` is `critical`: the second within seven days is far more often fraud than the first.
fn priority(facts: &Facts<'_>, history: &History) -> Severity {
    let is_raised = facts.severity == Severity::High && history.was_high(facts.event_time_ms);
    if is_raised { Severity::Critical } else { facts.severity }
}

/// What a user's entry or a rule of the policy says.
fn listed(facts: &Facts<'_>, standing: &Standing<'_>) -> Option<(Disposition, Reason)> {
    let applies = |rule: &&crate::Rule| rule.applies(facts.document, standing.now_ms);
    let entry = standing.entries.and_then(|listed| listed.entries.iter().find(applies));
    let rule = || standing.policy.and_then(|policy| policy.rules.iter().find(applies));
    match entry {
        Some(entry) => Some((entry.then, Reason::User(entry.why.clone()))),
        None => rule().map(|rule| (rule.then, Reason::Rule(rule.id.clone()))),
    }
}

fn by_priority(facts: &Facts<'_>, priority: Severity, standing: &Standing<'_>) -> (Disposition, Reason) {
    if !standing.settings.has_digest {
        return (Disposition::Page, Reason::NoDigest);
    }
    let default = Page::default();
    let page = standing.policy.map_or(&default, |policy| &policy.page);
    let is_urgent = priority >= page.severity && page.score.is_none_or(|least| facts.score.abs() >= least);
    match told(facts, standing) {
        _ if !is_urgent => (Disposition::Digest, Reason::Priority),
        _ if standing.history.is_past(facts.event_time_ms) => (Disposition::Digest, Reason::Late),
        Some(told) if told >= priority => (Disposition::Digest, Reason::Repeat),
        _ => (Disposition::Page, Reason::Priority),
    }
}

/// The highest priority that people were told of this episode. What only a shadow was told, nobody was told.
fn told(facts: &Facts<'_>, standing: &Standing<'_>) -> Option<Severity> {
    let Standing { history, policy, .. } = standing;
    let is_told = history.is_within(facts.event_time_ms) && history.paged_in_shadow == is_shadow(*policy);
    history.paged.filter(|_| is_told)
}

fn is_shadow(policy: Option<&Policy>) -> bool {
    policy.is_some_and(|policy| policy.mode == Mode::Shadow)
}

/// Without summaries there is no budget either: an alert that no page is left for would reach nobody.
fn pages_per_day_max(policy: Option<&Policy>, settings: Settings) -> u32 {
    let of_policy = policy.and_then(|policy| policy.page.per_day);
    if settings.has_digest { of_policy.unwrap_or(settings.pages_per_day_max) } else { 0 }
}
