//! A batch split by user: a user's records are folded in order and committed together.

use std::collections::HashMap;

use crate::decode::UserRecord;
use crate::window_store::StoredUser;

/// One user's records of a batch, in order.
pub(crate) struct UserRecords<'b> {
    pub(crate) user_id: &'b str,
    pub(crate) records: Vec<&'b UserRecord<'b>>,
}

/// The same with the user's stored state, and how far it has come.
pub(crate) struct UserBatch<'b> {
    pub(crate) user_id: &'b str,
    pub(crate) records: Vec<&'b UserRecord<'b>>,
    /// How many of the records are committed and have their anomalies sent.
    pub(crate) settled: usize,
    /// The user as last read or written, except that `outbox` holds only the anomalies the queue has not confirmed yet.
    pub(crate) stored: StoredUser,
    /// Whether the item in the store has an outbox.
    pub(crate) has_stored_outbox: bool,
    /// Conflicts since the last write.
    pub(crate) conflicts: u32,
    /// Whether a write together with other users has failed.
    pub(crate) is_alone: bool,
}

impl<'b> UserRecords<'b> {
    /// These records on top of what the store holds.
    pub(crate) fn with(self, stored: StoredUser) -> UserBatch<'b> {
        let Self { user_id, records } = self;
        let has_stored_outbox = !stored.outbox.is_empty();
        UserBatch { user_id, records, settled: 0, stored, has_stored_outbox, conflicts: 0, is_alone: false }
    }
}

impl<'b> UserBatch<'b> {
    /// The records that are not settled yet.
    pub(crate) fn pending(&self) -> &[&'b UserRecord<'b>] {
        debug_assert!(self.settled <= self.records.len(), "{} of {}", self.settled, self.records.len());
        self.records.get(self.settled..).unwrap_or_default()
    }

    /// The place of the first pending record in the batch.
    pub(crate) fn first_index(&self) -> Option<usize> {
        self.pending().first().map(|record| record.index)
    }

    /// The same records on top of what the store was found to hold.
    pub(crate) fn reloaded(self, stored: StoredUser) -> Self {
        Self { has_stored_outbox: !stored.outbox.is_empty(), stored, ..self }
    }
}

/// The records of each user in order; users in the order of their first record.
pub(crate) fn group<'b>(records: &'b [UserRecord<'b>]) -> Vec<UserRecords<'b>> {
    let mut users: Vec<UserRecords<'_>> = Vec::new();
    let mut index_of: HashMap<&str, usize> = HashMap::new();
    for record in records {
        let user_id = record.transaction.user_id.as_ref();
        let index = *index_of.entry(user_id).or_insert_with(|| {
            users.push(UserRecords { user_id, records: Vec::new() });
            users.len() - 1
        });
        debug_assert!(index < users.len(), "user {index} of {}", users.len());
        if let Some(user) = users.get_mut(index) {
            user.records.push(record);
        }
    }
    users
}
