//! What the rules `adaptive` and `plain` remember about a user's amounts.

use crate::{Assessment, LongTerm, Moments, Profile, Rule, RuleKind, Run, Severity, Window};

/// The rolling window, the long-term baseline and what `adaptive` needs beside them.
#[derive(Debug, Clone, PartialEq)]
pub struct Windowed {
    /// The rolling window.
    pub window: Window,
    /// The slow baseline.
    pub long_term: LongTerm,
    /// Anomalies in a row, which may be a new level.
    pub run: Run,
    /// While the user is warming up under `adaptive`: the largest amount, which is not folded in yet. One large first purchase would
    /// otherwise define what is usual for weeks.
    pub(crate) withheld: Option<f64>,
}

impl Windowed {
    /// A user without transactions.
    #[must_use]
    pub fn new(rule: &Rule) -> Self {
        Self { window: rule.new_window(), long_term: LongTerm::default(), run: Run::default(), withheld: None }
    }

    /// What `profile` remembered, as far as it says anything here: the long-term baseline.
    #[must_use]
    pub fn from_profile(profile: &Profile, rule: &Rule) -> Self {
        let mut new = Self { long_term: profile.to_long_term(), ..Self::new(rule) };
        if let Some(newest) = profile.newest_event_time_ms() {
            new.window.advance(newest);
        }
        new
    }

    /// The amount that is not folded in yet, because the user is warming up and it is the largest so far.
    #[must_use]
    pub const fn withheld(&self) -> Option<f64> {
        self.withheld
    }

    /// Starts the window empty if it is not made as the rule wants it; the rest stays, the newest event time too.
    pub(crate) fn fit(&mut self, rule: &Rule) {
        if self.window.is_made_of(rule.window_length_ms(), rule.second_opinion().is_some()) {
            return;
        }
        let newest = self.window.newest_event_time_ms();
        self.window = rule.new_window();
        if let Some(newest) = newest {
            self.window.advance(newest);
        }
    }

    /// Judges an amount, then folds it in. `None` while there are too few observations; the severity if the amount is an anomaly. The
    /// caller has made sure that the event time is not late.
    pub(crate) fn step(
        &mut self,
        amount: f64,
        event_time_ms: i64,
        rule: &Rule,
    ) -> Option<(Assessment, Option<Severity>)> {
        self.window.advance(event_time_ms);
        let before = self.window.before(event_time_ms);
        let judged = rule.assess(amount, before, &self.long_term);
        match (rule.settings().kind, &judged) {
            (RuleKind::Adaptive, None) => self.warm_up(amount, event_time_ms, rule),
            (RuleKind::Adaptive, Some((assessment, severity))) => {
                if self.is_new_level(amount, assessment, severity.is_some()) {
                    self.start_over(event_time_ms, rule);
                    self.warm_up(amount, event_time_ms, rule);
                } else {
                    self.fold(event_time_ms, rule.winsorise(amount, assessment));
                }
            }
            (RuleKind::Plain | RuleKind::Profile, _) => {
                self.window.push(event_time_ms, amount);
                self.long_term.push(rule.tame(amount, Moments::default(), &self.long_term));
            }
        }
        judged
    }

    fn fold(&mut self, event_time_ms: i64, amount: f64) {
        self.window.push(event_time_ms, amount);
        self.long_term.push(amount);
    }

    /// Folds an amount that cannot be judged yet. The largest so far is withheld, the other one is folded in clamped. The last amount
    /// before the first judgement brings the withheld one in, clamped by all others.
    fn warm_up(&mut self, amount: f64, event_time_ms: i64, rule: &Rule) {
        let (smaller, larger) = match self.withheld {
            None => (None, amount),
            Some(withheld) if withheld.abs() > amount.abs() => (Some(amount), withheld),
            Some(withheld) => (Some(withheld), amount),
        };
        if let Some(smaller) = smaller {
            self.fold(event_time_ms, rule.tame(smaller, self.window.before(event_time_ms), &self.long_term));
        }
        let folded = self.window.before(event_time_ms);
        let is_last = rule.observations(folded, &self.long_term) + 1 >= rule.observations_min();
        self.withheld = (!is_last).then_some(larger);
        if is_last {
            self.fold(event_time_ms, rule.tame(larger, folded, &self.long_term));
        }
    }

    /// Counts a judged amount in the run of anomalies. Returns whether the run is a new level.
    fn is_new_level(&mut self, amount: f64, assessment: &Assessment, is_anomaly: bool) -> bool {
        if !is_anomaly {
            self.run.add_usual();
            return false;
        }
        self.run.add_anomaly(amount > assessment.baseline.mean)
    }

    /// Forgets what was usual; positions and recent transactions stay.
    fn start_over(&mut self, event_time_ms: i64, rule: &Rule) {
        self.window = rule.new_window();
        self.window.advance(event_time_ms);
        self.long_term = LongTerm::default();
        self.run = Run::default();
        self.withheld = None;
    }
}
