//! Deterministic input: transactions of the `uniform` scenario as Lambda delivers them.

use event_source::kinesis::{LOCAL_STREAM_ARN, StreamRecord, event_json};
pub(crate) use scenarios::START_MS;
use scenarios::{Generator, Scenario, ScenarioSettings};
use serde_json::json;

/// The stream's only shard.
pub(crate) const SHARD_ID: &str = "shardId-000000000000";
/// 5,000 records a minute: the rate that all figures assume.
pub(crate) const RECORDS_PER_SECOND: f64 = 5_000.0 / 60.0;
const SEED: u64 = 42;
/// Replaces an injected anomaly in a user's history.
const USUAL_AMOUNT: f64 = 250.0;
/// Maximum number of records that Lambda puts into one event.
const RECORDS_PER_EVENT_MAX: usize = 10_000;
/// Sequence numbers have 56 digits, as Kinesis's have.
const SEQUENCE_PREFIX: &str = "49590338271490256608559692538361571";

/// Transactions of the `uniform` scenario.
pub(crate) fn uniform(users: u32, rate_per_second: f64, start_ms: i64) -> anyhow::Result<Generator> {
    // This scenario does not depend on its horizon.
    let horizon_seconds = f64::from(u32::MAX);
    Generator::new(&ScenarioSettings {
        scenario: Scenario::Uniform,
        seed: SEED,
        users,
        rate_per_second,
        start_ms,
        horizon_seconds,
    })
}

/// An endless stream, cut into batches on demand.
#[derive(Debug)]
pub(crate) struct Feed {
    generator: Generator,
    sequence: u64,
    users: u32,
}

impl Feed {
    /// Transactions of this many users, drawn evenly, 5,000 a minute of event time.
    pub(crate) fn new(users: u32) -> anyhow::Result<Self> {
        Self::after(users, START_MS)
    }

    /// The same, starting at another event time.
    pub(crate) fn after(users: u32, start_ms: i64) -> anyhow::Result<Self> {
        Ok(Self { generator: uniform(users, RECORDS_PER_SECOND, start_ms)?, sequence: 0, users })
    }

    /// The next batch as Lambda's event.
    pub(crate) fn event(&mut self, records: usize) -> anyhow::Result<String> {
        Ok(event_json(LOCAL_STREAM_ARN, SHARD_ID, &self.records(records)?))
    }

    /// The next `count` events, of `records` records each.
    pub(crate) fn events(&mut self, count: usize, records: usize) -> anyhow::Result<Vec<String>> {
        (0..count).map(|_| self.event(records)).collect()
    }

    /// The next records.
    pub(crate) fn records(&mut self, records: usize) -> anyhow::Result<Vec<StreamRecord>> {
        let mut batch = Vec::with_capacity(records);
        for generated in self.generator.by_ref().take(records) {
            self.sequence += 1;
            batch.push(record(self.sequence, &generated.user_id, generated.timestamp, serde_json::to_vec(&generated)?));
        }
        Ok(batch)
    }

    /// Events that give every user a history of `each` transactions, one user after the other. The transactions are spaced as in the
    /// stream, so that every user is written only once or twice and still has the window that the stream would give.
    pub(crate) fn warm_up(&mut self, each: usize) -> anyhow::Result<impl Iterator<Item = anyhow::Result<String>>> {
        let users = usize::try_from(self.users)?;
        let drawn = self.generator.by_ref().take(each * users);
        let history: Vec<(i64, f64)> =
            drawn.map(|one| (one.timestamp, if one.kind.is_some() { USUAL_AMOUNT } else { one.amount })).collect();
        let first = self.sequence + 1;
        self.sequence += u64::try_from(history.len())?;
        let users_per_event = (RECORDS_PER_EVENT_MAX / each).max(1);
        let blocks = (0..users).step_by(users_per_event);
        Ok(blocks.map(move |block| {
            let block = block..users.min(block + users_per_event);
            let mut sequence = first + u64::try_from(block.start * each)?;
            let mut records = Vec::with_capacity(users_per_event * each);
            for user in block {
                for (time, amount) in history.iter().skip(user).step_by(users) {
                    records.push(history_record(sequence, user + 1, *time, *amount)?);
                    sequence += 1;
                }
            }
            Ok(event_json(LOCAL_STREAM_ARN, SHARD_ID, &records))
        }))
    }
}

fn history_record(sequence: u64, user: usize, time_ms: i64, amount: f64) -> anyhow::Result<StreamRecord> {
    let user_id = format!("user{user:03}");
    let json = json!({"userId": user_id, "amount": amount, "timestamp": time_ms,
        "transactionId": format!("past_{sequence}"), "merchantId": "merchant_1"});
    Ok(record(sequence, &user_id, time_ms, serde_json::to_vec(&json)?))
}

/// A sequence number before all those of a feed.
pub(crate) fn first_sequence_number() -> String {
    format!("{SEQUENCE_PREFIX}{:021}", 0)
}

fn record(sequence: u64, user_id: &str, arrival_time_ms: i64, data: Vec<u8>) -> StreamRecord {
    StreamRecord {
        sequence_number: format!("{SEQUENCE_PREFIX}{sequence:021}"),
        partition_key: user_id.to_owned(),
        data,
        arrival_time_ms,
    }
}
