//! A lane: one ordered sequence of batches. It is a shard, or the part of a shard with certain partition keys.

use std::collections::VecDeque;

use super::event::event_bytes;
use super::{Condition, KinesisMappingSettings, StreamRecord};
use crate::invoke::Invoked;
use crate::response::{Reading, read};

/// Largest event of a synchronous call (Lambda quota: 6 MB).
const EVENT_BYTES_MAX: usize = 6 * 1_024 * 1_024;

/// Records that go into one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) records: Vec<StreamRecord>,
    /// Retries spent.
    retries: u32,
    /// Calls made, those before a bisection included.
    pub(super) invoke_count: u32,
}

/// A discarded batch, and why it was discarded.
pub(super) type Discarded = (Condition, Batch);

#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Records that were read but are in no batch yet.
    buffered: VecDeque<StreamRecord>,
    /// When the oldest of them was read, in ms since the epoch.
    buffered_since_ms: Option<i64>,
    /// Batches to try, the front one first.
    pending: VecDeque<Batch>,
}

impl Lane {
    pub(super) fn push(&mut self, record: StreamRecord, now_ms: i64) {
        self.buffered_since_ms.get_or_insert(now_ms);
        self.buffered.push_back(record);
    }

    pub(super) fn buffered(&self) -> usize {
        self.buffered.len()
    }

    /// Records in pending batches.
    pub(super) fn pending_records(&self) -> usize {
        self.pending.iter().map(|batch| batch.records.len()).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.buffered.is_empty() && self.pending.is_empty()
    }

    /// The batch to try now: the first pending one, or else a new one if it is full or has waited for the batching window.
    /// `is_last` says that the shard has ended: then there is nothing to wait for.
    pub(super) fn next(&mut self, settings: &KinesisMappingSettings, now_ms: i64, is_last: bool) -> Option<Batch> {
        if self.pending.is_empty() {
            let waited = self.buffered_since_ms.is_some_and(|since| now_ms - since >= settings.batching_window_ms);
            if self.buffered.len() >= settings.batch_size || waited || is_last {
                self.form(settings);
                self.buffered_since_ms = (!self.buffered.is_empty()).then_some(now_ms);
            }
        }
        self.pending.pop_front()
    }

    fn form(&mut self, settings: &KinesisMappingSettings) {
        let mut bytes = 0;
        let fits = |record: &&StreamRecord| {
            bytes += event_bytes(record);
            bytes <= EVENT_BYTES_MAX
        };
        let fitting = self.buffered.iter().take(settings.batch_size).take_while(fits).count();
        let length = fitting.max(1).min(self.buffered.len());
        let records: Vec<_> = self.buffered.drain(..length).collect();
        if !records.is_empty() {
            self.pending.push_back(Batch { records, retries: 0, invoke_count: 0 });
        }
    }

    /// Removes and returns the records at the front that are too old.
    pub(super) fn expire(batch: &mut Batch, settings: &KinesisMappingSettings, now_ms: i64) -> Option<Discarded> {
        let age_max_ms = settings.record_age_max_ms?;
        let is_old = |record: &&StreamRecord| now_ms - record.arrival_time_ms > age_max_ms;
        let old = batch.records.iter().take_while(is_old).count();
        let records: Vec<_> = batch.records.drain(..old).collect();
        (!records.is_empty()).then_some((Condition::RecordAgeExceeded, Batch { records, ..*batch }))
    }

    /// Applies the outcome of a call. Returns the batch if it is discarded.
    pub(super) fn settle(
        &mut self,
        mut batch: Batch,
        invoked: &Invoked,
        settings: &KinesisMappingSettings,
    ) -> Option<Discarded> {
        let reading = match invoked {
            Invoked::NotInvoked(_) => {
                self.pending.push_front(batch);
                return None;
            }
            Invoked::Failed(_) => Reading::Failure,
            Invoked::Responded(_) if !settings.report_batch_item_failures => Reading::Success,
            Invoked::Responded(payload) => read(payload),
        };
        batch.invoke_count += 1;
        match reading {
            Reading::Success => None,
            Reading::Failure => self.fail(batch, settings),
            Reading::Partial(identifiers) => match checkpoint(&batch, &identifiers) {
                Some(index) => self.resume(batch, index, settings),
                None => self.fail(batch, settings),
            },
        }
    }

    /// The whole batch failed: bisects it if bisecting is on and it can be cut, otherwise spends a retry.
    fn fail(&mut self, mut batch: Batch, settings: &KinesisMappingSettings) -> Option<Discarded> {
        if settings.bisect_batch_on_function_error && batch.records.len() > 1 {
            let second = batch.records.split_off(batch.records.len() / 2);
            self.pending.push_front(Batch { records: second, ..batch });
            self.pending.push_front(batch);
            return None;
        }
        self.retry(batch, settings)
    }

    /// Everything before `index` succeeded. With bisecting on, a cut at the checkpoint is a bisection and costs no retry, unless
    /// it cuts nothing off. AWS does not say so, but such a batch would otherwise be retried for ever.
    fn resume(&mut self, mut batch: Batch, index: usize, settings: &KinesisMappingSettings) -> Option<Discarded> {
        batch.records.drain(..index);
        if settings.bisect_batch_on_function_error && index > 0 {
            self.pending.push_front(batch);
            return None;
        }
        self.retry(batch, settings)
    }

    fn retry(&mut self, mut batch: Batch, settings: &KinesisMappingSettings) -> Option<Discarded> {
        if settings.retry_attempts_max.is_some_and(|max| batch.retries >= max) {
            return Some((Condition::RetryAttemptsExhausted, batch));
        }
        batch.retries += 1;
        self.pending.push_front(batch);
        None
    }
}

/// Index of the lowest reported record; `None` if a reported record is not in the batch.
fn checkpoint(batch: &Batch, identifiers: &[String]) -> Option<usize> {
    let index_of = |identifier: &String| batch.records.iter().position(|r| r.sequence_number == *identifier);
    let indices: Option<Vec<usize>> = identifiers.iter().map(index_of).collect();
    indices?.into_iter().min()
}
