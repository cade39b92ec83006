//! A track: one rule's pass over the input, with a state of its own for every user.

use anomaly_core::profile::{Model, Population};
use anomaly_core::{ModelMode, Position, Rule, SequenceNumber, ShardId, UserState, Verdict, VerdictCounts};

use super::detail::Detail;
use super::flagged::Flagged;
use super::seen::Seen;
use super::summary::{Knobs, RuleName};
use super::tumbling::{EndedWindow, Tumbling};

/// The shard that a backtest pretends to read.
pub(crate) const SHARD: &str = "shardId-000000000000";

/// Which rule a track runs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spec {
    /// Display name.
    pub(crate) label: String,
    /// Which rule.
    pub(crate) rule: RuleName,
    /// Its settings.
    pub(crate) knobs: Knobs,
    /// How long the state of a silent user is kept, in ms of event time.
    pub(crate) state_retention_ms: i64,
    /// What helps it.
    pub(crate) aids: Aids,
}

/// What can help the rule `profile`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Aids {
    /// What is loud for everybody.
    pub(crate) population: Option<Population>,
    /// A trained model, which alerts too.
    pub(crate) model: Option<Model>,
}

impl Aids {
    /// What they add to the name of a rule.
    pub(crate) const fn label(&self) -> &'static str {
        match (self.population.is_some(), self.model.is_some()) {
            (false, false) => "",
            (true, false) => " + population",
            (false, true) => " + model",
            (true, true) => " + population + model",
        }
    }

    /// The rule with what helps it.
    pub(crate) fn help(self, rule: Rule) -> Rule {
        let rule = self.population.into_iter().fold(rule, Rule::with_population);
        self.model.into_iter().fold(rule, |rule, model| rule.with_model(model, ModelMode::Alert))
    }
}

/// A rule, its states and its findings.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) spec: Spec,
    judge: Judge,
    pub(crate) counts: Counts,
    /// `None` for tracks that only count.
    pub(crate) detail: Option<Box<Detail>>,
}

#[derive(Debug)]
enum Judge {
    Core(Box<Core>),
    Tumbling(Tumbling),
}

/// The counts of every track.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    pub(crate) verdicts: VerdictCounts,
    /// By user.
    pub(crate) of_users: Vec<OfUser>,
    pub(crate) true_alerts: u64,
    /// Alerts with a label of either kind.
    pub(crate) labelled_alerts: u64,
    /// Alerts if those of one user within [`MERGED_MS`] of the first of them are one.
    pub(crate) merged: u64,
}

/// The alerts of one user.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct OfUser {
    pub(crate) alerts: u32,
    pub(crate) true_alerts: u32,
    /// Later alerts before this time are merged with an earlier one.
    merged_until_ms: Option<i64>,
}

/// How long alerts of one user are merged: a day.
const MERGED_MS: i64 = 24 * 60 * 60 * 1_000;

impl Track {
    pub(crate) fn new(spec: Spec, rule: Option<Rule>, detail: Option<Box<Detail>>) -> anyhow::Result<Self> {
        let judge = match rule {
            Some(rule) => Judge::Core(Box::new(Core::new(rule, spec.state_retention_ms)?)),
            None => Judge::Tumbling(Tumbling::new(spec.knobs)),
        };
        Ok(Self { spec, judge, counts: Counts::default(), detail })
    }

    /// Judges a transaction. Returns the flag that this raises, if any.
    pub(crate) fn add(&mut self, seen: &Seen<'_>) -> anyhow::Result<Option<Flagged>> {
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
            Judge::Tumbling(tumbling) => {
                let (is_late, ended) = tumbling.add(seen);
                self.counts.verdicts.late += u64::from(is_late);
                if let Some(detail) = &mut self.detail {
                    detail.record(seen, None, None);
                }
                Ok(ended.and_then(|window| self.end_window(&window, seen.arrival.recorder)))
            }
        }
    }

    fn count(&mut self, seen: &Seen<'_>, verdict: &Verdict) -> Option<Flagged> {
        self.counts.verdicts.count(verdict);
        let (assessment, severity) = match verdict {
            Verdict::Normal(assessment) => (Some(assessment), None),
            Verdict::Anomaly(assessment, severity) => (Some(assessment), Some(*severity)),
            Verdict::WarmingUp | Verdict::Duplicate | Verdict::Late => (None, None),
        };
        if let Some(detail) = &mut self.detail {
            detail.judge(seen.label, assessment, severity, &self.spec.knobs);
            detail.record(seen, assessment, severity);
        }
        let flagged = Flagged {
            index: seen.index,
            user: seen.arrival.user,
            event_time_ms: seen.transaction.event_time_ms,
            amount: seen.transaction.amount,
            label: seen.label,
            assessment: *assessment?,
            severity: severity?,
            window: None,
        };
        self.counts.flag(&flagged);
        Some(flagged)
    }

    fn end_window(&mut self, window: &EndedWindow, recorder: Option<usize>) -> Option<Flagged> {
        self.counts.count_window(window);
        let largest = &window.largest;
        let flagged = window.flagged();
        if let Some(detail) = self.detail.as_mut().filter(|_| window.is_judged) {
            detail.judge(largest.label, Some(&window.assessment), window.severity, &self.spec.knobs);
            if let Some(flagged) = &flagged {
                detail.series.record_window(recorder, flagged);
            }
        }
        self.counts.flag(flagged.as_ref()?);
        flagged
    }

    /// Ends the input. Returns the flags that this raises. `recorder` returns a user's recorder.
    pub(crate) fn finish(&mut self, recorder: impl Fn(usize) -> Option<usize>) -> Vec<Flagged> {
        let Judge::Tumbling(tumbling) = &mut self.judge else { return Vec::new() };
        let ended = tumbling.finish();
        ended.iter().filter_map(|window| self.end_window(window, recorder(window.user))).collect()
    }
}

impl Counts {
    /// Counts the transactions of a window, of which at most one is flagged.
    fn count_window(&mut self, window: &EndedWindow) {
        let usual = u64::from(window.count) - u64::from(window.severity.is_some());
        *(if window.is_judged { &mut self.verdicts.normal } else { &mut self.verdicts.warming_up }) += usual;
        if let Some(severity) = window.severity {
            self.verdicts.count_anomaly(severity);
        }
    }

    fn flag(&mut self, flagged: &Flagged) {
        if self.of_users.len() <= flagged.user {
            self.of_users.resize(flagged.user + 1, OfUser::default());
        }
        let is_true = flagged.label == Some(true);
        self.true_alerts += u64::from(is_true);
        self.labelled_alerts += u64::from(flagged.label.is_some());
        let Some(user) = self.of_users.get_mut(flagged.user) else { return };
        user.alerts += 1;
        user.true_alerts += u32::from(is_true);
        let known_ms = flagged.known_ms();
        if user.merged_until_ms.is_none_or(|until_ms| known_ms >= until_ms) {
            user.merged_until_ms = Some(known_ms.saturating_add(MERGED_MS));
            self.merged += 1;
        }
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
        reason = "a state is half a kilobyte; a growing vector would copy all of them and need twice the memory"
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
        // The detector forgets a user who has been silent for this long.
        if seen.arrival.silence_ms >= self.state_retention_ms {
            **state = UserState::new(&self.rule);
        }
        Ok(state.step(&self.shard, position, seen.transaction, &self.rule))
    }

    /// Position of a record in the shard. 2³² consecutive records share a sequence number, so that a new one is rarely parsed.
    fn position(&mut self, index: u64) -> anyhow::Result<Position> {
        let (high, low) = (index >> 32, index & u64::from(u32::MAX));
        if high != self.sequence.0 {
            self.sequence = (high, high.to_string().parse()?);
        }
        Ok(Position { sequence_number: self.sequence.1, sub_sequence: u32::try_from(low)? })
    }
}
