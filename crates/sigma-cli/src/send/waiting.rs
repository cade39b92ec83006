//! Records that are read and not yet taken by the stream, in their order.

use std::collections::{HashSet, VecDeque};

use super::source::OutgoingRecord;

/// Records in one PutRecords (API limit).
const CALL_RECORDS_MAX: usize = 500;
/// Bytes in one PutRecords, keys included. Today 10 MiB are allowed; 5 MiB always were, and emulators keep to it.
const CALL_BYTES_MAX: usize = 5 * 1024 * 1024;
/// A larger record goes alone, since a stream that does not take it refuses the whole call: 1 MiB, a stream's limit by default.
const RECORD_BYTES_USUAL_MAX: usize = 1024 * 1024;
/// Records read ahead, so that a call can be filled with records of different users.
const RECORDS_MAX: usize = 5_000;
/// Bytes read ahead, except that one record always has room.
const BYTES_MAX: usize = 32 * 1024 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    records: VecDeque<OutgoingRecord>,
    bytes: usize,
}

/// Whether it is one large record.
pub(super) fn is_large(call: &[OutgoingRecord]) -> bool {
    matches!(call, [record] if record.bytes() > RECORD_BYTES_USUAL_MAX)
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        self.records.len() < RECORDS_MAX && self.bytes < BYTES_MAX
    }

    pub(super) fn push(&mut self, record: OutgoingRecord) {
        self.bytes += record.bytes();
        self.records.push_back(record);
    }

    /// What was taken and refused, ahead of everything else.
    pub(super) fn put_back(&mut self, records: Vec<OutgoingRecord>) {
        for record in records.into_iter().rev() {
            self.bytes += record.bytes();
            self.records.push_front(record);
        }
    }

    /// Takes the next call: of each key only the first record, within the limits of a call.
    pub(super) fn take_call(&mut self) -> Vec<OutgoingRecord> {
        let mut call = Call::default();
        let mut keys = HashSet::new();
        let mut rest = VecDeque::with_capacity(self.records.len());
        for record in self.records.drain(..) {
            // Whatever is passed over blocks its key: nothing behind it may get ahead.
            let is_first = !call.is_full && keys.insert(record.key.clone());
            if is_first && call.has_room(&record) {
                call.push(record);
            } else {
                rest.push_back(record);
            }
        }
        self.records = rest;
        self.bytes -= call.bytes;
        call.records
    }
}

#[derive(Default)]
struct Call {
    records: Vec<OutgoingRecord>,
    bytes: usize,
    is_full: bool,
}

impl Call {
    /// The first record always has room, and a large one only as the first.
    fn has_room(&self, record: &OutgoingRecord) -> bool {
        let is_usual = record.bytes() <= RECORD_BYTES_USUAL_MAX;
        self.records.is_empty() || (is_usual && self.bytes + record.bytes() <= CALL_BYTES_MAX)
    }

    fn push(&mut self, record: OutgoingRecord) {
        self.bytes += record.bytes();
        self.is_full = record.bytes() > RECORD_BYTES_USUAL_MAX || self.records.len() + 1 == CALL_RECORDS_MAX;
        self.records.push(record);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn record(number: u64, key: &str, bytes: usize) -> OutgoingRecord {
        OutgoingRecord { key: key.to_owned(), payload: vec![0; bytes], due: Duration::ZERO, read: 1, number }
    }

    fn waiting(records: impl IntoIterator<Item = OutgoingRecord>) -> Waiting {
        let mut waiting = Waiting::default();
        records.into_iter().for_each(|record| waiting.push(record));
        waiting
    }

    fn numbers(call: &[OutgoingRecord]) -> Vec<u64> {
        call.iter().map(|record| record.number).collect()
    }

    #[test]
    fn a_call_holds_the_first_record_of_each_user() {
        let mut waiting = waiting([record(1, "a", 1), record(2, "a", 1), record(3, "b", 1), record(4, "a", 1)]);
        assert_eq!(numbers(&waiting.take_call()), [1, 3]);
        assert_eq!(numbers(&waiting.take_call()), [2]);
        assert_eq!(numbers(&waiting.take_call()), [4]);
        assert!(waiting.is_empty() && waiting.bytes == 0);
    }

    #[test]
    fn a_call_keeps_to_its_limits() {
        let mut many = waiting((0..1_200).map(|number| record(number, &number.to_string(), 1)));
        assert_eq!([many.take_call().len(), many.take_call().len(), many.take_call().len()], [500, 500, 200]);
        let mut heavy = waiting((0..12).map(|number| record(number, &number.to_string(), 1_000_000)));
        assert_eq!([heavy.take_call().len(), heavy.take_call().len(), heavy.take_call().len()], [5, 5, 2]);
    }

    #[test]
    fn a_large_record_goes_alone_and_keeps_its_place_among_its_users_records() {
        let mut waiting = waiting([record(1, "a", 1), record(2, "b", 2_000_000), record(3, "b", 1), record(4, "c", 1)]);
        assert_eq!(numbers(&waiting.take_call()), [1, 4]);
        assert_eq!(numbers(&waiting.take_call()), [2]);
        assert_eq!(numbers(&waiting.take_call()), [3]);
    }

    #[test]
    fn there_is_room_for_a_bounded_number_of_records_and_bytes() {
        assert!(!waiting((0..5_000).map(|number| record(number, "a", 1))).has_room());
        assert!(!waiting((0..4).map(|number| record(number, "a", 9_000_000))).has_room());
        assert!(waiting((0..4_999).map(|number| record(number, "a", 1))).has_room());
    }
}
