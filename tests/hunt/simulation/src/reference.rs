//! The expected result: a plain fold of the same records, with no batches, no store and no faults.

use std::collections::{BTreeMap, BTreeSet};

use anomaly_core::{AnomalyId, Origin, Position, Rule, ShardId, Transaction, UserState, Verdict};
use event_source::kinesis::{LOCAL_STREAM_ARN, Placed};
use intake::record;

use super::producer::{Payload, Put};
use super::world::World;

/// The permitted clock skew: the detector's default.
const SKEW_MS_MAX: i64 = 300_000;

/// (sequence number, sub-sequence number) of a user record: unique in a stream.
pub(crate) type Place = (String, u64);

/// A user record and the place that the stream gave it.
#[derive(Debug)]
struct Recorded {
    payload: Payload,
    place: Place,
    shard: ShardId,
    position: Position,
    arrival_time_ms: i64,
}

/// All records put, in order.
#[derive(Debug, Default)]
pub(crate) struct Reference {
    recorded: Vec<Recorded>,
    puts: usize,
}

/// The result of the fold.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    pub(crate) users: BTreeMap<String, UserState>,
    /// Anomaly ids, each with the place of its record.
    pub(crate) anomalies: BTreeMap<String, Place>,
    /// Payloads that have to be in quarantine, by place.
    pub(crate) rejected: BTreeMap<Place, Vec<u8>>,
}

impl Recorded {
    fn decode(&self) -> Option<Transaction<'_>> {
        record::decode(&self.payload.bytes, self.arrival_time_ms, SKEW_MS_MAX).ok()
    }
}

impl Reference {
    /// Records put so far.
    pub(crate) const fn puts(&self) -> usize {
        self.puts
    }

    /// Adds the user records of one put.
    pub(crate) fn add(&mut self, put: Put, placed: &Placed, arrival_time_ms: i64) -> Result<(), String> {
        self.puts += 1;
        let shard: ShardId = placed.shard_id.parse().map_err(|_| "a bad shard id")?;
        let sequence_number = placed.sequence_number.parse().map_err(|_| "a bad sequence number")?;
        for (sub_sequence, payload) in (0..).zip(put.payloads) {
            let place = (placed.sequence_number.clone(), u64::from(sub_sequence));
            let position = Position { sequence_number, sub_sequence };
            self.recorded.push(Recorded { payload, place, shard: shard.clone(), position, arrival_time_ms });
        }
        Ok(())
    }

    /// Folds all records except `skipped`. A retry is not a new transaction; the fold detects retries itself, not through the state.
    pub(crate) fn fold(&self, rule: &Rule, skipped: &BTreeSet<Place>) -> Expected {
        let mut expected = Expected::default();
        let mut seen = BTreeSet::new();
        for recorded in &self.recorded {
            let Some(transaction) = recorded.decode() else {
                expected.rejected.insert(recorded.place.clone(), recorded.payload.bytes.clone());
                continue;
            };
            let is_retry = |transaction: u32| !seen.insert(transaction);
            if skipped.contains(&recorded.place) || recorded.payload.transaction.is_some_and(is_retry) {
                continue;
            }
            let state = expected.users.entry(transaction.user_id.to_string()).or_insert_with(|| UserState::new(rule));
            if let Verdict::Anomaly(..) = state.step(&recorded.shard, recorded.position, &transaction, rule) {
                let (stream, shard, position) = (LOCAL_STREAM_ARN, &recorded.shard, recorded.position);
                let id = AnomalyId::new(&Origin { stream, shard, position }).to_string();
                expected.anomalies.insert(id, recorded.place.clone());
            }
        }
        expected
    }

    /// For each record with this sequence number: (place, whether the stored state has applied it).
    pub(crate) fn known(&self, sequence_number: &str, world: &World, rule: &Rule) -> Vec<(Place, bool)> {
        let of_number = self.recorded.iter().filter(|recorded| recorded.place.0 == sequence_number);
        let known = |recorded: &Recorded| {
            let is_known = recorded.decode().is_some_and(|transaction| {
                let stored = world.stored(&transaction.user_id);
                stored.is_some_and(|mut stored| {
                    let verdict = stored.state.step(&recorded.shard, recorded.position, &transaction, rule);
                    verdict == Verdict::Duplicate
                })
            });
            (recorded.place.clone(), is_known)
        };
        of_number.map(known).collect()
    }
}
