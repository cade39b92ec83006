//! The expected result: a plain fold of the same records, with no batches, no store and no faults.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anomaly_core::{AnomalyId, Origin, Position, Rule, ShardId, Transaction, UserState, Verdict};
use detector::decode::AGGREGATE_REJECTS_MAX;
use event_source::kinesis::{LOCAL_STREAM_ARN, Placed};
use intake::record;

use super::producer::Payload;
use super::world::World;

/// The permitted clock skew: the detector's default.
const SKEW_MS_MAX: i64 = 300_000;

/// Transactions of a user by whose ids a state recognises a retry.
const RECENT_MAX: usize = 16;

/// (sequence number, sub-sequence number) of a user record: unique in a stream.
pub(crate) type Place = (String, u64);

/// The sub-sequence number by which a whole aggregate goes.
pub(crate) const WHOLE: u64 = u64::MAX;

/// A Kinesis record as it was put.
#[derive(Debug)]
pub(crate) struct Given {
    /// Its user records, each with whether it belongs in another shard.
    pub(crate) payloads: Vec<(Payload, bool)>,
    /// Its payload, if it is an aggregate.
    pub(crate) aggregate: Option<Vec<u8>>,
}

/// A user record and the place that the stream gave it.
#[derive(Debug)]
struct Recorded {
    payload: Payload,
    is_misplaced: bool,
    place: Place,
    shard: ShardId,
    position: Position,
    arrival_time_ms: i64,
}

/// All records put, in order.
#[derive(Debug, Default)]
pub(crate) struct Reference {
    recorded: Vec<Recorded>,
    /// Aggregates that go to quarantine whole.
    wholes: Vec<(Place, Vec<u8>)>,
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
    /// The transaction; `None` if the record is rejected.
    fn decode(&self) -> Option<Transaction<'_>> {
        if self.is_misplaced {
            return None;
        }
        record::decode(&self.payload.bytes, self.arrival_time_ms, SKEW_MS_MAX).ok()
    }
}

impl Reference {
    /// Records put so far.
    pub(crate) const fn puts(&self) -> usize {
        self.puts
    }

    /// User records put so far that are judged or rejected on their own.
    pub(crate) const fn user_records(&self) -> usize {
        self.recorded.len()
    }

    /// Adds a Kinesis record. With several lanes, an aggregate is rejected as it is.
    pub(crate) fn add(
        &mut self,
        given: Given,
        placed: &Placed,
        arrival_time_ms: i64,
        lanes: u32,
    ) -> Result<(), String> {
        self.puts += 1;
        let shard: ShardId = placed.shard_id.parse().map_err(|_| "a bad shard id")?;
        let sequence_number = placed.sequence_number.parse().map_err(|_| "a bad sequence number")?;
        let recorded = (0..).zip(given.payloads).map(|(sub_sequence, (payload, is_misplaced))| {
            let place = (placed.sequence_number.clone(), u64::from(sub_sequence));
            let position = Position { sequence_number, sub_sequence };
            Recorded { payload, is_misplaced, place, shard: shard.clone(), position, arrival_time_ms }
        });
        let mut recorded: Vec<Recorded> = recorded.collect();
        let whole = (placed.sequence_number.clone(), WHOLE);
        match given.aggregate {
            Some(data) if lanes > 1 => {
                recorded.clear();
                self.wholes.push((whole, data));
            }
            Some(data) if recorded.iter().filter(|one| one.decode().is_none()).count() > too_many() => {
                recorded.retain(|one| one.decode().is_some());
                self.wholes.push((whole, data));
            }
            _ => {}
        }
        self.recorded.extend(recorded);
        Ok(())
    }

    /// Folds all records except `skipped`. A retry is not a new transaction, unless sixteen others of the user came in between; the fold
    /// detects retries itself, not through the state.
    pub(crate) fn fold(&self, rule: &Rule, skipped: &BTreeSet<Place>) -> Expected {
        let mut expected = Expected { rejected: self.wholes.iter().cloned().collect(), ..Expected::default() };
        let mut recent: BTreeMap<String, VecDeque<u32>> = BTreeMap::new();
        for recorded in &self.recorded {
            let Some(transaction) = recorded.decode() else {
                expected.rejected.insert(recorded.place.clone(), recorded.payload.bytes.clone());
                continue;
            };
            let recent = recent.entry(transaction.user_id.to_string()).or_default();
            let number = recorded.payload.transaction;
            if skipped.contains(&recorded.place) || number.is_some_and(|number| recent.contains(&number)) {
                continue;
            }
            let state = expected.users.entry(transaction.user_id.to_string()).or_insert_with(|| UserState::new(rule));
            let verdict = state.step(&recorded.shard, recorded.position, &transaction, rule);
            if verdict != Verdict::Late {
                recent.extend(number);
                recent.drain(..recent.len().saturating_sub(RECENT_MAX));
            }
            if let Verdict::Anomaly(..) = verdict {
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
        let wholes = self.wholes.iter().filter(|(place, _)| place.0 == sequence_number);
        of_number.map(known).chain(wholes.map(|(place, _)| (place.clone(), false))).collect()
    }
}

fn too_many() -> usize {
    usize::try_from(AGGREGATE_REJECTS_MAX).unwrap_or(usize::MAX)
}
