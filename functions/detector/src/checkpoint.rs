//! The checkpoint: from where Lambda has to redeliver.

use std::collections::BTreeSet;

use crate::decode::Batch;

/// A record failed that has no sequence number to report, and neither has any record before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record without a sequence number could not be quarantined; the whole batch has to be redelivered")]
pub struct Unreportable;

/// The lowest sequence number of the failed records, given by their indices. A record without a number is covered by the nearest
/// one before it.
pub(crate) fn lowest_failed(batch: &Batch<'_>, failed: &BTreeSet<usize>) -> Result<Option<String>, Unreportable> {
    let mut lowest = None;
    for index in failed {
        let before = (0..=*index).rev().find_map(|index| batch.sequence_number(index));
        let number = before.ok_or(Unreportable)?;
        lowest = Some(lowest.map_or(number, |so_far| number.min(so_far)));
    }
    Ok(lowest.map(|number| number.to_string()))
}
