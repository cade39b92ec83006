//! The state machine of one user.

use std::collections::VecDeque;

use xxhash_rust::xxh3::Xxh3;

use crate::{Assessment, LongTerm, Moments, Position, Rule, RuleKind, Run, Severity, ShardId, Transaction, Window};

/// Shards whose last applied position is remembered. A user's key lives in one shard; after a split or merge in another one,
/// while the old one may still be redelivered. Four outlast three reshardings within the stream's retention.
pub const SHARDS_PER_USER_MAX: usize = 4;
/// Transaction ids remembered, to tell a producer's retry (same transaction, new sequence number) from a new transaction.
pub const RECENT_TRANSACTIONS_MAX: usize = 16;

/// 48 bits of hash: among 16 of them a new transaction is taken for an old one once in 17 million million.
pub(crate) const FINGERPRINT_BYTES: usize = 6;
type Fingerprint = [u8; FINGERPRINT_BYTES];

/// The outcome of one transaction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// Folded in; too few observations to judge.
    WarmingUp,
    /// Folded in; within what is usual.
    Normal(Assessment),
    /// Folded in; beyond the threshold.
    Anomaly(Assessment, Severity),
    /// Applied before, or a producer's retry of a transaction that was; not folded in.
    Duplicate,
    /// Older than the window that ends at the user's newest transaction; not folded in.
    Late,
}

/// Everything remembered about one user. Its size is bounded, whatever the user does.
#[derive(Debug, Clone, PartialEq)]
pub struct UserState {
    /// The rolling window.
    pub window: Window,
    /// The slow baseline.
    pub long_term: LongTerm,
    /// Anomalies in a row, which may be a new level.
    pub run: Run,
    /// While the user is warming up under `adaptive`: the largest amount, which is not folded in yet. One large first purchase would
    /// otherwise define what is usual for weeks.
    pub(crate) withheld: Option<f64>,
    /// Last applied position per shard, least recently used first; at most [`SHARDS_PER_USER_MAX`].
    pub(crate) positions: VecDeque<(ShardId, Position)>,
    /// Hashes of recent transactions, oldest first; at most [`RECENT_TRANSACTIONS_MAX`].
    pub(crate) recent: VecDeque<Fingerprint>,
}

impl UserState {
    /// The state of a user who has no transactions yet.
    #[must_use]
    pub fn new(rule: &Rule) -> Self {
        Self {
            window: Window::new(rule.window_length_ms()),
            long_term: LongTerm::default(),
            run: Run::default(),
            withheld: None,
            positions: VecDeque::new(),
            recent: VecDeque::new(),
        }
    }

    /// The amount that is not folded in yet, because the user is warming up and it is the largest so far.
    #[must_use]
    pub const fn withheld(&self) -> Option<f64> {
        self.withheld
    }

    /// Applies one transaction, read at `position` of `shard`. Never fails, and depends on its arguments alone.
    ///
    /// A record is decided once. Whatever the verdict, its position is remembered, so that a redelivery is a duplicate even
    /// when what decided the first delivery (the recent transactions, the newest event time, the configuration) has changed.
    ///
    /// If the window's length is not the rule's, the window starts empty and the rest of the state stays.
    ///
    /// ```
    /// use anomaly_core::{Position, Rule, RuleSettings, Severity, ShardId, Transaction, UserState, Verdict};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let rule = Rule::new(RuleSettings::default())?;
    /// let shard: ShardId = "shardId-000000000000".parse()?;
    /// let mut state = UserState::new(&rule);
    /// let mut step = |sequence: u32, amount: f64| -> Result<Verdict, Box<dyn std::error::Error>> {
    ///     let position = Position { sequence_number: sequence.to_string().parse()?, sub_sequence: 0 };
    ///     let transaction = Transaction {
    ///         user_id: "user001".into(),
    ///         amount,
    ///         event_time_ms: 1_760_000_000_000 + i64::from(sequence) * 1_000,
    ///         transaction_id: None,
    ///         merchant_id: None,
    ///     };
    ///     Ok(state.step(&shard, position, &transaction, &rule))
    /// };
    ///
    /// for sequence in 1..=9 {
    ///     assert_eq!(step(sequence, 40.0 + f64::from(sequence))?, Verdict::WarmingUp);
    /// }
    /// assert!(matches!(step(10, 47.0)?, Verdict::Normal(_)));
    /// assert!(matches!(step(11, 900.0)?, Verdict::Anomaly(_, Severity::Critical)));
    /// assert_eq!(step(11, 900.0)?, Verdict::Duplicate);
    /// # Ok(())
    /// # }
    /// ```
    pub fn step(&mut self, shard: &ShardId, position: Position, transaction: &Transaction<'_>, rule: &Rule) -> Verdict {
        if self.is_applied(shard, position) {
            return Verdict::Duplicate;
        }
        self.advance(shard, position);
        let fingerprint = fingerprint(transaction);
        if fingerprint.is_some_and(|hash| self.recent.contains(&hash)) {
            return Verdict::Duplicate;
        }
        if self.window.length_ms() != rule.window_length_ms() {
            self.window = Window::new(rule.window_length_ms());
        }
        if self.window.is_late(transaction.event_time_ms) {
            return Verdict::Late;
        }
        self.remember(fingerprint);
        self.judge_and_fold(transaction, rule)
    }

    fn judge_and_fold(&mut self, transaction: &Transaction<'_>, rule: &Rule) -> Verdict {
        let (amount, event_time_ms) = (transaction.amount, transaction.event_time_ms);
        self.window.advance(event_time_ms);
        let before = self.window.before(event_time_ms);
        let judged = rule.assess(amount, before, &self.long_term);
        match (rule.settings().kind, &judged) {
            (RuleKind::Plain, _) => {
                self.window.push(event_time_ms, amount);
                self.long_term.push(rule.tame(amount, Moments::default(), &self.long_term));
            }
            (RuleKind::Adaptive, None) => self.warm_up(amount, event_time_ms, rule),
            (RuleKind::Adaptive, Some((assessment, severity))) => {
                if self.is_new_level(amount, assessment, severity.is_some()) {
                    self.start_over(event_time_ms, rule);
                    self.warm_up(amount, event_time_ms, rule);
                } else {
                    self.fold(event_time_ms, rule.winsorise(amount, assessment));
                }
            }
        }
        match judged {
            None => Verdict::WarmingUp,
            Some((assessment, None)) => Verdict::Normal(assessment),
            Some((assessment, Some(severity))) => Verdict::Anomaly(assessment, severity),
        }
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
        self.window = Window::new(rule.window_length_ms());
        self.window.advance(event_time_ms);
        self.long_term = LongTerm::default();
        self.run = Run::default();
        self.withheld = None;
    }

    fn is_applied(&self, shard: &ShardId, position: Position) -> bool {
        self.positions.iter().any(|(known, last)| known == shard && position <= *last)
    }

    fn remember(&mut self, fingerprint: Option<Fingerprint>) {
        let Some(hash) = fingerprint else { return };
        if self.recent.len() == RECENT_TRANSACTIONS_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(hash);
    }

    fn advance(&mut self, shard: &ShardId, position: Position) {
        if let Some((last_shard, last)) = self.positions.back_mut()
            && last_shard == shard
        {
            *last = position;
            return;
        }
        self.positions.retain(|(known, _)| known != shard);
        if self.positions.len() == SHARDS_PER_USER_MAX {
            self.positions.pop_front();
        }
        self.positions.push_back((shard.clone(), position));
    }
}

/// Two records are the same transaction if they have the same id and amount. Ids alone repeat sooner than one expects (six random
/// digits, as in the `uniform` scenario, repeat among the last 16 once in 56,000 transactions), and an id that returns with another
/// amount is another transaction. The event time is left out: some producers stamp a retry with a new one.
fn fingerprint(transaction: &Transaction<'_>) -> Option<Fingerprint> {
    let id = transaction.transaction_id.as_ref()?;
    let mut hasher = Xxh3::new();
    hasher.update(&transaction.amount.to_bits().to_le_bytes());
    hasher.update(id.as_bytes());
    hasher.digest().to_le_bytes().first_chunk().copied()
}
