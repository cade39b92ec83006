//! The state machine of one user.

use smallvec::SmallVec;
use xxhash_rust::xxh3::Xxh3;

use crate::{Assessment, Memory, Position, Rule, Severity, ShardId, Transaction};

/// Shards whose last applied position is remembered. A user's key lives in one shard; after a split or merge in another one,
/// while the old one may still be redelivered. Four outlast three reshardings within the stream's retention.
pub const SHARDS_PER_USER_MAX: usize = 4;
/// Transaction ids remembered, to tell a producer's retry (same transaction, new sequence number) from a new transaction.
pub const RECENT_TRANSACTIONS_MAX: usize = 16;

/// 48 bits of hash: among 16 of them a new transaction is taken for an old one once in 17 million million.
pub(crate) const FINGERPRINT_BYTES: usize = 6;
pub(crate) type Fingerprint = [u8; FINGERPRINT_BYTES];
/// Hashes of recent transactions, all in place.
pub(crate) type Recent = SmallVec<[Fingerprint; RECENT_TRANSACTIONS_MAX]>;
/// Last applied positions, the only one in place: a user is in a second shard only for as long as the stream remembers a reshard.
pub(crate) type Positions = SmallVec<[(ShardId, Position); 1]>;

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
///
/// A step reads nearly all of it, and of a million users' states none is in a cache. So what every user has is in place, and what few have
/// takes room only then: a user in one shard needs at most one allocation, for more than a few panes or for what surrounds the amounts.
#[derive(Debug, Clone, PartialEq)]
pub struct UserState {
    /// What the rule remembers of the amounts.
    pub(crate) memory: Memory,
    /// Last applied position per shard, least recently used first; at most [`SHARDS_PER_USER_MAX`].
    pub(crate) positions: Positions,
    /// Hashes of recent transactions, oldest first; at most [`RECENT_TRANSACTIONS_MAX`].
    pub(crate) recent: Recent,
}

impl UserState {
    /// The state of a user who has no transactions yet.
    #[must_use]
    pub fn new(rule: &Rule) -> Self {
        Self { memory: Memory::new(rule), positions: Positions::new(), recent: Recent::new() }
    }

    /// What the rule remembers of the amounts.
    #[must_use]
    pub const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Applies one transaction, read at `position` of `shard`. Never fails, and depends on its arguments alone.
    ///
    /// A record is decided once. Whatever the verdict, its position is remembered, so that a redelivery is a duplicate even
    /// when what decided the first delivery (the recent transactions, the newest event time, the configuration) has changed.
    ///
    /// A state that another rule wrote is taken over as far as it says anything: see [`Memory`]. If the window's length is not the
    /// rule's, the window starts empty and the rest of the state stays.
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
        let fingerprint = transaction_fingerprint(transaction);
        if fingerprint.is_some_and(|hash| self.recent.contains(&hash)) {
            return Verdict::Duplicate;
        }
        self.memory.fit(rule);
        if self.memory.is_late(transaction.event_time_ms, rule.window_length_ms()) {
            return Verdict::Late;
        }
        self.remember(fingerprint);
        match self.memory.step(transaction, rule) {
            None => Verdict::WarmingUp,
            Some((assessment, None)) => Verdict::Normal(assessment),
            Some((assessment, Some(severity))) => Verdict::Anomaly(assessment, severity),
        }
    }

    fn is_applied(&self, shard: &ShardId, position: Position) -> bool {
        self.positions.iter().any(|(known, last)| known == shard && position <= *last)
    }

    fn remember(&mut self, fingerprint: Option<Fingerprint>) {
        let Some(hash) = fingerprint else { return };
        if self.recent.len() == RECENT_TRANSACTIONS_MAX {
            self.recent.remove(0);
        }
        self.recent.push(hash);
    }

    fn advance(&mut self, shard: &ShardId, position: Position) {
        if let Some((last_shard, last)) = self.positions.last_mut()
            && last_shard == shard
        {
            *last = position;
            return;
        }
        self.positions.retain(|(known, _)| known != shard);
        if self.positions.len() == SHARDS_PER_USER_MAX {
            self.positions.remove(0);
        }
        self.positions.push((shard.clone(), position));
    }
}

/// Two records are the same transaction if they have the same id and amount. Ids alone repeat sooner than one expects (six random
/// digits, as in the `uniform` scenario, repeat among the last 16 once in 56,000 transactions), and an id that returns with another
/// amount is another transaction. The event time is left out: some producers stamp a retry with a new one. `None` without an id.
#[must_use]
pub fn transaction_fingerprint(transaction: &Transaction<'_>) -> Option<Fingerprint> {
    let id = transaction.transaction_id.as_ref()?;
    let mut hasher = Xxh3::new();
    hasher.update(&transaction.amount.to_bits().to_le_bytes());
    hasher.update(id.as_bytes());
    hasher.digest().to_le_bytes().first_chunk().copied()
}
