//! What has to come out: a plain fold of the same records, with no batches, no store and no faults.

use std::collections::{BTreeMap, BTreeSet};

use anomaly_core::{AnomalyId, Position, Rule, RuleSettings, UserState, Verdict};
use detector::record;
use detector::window_store::StoredUser;
use event_source::kinesis::Placed;
use serde_json::Value;

use super::STREAM_ARN;
use super::ports::World;
use super::producer::Put;

/// The fold so far.
#[derive(Debug)]
pub(super) struct Reference {
    rule: Rule,
    users: BTreeMap<String, UserState>,
    anomalies: BTreeSet<String>,
    /// (sequence number, sub-sequence) of what has to be in quarantine, with the payload.
    rejected: BTreeMap<(String, u64), String>,
    records: usize,
}

impl Reference {
    pub(super) fn new() -> Result<Self, String> {
        let rule = Rule::new(RuleSettings::default()).map_err(|error| error.to_string())?;
        Ok(Self { rule, users: BTreeMap::new(), anomalies: BTreeSet::new(), rejected: BTreeMap::new(), records: 0 })
    }

    pub(super) const fn records(&self) -> usize {
        self.records
    }

    pub(super) fn anomalies(&self) -> usize {
        self.anomalies.len()
    }

    /// Folds in what was put.
    pub(super) fn add(&mut self, put: &Put, placed: &Placed, arrival_time_ms: i64) -> Result<(), String> {
        self.records += 1;
        for (sub_sequence, payload) in (0..).zip(&put.payloads) {
            // A retry is no transaction: the fold does not rely on the state to find that out.
            if !payload.is_retry {
                self.add_one(&payload.bytes, placed, sub_sequence, arrival_time_ms)?;
            }
        }
        Ok(())
    }

    fn add_one(
        &mut self,
        payload: &[u8],
        placed: &Placed,
        sub_sequence: u32,
        arrival_time_ms: i64,
    ) -> Result<(), String> {
        let Ok(transaction) = record::decode(payload, arrival_time_ms, 300_000) else {
            let place = (placed.sequence_number.clone(), u64::from(sub_sequence));
            self.rejected.insert(place, base64(payload));
            return Ok(());
        };
        let shard = placed.shard_id.parse().map_err(|_| "a bad shard id")?;
        let sequence_number = placed.sequence_number.parse().map_err(|_| "a bad sequence number")?;
        let position = Position { sequence_number, sub_sequence };
        let Self { rule, users, .. } = self;
        let state = users.entry(transaction.user_id.to_string()).or_insert_with(|| UserState::new(rule));
        if let Verdict::Anomaly(_) = state.step(&shard, position, &transaction, rule) {
            self.anomalies.insert(AnomalyId::new(STREAM_ARN, &shard, position).to_string());
        }
        Ok(())
    }

    /// Holds the world against the fold.
    pub(super) fn check(&self, world: &World) -> Result<(), String> {
        self.check_states(world)?;
        self.check_alerts(world)?;
        self.check_counts(world)?;
        self.check_quarantine(world)
    }

    fn check_states(&self, world: &World) -> Result<(), String> {
        let users = world.users.borrow();
        for (user_id, expected) in &self.users {
            let stored = users.get(user_id).and_then(|items| items.last());
            let statistics = |state: &UserState| (state.window.clone(), state.long_term);
            if stored.map(|stored| statistics(&stored.state)) != Some(statistics(expected)) {
                return Err(format!("I1: the state of {user_id} is not that of the plain fold"));
            }
            if stored.is_some_and(|stored| !stored.outbox.is_empty() && is_unsent(stored, world)) {
                return Err(format!("I2: {user_id} has an anomaly that was never sent"));
            }
        }
        Ok(())
    }

    fn check_alerts(&self, world: &World) -> Result<(), String> {
        let published = world.published.borrow();
        if let Some(lost) = self.anomalies.iter().find(|id| !published.contains_key(*id)) {
            return Err(format!("I2: anomaly {lost} was never published"));
        }
        if let Some(invented) = published.keys().find(|id| !self.anomalies.contains(*id)) {
            return Err(format!("I3: alert {invented} is no anomaly"));
        }
        let ambiguous = world.ambiguous.borrow();
        let doubled = published.iter().find(|(id, count)| **count > 1 && !ambiguous.contains(*id));
        doubled.map_or(Ok(()), |(id, count)| Err(format!("I8: alert {id} was published {count} times for no reason")))
    }

    fn check_counts(&self, world: &World) -> Result<(), String> {
        let (counted, expected) = (world.anomaly_count.get(), u32::try_from(self.anomalies.len()).unwrap_or(u32::MAX));
        let is_exact = world.ambiguous.borrow().is_empty() && !world.is_count_ambiguous.get();
        if counted < expected || is_exact && counted != expected {
            return Err(format!("I8: AnomalyCount is {counted}, there are {expected} anomalies"));
        }
        Ok(())
    }

    fn check_quarantine(&self, world: &World) -> Result<(), String> {
        let mut found = BTreeMap::new();
        for message in world.quarantine.borrow().iter() {
            let message: Value = serde_json::from_str(message).map_err(|error| error.to_string())?;
            let text = |key: &str| message.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let sub_sequence = message.get("subSequence").and_then(Value::as_u64).unwrap_or_default();
            found.insert((text("sequenceNumber"), sub_sequence), text("payload"));
        }
        if found == self.rejected {
            Ok(())
        } else {
            Err("I9: the quarantine does not hold what was rejected".to_owned())
        }
    }
}

fn is_unsent(stored: &StoredUser, world: &World) -> bool {
    let published = world.published.borrow();
    stored.outbox.iter().any(|message| !published.contains_key(message.id.as_str()))
}

fn base64(payload: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(payload)
}
