//! Applies one user's records of a batch to what is stored of the user.

use anomaly_core::{AnomalyMessage, Rule, Verdict};

use crate::decode::Record;
use crate::summary::Tally;
use crate::window_store::StoredUser;

/// Anomalies that may wait in one item. A message has at most about 5 KB (three ids of 256 characters, escaped), so the item
/// ends below 270 KB of the 400 KB that DynamoDB allows.
pub const OUTBOX_ANOMALIES_MAX: usize = 50;

/// What came of folding.
#[derive(Debug, Clone, PartialEq)]
pub struct Fold {
    /// State and outbox afterwards; version and times are still those of before.
    pub user: StoredUser,
    /// How many of the records are in it. Fewer than all only if the outbox is full.
    pub taken: usize,
    /// Whether anything has to be written.
    pub is_changed: bool,
    /// The verdicts.
    pub tally: Tally,
}

/// Folds records, in their order, until they end or the outbox is full. What already waits in the outbox stays there.
#[must_use]
pub fn fold(stored: &StoredUser, records: &[&Record<'_>], rule: &Rule) -> Fold {
    let mut fold = Fold { user: stored.clone(), taken: 0, is_changed: false, tally: Tally::default() };
    for record in records {
        if fold.user.outbox.len() >= OUTBOX_ANOMALIES_MAX {
            break;
        }
        let verdict = fold.user.state.step(&record.envelope.shard, record.position, &record.transaction, rule);
        fold.tally.count(&verdict);
        fold.user.outbox.extend(message(record, &verdict, rule));
        fold.taken += 1;
    }
    fold.is_changed = fold.user.state != stored.state;
    fold
}

fn message(record: &Record<'_>, verdict: &Verdict, rule: &Rule) -> Option<AnomalyMessage> {
    let Verdict::Anomaly(assessment) = verdict else { return None };
    let (envelope, kind) = (record.envelope, rule.settings().kind);
    AnomalyMessage::new(&envelope.stream, &envelope.shard, record.position, &record.transaction, assessment, kind)
}
