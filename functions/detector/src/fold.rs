//! Applies one user's records of a batch to the user's stored state.

use anomaly_core::{AnomalyMessage, ConfigurationId, Origin, Rule, Verdict, VerdictCounts};

use crate::decode::UserRecord;
use crate::window_store::StoredUser;

/// Anomalies that may wait in one item. A message has at most about 5 KB (three ids of 256 characters, escaped), so the item stays
/// below 270 KB of the 400 KB that DynamoDB allows.
pub const OUTBOX_ANOMALIES_MAX: usize = 50;

/// The result of folding.
#[derive(Debug, Clone, PartialEq)]
pub struct Fold {
    /// The user with the new state and outbox; version and times are still the old ones.
    pub user: StoredUser,
    /// How many of the records are folded in. Fewer than all only if the outbox is full.
    pub taken: usize,
    /// Whether anything has to be written.
    pub is_changed: bool,
    /// The verdicts on the records taken.
    pub verdicts: VerdictCounts,
}

/// Folds records in order, until there are no more or the outbox is full. Anomalies that already wait in the outbox stay there. New ones
/// name the rule's configuration.
#[must_use]
pub fn fold(stored: &StoredUser, records: &[&UserRecord<'_>], (rule, configuration): (&Rule, ConfigurationId)) -> Fold {
    let mut fold = Fold { user: stored.clone(), taken: 0, is_changed: false, verdicts: VerdictCounts::default() };
    for record in records {
        if fold.user.outbox.len() >= OUTBOX_ANOMALIES_MAX {
            break;
        }
        let verdict = fold.user.state.step(&record.envelope.shard, record.position, &record.transaction, rule);
        fold.verdicts.count(&verdict);
        fold.user.outbox.extend(message(record, &verdict, (rule, configuration)));
        fold.taken += 1;
    }
    fold.is_changed = fold.user.state != stored.state;
    fold
}

fn message(
    record: &UserRecord<'_>,
    verdict: &Verdict,
    (rule, configuration): (&Rule, ConfigurationId),
) -> Option<AnomalyMessage> {
    let Verdict::Anomaly(assessment, severity) = verdict else { return None };
    let envelope = record.envelope;
    let origin = Origin { stream: &envelope.stream, shard: &envelope.shard, position: record.position };
    let message = AnomalyMessage::new(&origin, &record.transaction, (assessment, *severity), rule.settings().kind);
    Some(AnomalyMessage { configuration_id: Some(configuration), ..message })
}
