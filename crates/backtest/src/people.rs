//! What people would get: every alert of a rule goes through the alerter's own policy code.
//!
//! Alerts come in the order of the input, as they come to the alerter. Each is decided on by [`decide`] with its user's [`History`];
//! then the budget of its day is asked. What waits is in the summary of its period. For comparison, every alert is counted as a message
//! of its own too.
//!
//! Invariants: a day never has more pages than its budget; every alert has one disposition; memory grows with alerted users and days.
//!
//! Deliberately absent: what is listed for single users, which is in the ledger of a deployed stack and not in a policy file.

mod alerting;
mod calendar;
mod findings;
mod reached;

use alert_policy::{Decision, Disposition, Facts, History, Policy, Reason, Standing, decide};
pub use alerting::AlertingSettings;
use calendar::Calendar;
pub(crate) use findings::Span;
use hashbrown::HashMap;
pub(crate) use reached::Reached;
use reached::Reaches;
use serde_json::Value;

use super::flagged::Flagged;
use super::summary::AlertCount;
use super::users::UserNumber;

/// The alerts of one rule, on their way to people.
#[derive(Debug)]
pub(crate) struct People {
    settings: AlertingSettings,
    /// Of users with an alert.
    histories: HashMap<UserNumber, History>,
    calendar: Calendar,
    fates: Fates,
    /// By rule of the policy, in its order.
    of_rules: Vec<AlertCount>,
    /// Labelled episodes and labelled users, by what reached people.
    pub(crate) episodes: Reaches,
    pub(crate) users: Reaches,
}

/// Alerts by what became of them.
#[derive(Debug, Default)]
struct Fates {
    pages: AlertCount,
    digest: AlertCount,
    silent: AlertCount,
    shadow: AlertCount,
    /// Part of `digest`: the day's pages were used up.
    over_budget: u64,
}

impl People {
    pub(crate) fn new(settings: AlertingSettings) -> Self {
        let rules = settings.policy.as_ref().map_or(0, |policy| policy.rules.len());
        Self {
            calendar: Calendar::new(settings.digest_hours),
            settings,
            histories: HashMap::new(),
            fates: Fates::default(),
            of_rules: vec![AlertCount::default(); rules],
            episodes: Reaches::default(),
            users: Reaches::default(),
        }
    }

    /// Whether a decision looks at the document of an alert.
    pub(crate) fn needs_document(&self) -> bool {
        !self.of_rules.is_empty()
    }

    /// Decides about an alert and counts it. `document` is what patterns look at; without rules any value will do.
    pub(crate) fn tell(&mut self, flagged: &Flagged, document: &Value) -> Decision {
        let id = flagged.index.to_string();
        let facts = Facts {
            id: &id,
            event_time_ms: flagged.event_time_ms,
            severity: flagged.severity,
            score: flagged.assessment.score,
            document,
        };
        let decision = self.decide(&facts, flagged);
        self.fates.count(&decision, flagged);
        self.calendar.count(decision.disposition, flagged.event_time_ms);
        self.histories.entry(flagged.user).or_default().add(&facts, &decision);
        decision
    }

    /// The decision in the end: a page that the day's budget does not have waits for the summary.
    fn decide(&mut self, facts: &Facts<'_>, flagged: &Flagged) -> Decision {
        let policy = self.settings.policy.as_ref();
        let history = self.histories.entry(flagged.user).or_default();
        let settings = self.settings.of_stack();
        // Rules hold or have ended at the time of the alert, not at that of the backtest.
        let standing = Standing { policy, entries: None, history, settings, now_ms: facts.event_time_ms };
        let decision = decide(facts, &standing);
        if let Some(of_rule) = rule_of(policy, &decision).and_then(|place| self.of_rules.get_mut(place)) {
            of_rule.add(flagged);
        }
        let pages = self.calendar.pages(facts.event_time_ms);
        let is_over_budget = decision.is_budgeted() && pages >= decision.pages_per_day_max;
        if is_over_budget { decision.over_budget() } else { decision }
    }
}

/// The place of the rule that decided, in the policy.
fn rule_of(policy: Option<&Policy>, decision: &Decision) -> Option<usize> {
    let Reason::Rule(id) = &decision.reason else { return None };
    policy?.rules.iter().position(|rule| rule.id == *id)
}

impl Fates {
    fn count(&mut self, decision: &Decision, flagged: &Flagged) {
        let fate = match decision.disposition {
            Disposition::Page => &mut self.pages,
            Disposition::Digest => &mut self.digest,
            Disposition::Silent => &mut self.silent,
            Disposition::Shadow => &mut self.shadow,
        };
        fate.add(flagged);
        self.over_budget += u64::from(decision.reason == Reason::Budget);
    }
}

impl AlertCount {
    fn add(&mut self, flagged: &Flagged) {
        self.alerts += 1;
        self.labelled += u64::from(flagged.label == Some(true));
    }
}

#[cfg(test)]
mod tests;
