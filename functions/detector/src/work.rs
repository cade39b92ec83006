//! What is in hand during one invocation: each user's share of the batch, and what has to come again.

use std::collections::{BTreeSet, HashMap};

use crate::decode::{Batch, Record};
use crate::summary::{Summary, Tally};
use crate::window_store::{StoreError, StoredUser};

/// A record failed that has no sequence number to be reported by, nor has one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record without a sequence number could not be quarantined; the whole batch has to come again")]
pub struct Unreportable;

/// One user's share of a batch.
pub(crate) struct UserWork<'b> {
    pub(crate) user_id: &'b str,
    pub(crate) records: Vec<&'b Record<'b>>,
    /// Records that are committed and whose anomalies are sent.
    pub(crate) settled: usize,
    /// What the store holds, but for the outbox: that is what of it is not sent yet.
    pub(crate) stored: StoredUser,
    /// Whether the item in the store has an outbox.
    pub(crate) has_stored_outbox: bool,
}

/// How far a user came in one round.
pub(crate) struct Round<'b> {
    pub(crate) work: UserWork<'b>,
    pub(crate) tally: Tally,
    pub(crate) conflicts: u64,
    pub(crate) end: RoundEnd,
}

pub(crate) enum RoundEnd {
    /// So many records are in the stored state now; the outbox is to be sent.
    Taken(usize),
    /// The infrastructure failed.
    Failed(StoreError),
    /// The item cannot be read.
    Corrupt,
}

/// What is known so far of one invocation.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) summary: Summary,
    /// Indices of records that have to come again.
    pub(crate) failed: BTreeSet<usize>,
}

impl<'b> UserWork<'b> {
    pub(crate) fn open_records(&self) -> &[&'b Record<'b>] {
        self.records.get(self.settled..).unwrap_or_default()
    }
}

impl<'b> Round<'b> {
    pub(crate) fn stopped(work: UserWork<'b>, conflicts: u64, end: RoundEnd) -> Self {
        Self { work, tally: Tally::default(), conflicts, end }
    }
}

impl Progress {
    /// One user's records have to come again, from the first of these on.
    pub(crate) fn fail(&mut self, records: &[&Record<'_>]) {
        self.summary.users_failed += 1;
        self.failed.extend(records.first().map(|record| record.index));
    }
}

/// The records of each user in their order; users in the order of their first record.
pub(crate) fn group<'b>(records: &'b [Record<'b>]) -> Vec<(&'b str, Vec<&'b Record<'b>>)> {
    let mut users: Vec<(&str, Vec<&Record<'_>>)> = Vec::new();
    let mut index_of: HashMap<&str, usize> = HashMap::new();
    for record in records {
        let user_id = record.transaction.user_id.as_ref();
        let index = *index_of.entry(user_id).or_insert_with(|| {
            users.push((user_id, Vec::new()));
            users.len() - 1
        });
        if let Some((_, own)) = users.get_mut(index) {
            own.push(record);
        }
    }
    users
}

/// The checkpoint to report: of all failed records the lowest sequence number. A record that has none is covered by the one
/// before it.
pub(crate) fn lowest_failed(batch: &Batch<'_>, failed: &BTreeSet<usize>) -> Result<Option<String>, Unreportable> {
    let numbers: Vec<_> = batch.sequence_numbers().collect();
    let mut lowest = None;
    for index in failed {
        let before = numbers.iter().take(index + 1).rev().find_map(|number| *number);
        let number = before.ok_or(Unreportable)?;
        lowest = Some(lowest.map_or(number, |so_far| number.min(so_far)));
    }
    Ok(lowest.map(|number| number.to_string()))
}
