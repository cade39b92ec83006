//! The promises, checked against the world once everything has drained.

use std::collections::{BTreeMap, BTreeSet};

use alert_policy::Disposition;
use anomaly_core::{Memory, UserState};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::reference::{Expected, Place, WHOLE};
use super::telling;
use super::world::World;

/// How the magic of an aggregate begins in base64.
const AGGREGATE_BASE64: &str = "84maw";

/// The records that the infrastructure discarded because of its limits on retries and age.
#[derive(Debug, Default)]
pub(crate) struct Discarded {
    /// Every discarded user record.
    pub(crate) places: BTreeSet<Place>,
    /// Those that no state has applied.
    pub(crate) unknown: BTreeSet<Place>,
}

impl Discarded {
    /// Adds records: (place, whether a state has applied it).
    pub(crate) fn add(&mut self, records: Vec<(Place, bool)>) {
        for (place, is_known) in records {
            if !is_known {
                self.unknown.insert(place.clone());
            }
            self.places.insert(place);
        }
    }
}

/// Compares the world with the fold.
pub(crate) fn check(world: &World, expected: &Expected, discarded: &Discarded) -> Result<(), String> {
    world.ensure_unbroken()?;
    check_states(world, expected)?;
    check_alerts(world, expected, discarded)?;
    check_counts(world)?;
    telling::check(world)?;
    check_quarantine(world, expected, discarded)
}

/// I1, and with it I4: the state depends on the order of a user's transactions.
fn check_states(world: &World, expected: &Expected) -> Result<(), String> {
    let statistics = |state: &UserState| state.memory().clone();
    for (user_id, state) in &expected.users {
        let stored = world.stored(user_id).map(|stored| stored.state);
        if stored.as_ref().map(statistics) != Some(statistics(state)) {
            let (stored, folded) = (stored.as_ref().map_or(0, transactions_in), transactions_in(state));
            return Err(format!(
                "I1: the state of {user_id} differs from the plain fold: it holds {stored} transactions, the fold {folded}"
            ));
        }
    }
    match world.users.borrow().keys().find(|user_id| !expected.users.contains_key(*user_id)) {
        Some(user_id) => Err(format!("I1: {user_id} has a state but no transaction")),
        None => Ok(()),
    }
}

/// How many transactions a state holds.
fn transactions_in(state: &UserState) -> u32 {
    match state.memory() {
        Memory::Windowed(windowed) | Memory::Both(windowed, _) => windowed.long_term.count,
        Memory::Profile(profile) => profile.count(),
    }
}

fn check_alerts(world: &World, expected: &Expected, discarded: &Discarded) -> Result<(), String> {
    let published = world.published.borrow();
    let (unsent, decisions) = (unsent(world), world.ledger.decisions());
    for (id, place) in &expected.anomalies {
        // Committed, but its record was discarded before it was sent: it waits for the user's next transaction.
        let may_wait = discarded.places.contains(place) && unsent.contains(id);
        match decisions.get(id) {
            None if !may_wait => return Err(format!("I2: anomaly {id} was never alerted")),
            Some(decision) if decision.disposition.is_published() && !published.contains_key(id) => {
                return Err(format!("I2: anomaly {id} was never published"));
            }
            _ => {}
        }
    }
    let mut alerted = published.keys().chain(decisions.keys());
    if let Some(invented) = alerted.find(|id| !expected.anomalies.contains_key(*id)) {
        return Err(format!("I3: alert {invented} is not an anomaly"));
    }
    let excused = world.excused.borrow();
    let doubled = published.iter().find(|(id, count)| **count > 1 && !excused.contains(*id));
    doubled.map_or(Ok(()), |(id, count)| Err(format!("I8: alert {id} was published {count} times for no reason")))
}

/// Ids in the store's outboxes.
fn unsent(world: &World) -> BTreeSet<String> {
    let users = world.users.borrow();
    let current = users.values().filter_map(|items| items.last());
    current.flat_map(|stored| &stored.outbox).map(|message| message.id.as_str().to_owned()).collect()
}

fn check_counts(world: &World) -> Result<(), String> {
    let decisions = world.ledger.decisions();
    let in_shadow = decisions.values().filter(|decision| decision.disposition == Disposition::Shadow).count();
    check_count(world, "AnomalyCount", world.anomaly_count.get(), decisions.len() - in_shadow)?;
    check_count(world, "AnomalyCountShadow", world.shadow_count.get(), in_shadow)
}

fn check_count(world: &World, metric: &str, counted: u32, alerts: usize) -> Result<(), String> {
    let alerts = u32::try_from(alerts).unwrap_or(u32::MAX);
    let is_exact = world.excused.borrow().is_empty() && !world.is_count_excused.get();
    if counted < alerts || is_exact && counted != alerts {
        return Err(format!("I8: {metric} is {counted}, there are {alerts} alerts"));
    }
    Ok(())
}

fn check_quarantine(world: &World, expected: &Expected, discarded: &Discarded) -> Result<(), String> {
    let found = quarantined(world)?;
    for (place, payload) in &expected.rejected {
        let is_there = found.get(place).is_some_and(|text| *text == STANDARD.encode(payload));
        if !is_there && !discarded.places.contains(place) {
            return Err(format!("I9: the bad record at {place:?} is not in quarantine byte for byte"));
        }
    }
    match found.keys().find(|place| !expected.rejected.contains_key(*place)) {
        Some(place) => Err(format!("I9: the good record at {place:?} is in quarantine")),
        None => Ok(()),
    }
}

fn quarantined(world: &World) -> Result<BTreeMap<Place, String>, String> {
    let parsed = |message: &String| {
        let message: Value = serde_json::from_str(message).map_err(|error| error.to_string())?;
        let text = |key: &str| message.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let sub_sequence = message.get("subSequence").and_then(Value::as_u64).unwrap_or_default();
        let payload = text("payload");
        let is_whole = payload.starts_with(AGGREGATE_BASE64);
        Ok(((text("sequenceNumber"), if is_whole { WHOLE } else { sub_sequence }), payload))
    };
    world.quarantine.borrow().iter().map(parsed).collect()
}
