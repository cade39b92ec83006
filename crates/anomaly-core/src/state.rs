//! The state machine of one user.

use std::collections::VecDeque;

use xxhash_rust::xxh3::Xxh3;

use crate::{Assessment, LongTerm, Position, Rule, ShardId, Transaction, Window};

/// Shards whose last applied position is remembered. A user's key lives in one shard; after a split or merge in another one,
/// while the old one may still be redelivered. Four outlast three reshardings within the stream's retention.
pub const SHARDS_PER_USER_MAX: usize = 4;
/// Transaction ids remembered, to tell a producer's retry (same transaction, new sequence number) from a new transaction.
pub const RECENT_TRANSACTIONS_MAX: usize = 16;

/// 48 bits of hash: among 16 of them a new transaction is taken for an old one once in 17 million million.
pub(crate) const FINGERPRINT_BYTES: usize = 6;
type Fingerprint = [u8; FINGERPRINT_BYTES];

/// What became of one transaction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// Folded in; too few observations to judge.
    WarmingUp,
    /// Folded in; within what is usual.
    Normal(Assessment),
    /// Folded in; beyond the threshold.
    Anomaly(Assessment),
    /// Applied before, or a producer's retry of what was; not folded in.
    Duplicate,
    /// Older than the window that ends at the user's newest transaction; not folded in.
    Late,
}

/// All that is remembered of one user. Its size is bounded, whatever the user does.
#[derive(Debug, Clone, PartialEq)]
pub struct UserState {
    /// The rolling window.
    pub window: Window,
    /// The slow baseline.
    pub long_term: LongTerm,
    /// Last applied position per shard, least recently used first; at most [`SHARDS_PER_USER_MAX`].
    pub(crate) positions: VecDeque<(ShardId, Position)>,
    /// Hashes of recent transactions, oldest first; at most [`RECENT_TRANSACTIONS_MAX`].
    pub(crate) recent: VecDeque<Fingerprint>,
}

impl UserState {
    /// The state of a user nobody has seen.
    #[must_use]
    pub fn new(rule: &Rule) -> Self {
        Self {
            window: Window::new(rule.window_length_ms()),
            long_term: LongTerm::default(),
            positions: VecDeque::new(),
            recent: VecDeque::new(),
        }
    }

    /// Applies one transaction, which stands at `position` of `shard`. Total, and a function of its arguments alone.
    ///
    /// A record is decided once: whatever the verdict, its position is remembered, so that a second delivery is a duplicate
    /// even when what decided the first one (the recent transactions, the newest event time, the configuration) has changed.
    ///
    /// A state whose window has another length than the rule's starts its window anew and keeps the rest.
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
        self.window.open(transaction.event_time_ms);
        let before = self.window.before(transaction.event_time_ms);
        let assessment = rule.assess(transaction.amount, before, &self.long_term);
        let folded = rule.winsorise(transaction.amount, assessment.as_ref());
        self.window.push(transaction.event_time_ms, folded);
        self.long_term.push(folded);
        match assessment {
            None => Verdict::WarmingUp,
            Some(a) if a.severity.is_some() => Verdict::Anomaly(a),
            Some(a) => Verdict::Normal(a),
        }
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

/// What makes two records the same transaction: the producer's id and the amount. Ids alone repeat sooner than one thinks
/// (six random digits, as in the recipe's generator: once in 56,000 transactions among the last 16), and an id that comes
/// back with another amount is another transaction. The time is left out: some producers stamp a retry anew.
fn fingerprint(transaction: &Transaction<'_>) -> Option<Fingerprint> {
    let id = transaction.transaction_id.as_ref()?;
    let mut hasher = Xxh3::new();
    hasher.update(&transaction.amount.to_bits().to_le_bytes());
    hasher.update(id.as_bytes());
    hasher.digest().to_le_bytes().first_chunk().copied()
}
