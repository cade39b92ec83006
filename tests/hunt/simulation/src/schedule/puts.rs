//! What producers put into the stream, and how its shards change meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use event_source::kinesis::{Placed, hash_key};
use intake::aggregate::{HashRange, pack_keyed};
use lambda_kit::Clock;

use super::Pipeline;
use crate::producer::{Payload, Put};
use crate::reference::Given;

impl Pipeline {
    /// Puts records, and sometimes reshards.
    pub(crate) fn put(&mut self, puts: Vec<Put>) -> Result<(), String> {
        for put in puts {
            self.world.is_flooded.set(self.world.is_flooded.get() || put.is_flood());
            match put {
                Put::Lone(payload) => self.put_lone(payload)?,
                Put::Packed(payloads) => self.put_packed(payloads)?,
            }
        }
        if self.reshardings_left > 0 && self.world.dice.chance(0.03) {
            self.reshardings_left -= 1;
            self.reshard();
            self.note_shards();
        }
        if self.world.dice.chance(0.3) {
            self.kpl_map = self.open_ranges();
        }
        Ok(())
    }

    fn put_lone(&self, payload: Payload) -> Result<(), String> {
        let now_ms = self.world.clock.now_ms();
        let placed = self.stream.source().put(&payload.key, payload.bytes.clone(), now_ms);
        self.note_put(&placed, std::slice::from_ref(&payload));
        let given = Given { payloads: vec![(payload, false)], aggregate: None };
        self.reference.borrow_mut().add(given, &placed, now_ms, self.world.lanes)
    }

    /// Puts records as the KPL does. It packs those together that belong in the shard of the first one, as far as it knows the shards.
    /// A record that ends up in the wrong shard, it puts again.
    fn put_packed(&self, payloads: Vec<Payload>) -> Result<(), String> {
        // A flood has ten thousand records and few keys.
        let keys: BTreeSet<String> = payloads.iter().map(|payload| payload.key.clone()).collect();
        let hash_keys: BTreeMap<String, u128> = keys.into_iter().map(|key| (key.clone(), hash_key(&key))).collect();
        let hash_key = |payload: &Payload| hash_keys.get(&payload.key).copied().unwrap_or_default();
        let Some(first) = payloads.first().map(hash_key) else { return Ok(()) };
        let shard = self.kpl_map.iter().find(|range| range.contains(first)).copied();
        let is_inside = |payload: &Payload| shard.is_some_and(|shard| shard.contains(hash_key(payload)));
        let (inside, outside): (Vec<_>, Vec<_>) = payloads.into_iter().partition(is_inside);
        let keyed: Vec<_> = inside.iter().map(|payload| (payload.key.as_str(), payload.bytes.as_slice())).collect();
        let (data, now_ms) = (pack_keyed(&keyed), self.world.clock.now_ms());
        let placed = self.stream.source().put_at(first, "a", data.clone(), now_ms);
        self.note_put(&placed, &inside);
        let range = self.world.ranges.borrow().get(&placed.shard_id).copied();
        let is_misplaced = |payload: &Payload| range.is_some_and(|range| !range.contains(hash_key(payload)));
        let again: Vec<Payload> = inside.iter().filter(|payload| is_misplaced(payload)).cloned().collect();
        let payloads = inside.into_iter().map(|payload| (payload.clone(), is_misplaced(&payload))).collect();
        let given = Given { payloads, aggregate: Some(data) };
        self.reference.borrow_mut().add(given, &placed, now_ms, self.world.lanes)?;
        again.into_iter().chain(outside).try_for_each(|payload| self.put_lone(payload))
    }

    fn note_put(&self, placed: &Placed, payloads: &[Payload]) {
        self.world.note(|| {
            let shown = payloads.iter().take(20).map(|payload| String::from_utf8_lossy(&payload.bytes));
            let texts: Vec<_> = shown.collect();
            format!(
                "put as {} of {}: {} records: {}",
                placed.sequence_number,
                placed.shard_id,
                payloads.len(),
                texts.join(" + ")
            )
        });
    }

    /// Tells the world the hash keys of the open shards; those of closed ones it knows already.
    pub(super) fn note_shards(&self) {
        let stream = self.stream.source();
        let ranges = stream.open_shards().into_iter().filter_map(|shard| {
            let (first, last) = stream.range(&shard)?;
            Some((shard, HashRange { first, last }))
        });
        self.world.ranges.borrow_mut().extend(ranges);
    }

    pub(super) fn open_ranges(&self) -> Vec<HashRange> {
        let ranges = self.world.ranges.borrow();
        self.stream.source().open_shards().iter().filter_map(|shard| ranges.get(shard).copied()).collect()
    }

    fn reshard(&self) {
        let (dice, stream) = (&self.world.dice, self.stream.source());
        let open = stream.open_shards();
        let index = dice.index(open.len());
        match (open.get(index), open.get(index + 1)) {
            (Some(lower), Some(upper)) if dice.chance(0.5) => {
                self.world.note(|| format!("{lower} and {upper} are merged"));
                stream.merge(lower, upper);
            }
            (Some(shard), _) => {
                self.world.note(|| format!("{shard} is split"));
                stream.split(shard);
            }
            (None, _) => {}
        }
    }
}
