//! One anomaly message recomputed from an archive: the user's records of the archive in order, through the detector's own step, and what
//! that says of the record that the message is about.
//!
//! An archive has payloads and no sequence numbers, so the record is found by what it says: by the user and the transaction's id, or
//! without an id by the user, the event time and the amount. Where several records fit, the one that agrees best counts.
//!
//! Deliberately absent: redeliveries, and arrival times. What the detector rejected for being ahead of its arrival is folded here.

mod difference;

use anomaly_core::{AnomalyMessage, Position, Rule, ShardId, Transaction, UserState, Verdict, printable};
pub use difference::Difference;

use super::input::InputRecord;
use super::track::SHARD;

/// Records of one transaction that are compared: a producer's retries, and an archive that has a record twice.
const FITTING_MAX: usize = 16;

/// A recomputation in progress.
#[derive(Debug)]
pub struct Recomputation<'m> {
    message: &'m AnomalyMessage,
    rule: Rule,
    state_retention_ms: i64,
    shard: ShardId,
    state: UserState,
    newest_event_time_ms: Option<i64>,
    /// The user's records so far.
    records: u64,
    fitting: Vec<Recomputed>,
}

/// What the archive says of the record.
#[derive(Debug, Clone, PartialEq)]
pub struct Recomputed {
    /// Name of the file.
    pub file: String,
    /// Line of the file, from 1.
    pub line: u64,
    /// The user's records before it.
    pub records_before: u64,
    /// What differs from the message: nothing, if every figure is the same to the bit.
    pub differences: Vec<Difference>,
}

impl<'m> Recomputation<'m> {
    /// Of this message, under this rule, with this retention of state.
    ///
    /// # Errors
    /// If the shard that it pretends to read has no valid name.
    pub fn new(message: &'m AnomalyMessage, rule: Rule, state_retention_seconds: u32) -> anyhow::Result<Self> {
        Ok(Self {
            message,
            state: UserState::new(&rule),
            rule,
            state_retention_ms: i64::from(state_retention_seconds) * 1_000,
            shard: SHARD.parse()?,
            newest_event_time_ms: None,
            records: 0,
            fitting: Vec::new(),
        })
    }

    /// Adds the next record of the archive.
    ///
    /// # Errors
    /// If the count of records is not a sequence number.
    pub fn add(&mut self, record: &InputRecord<'_>) -> anyhow::Result<()> {
        let Ok(transaction) = &record.outcome else { return Ok(()) };
        if transaction.user_id != self.message.user_id {
            return Ok(());
        }
        let verdict = self.step(transaction)?;
        if self.is_about(transaction) && self.fitting.len() < FITTING_MAX {
            self.fitting.push(Recomputed {
                file: record.file.to_owned(),
                line: record.line,
                records_before: self.records - 1,
                differences: difference::differences(self.message, transaction, &verdict),
            });
        }
        Ok(())
    }

    /// Folds a record, as the detector does.
    fn step(&mut self, transaction: &Transaction<'_>) -> anyhow::Result<Verdict> {
        let time_ms = transaction.event_time_ms;
        let silence_ms = self.newest_event_time_ms.map_or(0, |newest| time_ms.saturating_sub(newest));
        if silence_ms >= self.state_retention_ms {
            self.state = UserState::new(&self.rule);
        }
        self.newest_event_time_ms = self.newest_event_time_ms.max(Some(time_ms));
        let position = Position { sequence_number: self.records.to_string().parse()?, sub_sequence: 0 };
        self.records += 1;
        Ok(self.state.step(&self.shard, position, transaction, &self.rule))
    }

    /// Whether the message is about this record of its user.
    fn is_about(&self, transaction: &Transaction<'_>) -> bool {
        let Some(id) = &self.message.transaction_id else {
            return transaction.event_time_ms == self.message.event_time_ms
                && transaction.amount.to_bits() == self.message.amount.to_bits();
        };
        transaction.transaction_id.as_deref().is_some_and(|other| printable(other) == *id)
    }

    /// The user's records in the archive.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// What the archive says; `None` if it has no such record.
    #[must_use]
    pub fn finish(self) -> Option<Recomputed> {
        self.fitting.into_iter().min_by_key(|recomputed| recomputed.differences.len())
    }
}

#[cfg(test)]
mod tests {
    use anomaly_core::{Origin, RuleKind, RuleSettings};

    use super::*;

    fn rule(kind: RuleKind) -> Rule {
        Rule::new(RuleSettings::of(kind)).unwrap()
    }

    fn transaction(number: i64, amount: f64) -> Transaction<'static> {
        Transaction {
            user_id: "u".into(),
            amount,
            event_time_ms: 1_760_000_000_000 + number * 1_000,
            transaction_id: Some(format!("t{number}").into()),
            merchant_id: None,
        }
    }

    fn records() -> Vec<Transaction<'static>> {
        let amount =
            |number: i64| if number == 30 { 9_000.0 } else { 40.0 + f64::from(i32::try_from(number % 9).unwrap()) };
        (0..40).map(|number| transaction(number, amount(number))).collect()
    }

    /// The message about the last anomaly among these.
    fn message(records: &[Transaction<'_>], rule: &Rule) -> AnomalyMessage {
        let shard: ShardId = "shardId-000000000007".parse().unwrap();
        let (mut state, mut last) = (UserState::new(rule), None);
        for (index, record) in records.iter().enumerate() {
            let position = Position { sequence_number: format!("4957{index:04}").parse().unwrap(), sub_sequence: 0 };
            if let Verdict::Anomaly(assessment, severity) = state.step(&shard, position, record, rule) {
                let origin = Origin { stream: "s", shard: &shard, position };
                let kind = rule.settings().kind;
                last = Some(AnomalyMessage::new(&origin, record, (&assessment, severity), kind));
            }
        }
        last.unwrap()
    }

    fn recomputed(message: &AnomalyMessage, rule: &Rule, records: &[Transaction<'_>]) -> Option<Recomputed> {
        let mut recomputation = Recomputation::new(message, rule.clone(), 7_776_000).unwrap();
        for (line, transaction) in (1..).zip(records) {
            let outcome = Ok(transaction.clone());
            let record = InputRecord { file: "a", line, is_row: false, raw: b"", label: None, outcome };
            recomputation.add(&record).unwrap();
        }
        recomputation.finish()
    }

    fn names(recomputed: &Recomputed) -> Vec<&'static str> {
        recomputed.differences.iter().map(|difference| difference.field).collect()
    }

    #[test]
    fn under_the_same_settings_every_figure_is_the_same_to_the_bit() {
        for kind in RuleKind::ALL {
            let rule = rule(kind);
            let message = message(&records(), &rule);
            let found = recomputed(&message, &rule, &records()).unwrap();
            assert_eq!((found.line, found.records_before, names(&found)), (31, 30, vec![]), "{kind:?}");
        }
    }

    #[test]
    fn other_users_and_rejects_change_nothing() {
        let rule = rule(RuleKind::Adaptive);
        let message = message(&records(), &rule);
        let other = |transaction: Transaction<'static>| {
            let other = Transaction { user_id: "v".into(), ..transaction.clone() };
            [transaction, other]
        };
        let mixed: Vec<_> = records().into_iter().flat_map(other).collect();
        assert_eq!(names(&recomputed(&message, &rule, &mixed).unwrap()), [""; 0]);
    }

    #[test]
    fn other_settings_and_other_records_are_seen() {
        let adaptive = rule(RuleKind::Adaptive);
        let message = message(&records(), &adaptive);
        let stricter = Rule::new(RuleSettings { sigmas: 3.0, ..RuleSettings::default() }).unwrap();
        assert_eq!(names(&recomputed(&message, &stricter, &records()).unwrap()), ["threshold"]);
        let mut changed = records();
        changed[3].amount = f64::from_bits(changed[3].amount.to_bits() + 1);
        let found = recomputed(&message, &adaptive, &changed).unwrap();
        assert_eq!(names(&found), ["stddev", "score"], "one bit of one amount");
        changed[30].amount = 45.0;
        let found = recomputed(&message, &adaptive, &changed).unwrap();
        assert!(names(&found).starts_with(&["verdict", "amount"]), "{found:?}");
    }

    #[test]
    fn the_record_is_found_by_its_id_or_else_by_its_time_and_amount() {
        let rule = rule(RuleKind::Adaptive);
        let without_ids: Vec<_> =
            records().into_iter().map(|record| Transaction { transaction_id: None, ..record }).collect();
        let message = message(&without_ids, &rule);
        assert_eq!(recomputed(&message, &rule, &without_ids).unwrap().line, 31);
        assert_eq!(recomputed(&message, &rule, &without_ids[..30]), None);
        let retried: Vec<_> = records()[..31].iter().chain(&records()[30..]).cloned().collect();
        let message = self::message(&records(), &rule);
        let found = recomputed(&message, &rule, &retried).unwrap();
        assert_eq!((found.line, names(&found)), (31, vec![]), "the first of two; the other is a duplicate");
    }
}
