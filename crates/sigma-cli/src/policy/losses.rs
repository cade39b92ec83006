//! What the alerts of the last days would have lost under a policy.
//!
//! An alert that was told and would now be silent or shadow is lost to everybody; a page that would now be a digest alert is lost to
//! people until the next summary. Each alert is taken as it was decided: episodes and the day's budget are not replayed. What a user's
//! entry decided is left to it, since entries come before rules.

use alert_policy::{Disposition, Mode, Policy, Rank, Reason};
use alerter::publication::document;
use serde::Serialize;

use super::alerts::{Past, Reading};

/// Alerts told in words, for each cause.
const WORST_MAX: usize = 3;

/// What causes a loss.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Cause {
    /// A rule, by its id.
    Rule(String),
    /// `page`: what no rule decides is less urgent than that.
    PageLevel,
    /// `mode`: nobody is told.
    ShadowMode,
}

/// What one cause would have taken.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Loss {
    pub(super) cause: Cause,
    /// Alerts that it decides, told or not.
    pub(super) matches: u64,
    /// Alerts that were told and would reach nobody.
    pub(super) silenced: u64,
    /// Pages that would wait for the summary.
    pub(super) delayed: u64,
    /// The most severe of them, in words.
    pub(super) worst: Vec<String>,
    #[serde(skip)]
    ranks: Vec<Rank>,
}

/// What the alerts of the last days would have lost.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Losses {
    #[serde(flatten)]
    pub(super) reading: Reading,
    /// Alerts that were told to anybody.
    pub(super) told: u64,
    pub(super) by_cause: Vec<Loss>,
}

/// Counts losses under a policy.
#[derive(Debug)]
pub(super) struct Tally<'p> {
    policy: &'p Policy,
    now_ms: i64,
    told: u64,
    rules: Vec<Loss>,
    level: Loss,
    shadow: Loss,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Silenced,
    Delayed,
}

impl<'p> Tally<'p> {
    pub(super) fn new(policy: &'p Policy, now_ms: i64) -> Self {
        let rules = policy.rules.iter().map(|rule| Loss::of(Cause::Rule(rule.id.clone()))).collect();
        Self { policy, now_ms, told: 0, rules, level: Loss::of(Cause::PageLevel), shadow: Loss::of(Cause::ShadowMode) }
    }

    /// Adds an alert.
    pub(super) fn add(&mut self, past: &Past) {
        let was = past.decision.disposition;
        self.told += u64::from(was.is_published());
        let rule = self.rule(past);
        let then = rule.and_then(|index| self.policy.rules.get(index)).map(|rule| rule.then);
        let is_shadow = self.policy.mode == Mode::Shadow && then.is_none_or(Disposition::is_published);
        if let Some(loss) = rule.and_then(|index| self.rules.get_mut(index)) {
            loss.matches += 1;
            loss.note(past, then.filter(|_| !is_shadow));
        }
        if is_shadow {
            self.shadow.matches += 1;
            self.shadow.note(past, Some(Disposition::Shadow));
        } else if rule.is_none() && self.falls(past) {
            self.level.matches += 1;
            self.level.note(past, Some(Disposition::Digest));
        }
    }

    /// The result. Rules are all in it; the other causes if they would have taken anything.
    pub(super) fn losses(self, reading: Reading) -> Losses {
        let others = [self.level, self.shadow].into_iter().filter(|loss| loss.matches > 0);
        Losses { reading, told: self.told, by_cause: self.rules.into_iter().chain(others).collect() }
    }

    /// The rule that would decide.
    fn rule(&self, past: &Past) -> Option<usize> {
        if matches!(past.decision.reason, Reason::User(_)) {
            return None;
        }
        let document = document(&past.alert);
        self.policy.rules.iter().position(|rule| rule.applies(&document, self.now_ms))
    }

    /// Whether it was a page, and its priority no longer makes it one.
    fn falls(&self, past: &Past) -> bool {
        let decision = &past.decision;
        let page = &self.policy.page;
        let score = past.alert.score().unwrap_or_default().abs();
        let is_urgent = decision.priority >= page.severity && page.score.is_none_or(|least| score >= least);
        let is_by_level = matches!(decision.reason, Reason::Priority | Reason::Rule(_));
        decision.disposition == Disposition::Page && is_by_level && !is_urgent
    }
}

impl Loss {
    const fn of(cause: Cause) -> Self {
        Self { cause, matches: 0, silenced: 0, delayed: 0, worst: Vec::new(), ranks: Vec::new() }
    }

    fn note(&mut self, past: &Past, becomes: Option<Disposition>) {
        match becomes.and_then(|becomes| change(past.decision.disposition, becomes)) {
            Some(Change::Silenced) => self.silenced += 1,
            Some(Change::Delayed) => self.delayed += 1,
            None => return,
        }
        let rank = past.decision.rank(past.alert.score().unwrap_or_default());
        let index = self.ranks.partition_point(|other| *other >= rank);
        if index < WORST_MAX {
            self.ranks.insert(index, rank);
            self.worst.insert(index, in_words(past));
            self.ranks.truncate(WORST_MAX);
            self.worst.truncate(WORST_MAX);
        }
    }
}

const fn change(was: Disposition, becomes: Disposition) -> Option<Change> {
    match (was, becomes) {
        (Disposition::Page | Disposition::Digest, Disposition::Silent | Disposition::Shadow) => Some(Change::Silenced),
        (Disposition::Page, Disposition::Digest) => Some(Change::Delayed),
        _ => None,
    }
}

fn in_words(past: &Past) -> String {
    let because = past.alert.because(&past.decision).unwrap_or_else(|| past.alert.text.clone());
    format!("{}: {because}", past.decision.priority.as_str())
}

impl Losses {
    /// For people.
    pub(super) fn text(&self) -> String {
        let Self { reading, told, by_cause } = self;
        let mut lines = vec![format!(
            "The ledger has {} alerts of the last {} days; {told} of them were told. Under this policy:",
            reading.alerts, reading.days
        )];
        lines.extend(by_cause.iter().map(Loss::text));
        if by_cause.iter().all(|loss| loss.silenced + loss.delayed == 0) {
            lines.push("  nothing of that would have been lost.".to_owned());
        }
        lines.extend(reading.warnings());
        lines.join("\n")
    }
}

impl Loss {
    fn text(&self) -> String {
        let Self { cause, matches, silenced, delayed, worst, .. } = self;
        let cause = match cause {
            Cause::Rule(id) => format!("rule \"{id}\""),
            Cause::PageLevel => "page level".to_owned(),
            Cause::ShadowMode => "mode shadow".to_owned(),
        };
        let mut text = format!(
            "  {cause}: decides {matches}; {silenced} that were told would reach nobody, {delayed} pages would wait for the summary"
        );
        text.extend(worst.iter().map(|words| format!("\n    {words}")));
        text
    }
}

impl Reading {
    /// What a reader of figures has to know.
    pub(super) fn warnings(&self) -> Vec<String> {
        let unreadable = (self.unreadable > 0).then(|| {
            format!("Warning: {} alerts cannot be read by this version and are not counted.", self.unreadable)
        });
        let incomplete =
            (!self.is_complete).then(|| "Warning: the table is too large; only a part of it was read.".to_owned());
        unreadable.into_iter().chain(incomplete).collect()
    }
}
