//! One rule on its way through the input, with a state of its own for every user.

use anomaly_core::{Assessment, Position, Rule, SequenceNumber, Severity, ShardId, Transaction, UserState, Verdict};

use super::detail::Detail;
use super::flagged::Flagged;
use super::recipe::{Closed, Recipe};
use super::summary::{Knobs, RuleName, Verdicts};
use super::users::Arrival;

/// The shard that a replay pretends to read.
const SHARD: &str = "shardId-000000000000";

/// A transaction with its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    /// Which record of the input, from 0.
    pub(super) index: u64,
    pub(super) transaction: &'a Transaction<'a>,
    pub(super) label: Option<bool>,
    pub(super) arrival: Arrival,
}

/// What a lane is for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spec {
    /// Name for people.
    pub(super) label: String,
    /// Which rule.
    pub(super) rule: RuleName,
    /// Its settings.
    pub(super) knobs: Knobs,
    /// How long the state of a silent user is kept.
    pub(super) state_retention_ms: i64,
}

/// A rule, its states and what came of it.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) spec: Spec,
    judge: Judge,
    pub(super) counts: Counts,
    /// `None` for lanes that only count.
    pub(super) detail: Option<Box<Detail>>,
}

#[derive(Debug)]
enum Judge {
    Core(Box<Core>),
    Recipe(Recipe),
}

/// What is counted of every lane.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    pub(super) verdicts: Verdicts,
    /// Alerts by user.
    pub(super) alerts: Vec<u32>,
    pub(super) true_alerts: u64,
}

impl Lane {
    pub(super) fn new(spec: Spec, rule: Option<Rule>, detail: Option<Box<Detail>>) -> anyhow::Result<Self> {
        let judge = match rule {
            Some(rule) => Judge::Core(Box::new(Core::new(rule, spec.state_retention_ms)?)),
            None => Judge::Recipe(Recipe::new(spec.knobs)),
        };
        Ok(Self { spec, judge, counts: Counts::default(), detail })
    }

    /// Judges a transaction; answers with what is flagged by it.
    pub(super) fn add(&mut self, seen: &Seen<'_>) -> anyhow::Result<Option<Flagged>> {
        if let Some(detail) = &mut self.detail
            && let Some(recorder) = seen.arrival.recorder.filter(|_| seen.arrival.is_recorder_new)
        {
            detail.series.pass(recorder, seen.arrival.user);
        }
        match &mut self.judge {
            Judge::Core(core) => {
                let verdict = core.step(seen)?;
                Ok(self.count(seen, &verdict))
            }
            Judge::Recipe(recipe) => {
                let (is_late, closed) = recipe.add(seen);
                self.counts.verdicts.late += u64::from(is_late);
                if let Some(detail) = &mut self.detail {
                    detail.record(seen, None);
                }
                Ok(closed.and_then(|closed| self.close(&closed, seen.arrival.recorder)))
            }
        }
    }

    fn count(&mut self, seen: &Seen<'_>, verdict: &Verdict) -> Option<Flagged> {
        let assessment = self.counts.verdicts.count(verdict);
        if let Some(detail) = &mut self.detail {
            detail.judge(seen.label, assessment);
            detail.record(seen, assessment);
        }
        let assessment = *assessment.filter(|assessment| assessment.severity.is_some())?;
        let flagged = Flagged {
            index: seen.index,
            user: seen.arrival.user,
            event_time_ms: seen.transaction.event_time_ms,
            amount: seen.transaction.amount,
            label: seen.label,
            assessment,
            window: None,
        };
        self.counts.flag(&flagged);
        Some(flagged)
    }

    fn close(&mut self, closed: &Closed, recorder: Option<usize>) -> Option<Flagged> {
        let (flagged, severity) = (closed.flagged, closed.flagged.assessment.severity);
        self.counts.verdicts.count_window(closed.count, closed.is_judged, severity);
        let detail = self.detail.as_mut();
        if let Some(detail) = detail.filter(|_| closed.is_judged) {
            detail.judge(flagged.label, Some(&flagged.assessment));
            if severity.is_some() {
                detail.series.record_window(recorder, &flagged);
            }
        }
        severity?;
        self.counts.flag(&flagged);
        Some(flagged)
    }

    /// The input is over; answers with what is flagged by that. `recorders` are those of the users.
    pub(super) fn finish(&mut self, recorder: impl Fn(usize) -> Option<usize>) -> Vec<Flagged> {
        let Judge::Recipe(recipe) = &mut self.judge else { return Vec::new() };
        let closed = recipe.finish();
        closed.iter().filter_map(|closed| self.close(closed, recorder(closed.flagged.user))).collect()
    }
}

impl Counts {
    fn flag(&mut self, flagged: &Flagged) {
        if self.alerts.len() <= flagged.user {
            self.alerts.resize(flagged.user + 1, 0);
        }
        if let Some(alerts) = self.alerts.get_mut(flagged.user) {
            *alerts += 1;
        }
        self.true_alerts += u64::from(flagged.label == Some(true));
    }
}

impl Verdicts {
    /// Counts a verdict; answers with the assessment if there is one.
    fn count<'v>(&mut self, verdict: &'v Verdict) -> Option<&'v Assessment> {
        let (counter, assessment) = match verdict {
            Verdict::WarmingUp => (&mut self.warming_up, None),
            Verdict::Duplicate => (&mut self.duplicates, None),
            Verdict::Late => (&mut self.late, None),
            Verdict::Normal(assessment) => (&mut self.normal, Some(assessment)),
            Verdict::Anomaly(assessment) => (self.of_severity(assessment.severity), Some(assessment)),
        };
        *counter += 1;
        assessment
    }

    /// Counts the transactions of a window: one is flagged at most.
    fn count_window(&mut self, transactions: u32, is_judged: bool, severity: Option<Severity>) {
        let usual = u64::from(transactions) - u64::from(severity.is_some());
        *(if is_judged { &mut self.normal } else { &mut self.warming_up }) += usual;
        if severity.is_some() {
            *self.of_severity(severity) += 1;
        }
    }

    const fn of_severity(&mut self, severity: Option<Severity>) -> &mut u64 {
        match severity {
            None => &mut self.normal,
            Some(Severity::Warning) => &mut self.warning,
            Some(Severity::High) => &mut self.high,
            Some(Severity::Critical) => &mut self.critical,
        }
    }

    /// Anomalies of every severity.
    #[must_use]
    pub const fn anomalies(&self) -> u64 {
        self.warning + self.high + self.critical
    }
}

/// The detector's rule: the same step on the same state.
#[derive(Debug)]
struct Core {
    rule: Rule,
    state_retention_ms: i64,
    shard: ShardId,
    /// The upper half of the last index, as a number and as a sequence number.
    sequence: (u64, SequenceNumber),
    #[expect(
        clippy::vec_box,
        reason = "a state has a kilobyte; growing would copy them all and need twice the memory"
    )]
    states: Vec<Box<UserState>>,
}

impl Core {
    fn new(rule: Rule, state_retention_ms: i64) -> anyhow::Result<Self> {
        Ok(Self { rule, state_retention_ms, shard: SHARD.parse()?, sequence: (0, "0".parse()?), states: Vec::new() })
    }

    fn step(&mut self, seen: &Seen<'_>) -> anyhow::Result<Verdict> {
        let position = self.position(seen.index)?;
        let user = seen.arrival.user;
        while self.states.len() <= user {
            self.states.push(Box::new(UserState::new(&self.rule)));
        }
        let Some(state) = self.states.get_mut(user) else { return Ok(Verdict::WarmingUp) };
        // The detector forgets a user who was silent for so long.
        if seen.arrival.silence_ms >= self.state_retention_ms {
            **state = UserState::new(&self.rule);
        }
        Ok(state.step(&self.shard, position, seen.transaction, &self.rule))
    }

    /// Records of one shard in their order: 2³² of them share a sequence number, so that one is made rarely.
    fn position(&mut self, index: u64) -> anyhow::Result<Position> {
        let (high, low) = (index >> 32, index & u64::from(u32::MAX));
        if high != self.sequence.0 {
            self.sequence = (high, high.to_string().parse()?);
        }
        Ok(Position { sequence_number: self.sequence.1, sub_sequence: u32::try_from(low)? })
    }
}
