//! Deterministic input: transactions of the `uniform` scenario as Lambda delivers them.

use event_source::kinesis::{LOCAL_STREAM_ARN, StreamRecord, event_json};
pub(crate) use scenarios::START_MS;
use scenarios::{Generator, Scenario, ScenarioSettings};
use serde_json::json;

/// The one shard of the stream.
pub(crate) const SHARD_ID: &str = "shardId-000000000000";
/// 5,000 records a minute: the rate that all figures are for.
pub(crate) const RECORDS_PER_SECOND: f64 = 5_000.0 / 60.0;
const SEED: u64 = 42;
/// In place of an injected anomaly in a past.
const USUAL_AMOUNT: f64 = 250.0;
/// The most that Lambda puts into one event.
const RECORDS_PER_EVENT_MAX: usize = 10_000;
/// Sequence numbers have 56 digits, as Kinesis's have.
const SEQUENCE_PREFIX: &str = "49590338271490256608559692538361571";

/// Transactions of the `uniform` scenario.
pub(crate) fn uniform(users: u32, rate_per_second: f64, start_ms: i64) -> anyhow::Result<Generator> {
    // The scenario spreads nothing over its horizon.
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

/// An endless stream, cut into batches as they are asked for.
#[derive(Debug)]
pub(crate) struct Feed {
    generator: Generator,
    sequence: u64,
    users: u32,
}

impl Feed {
    /// Transactions of so many users, drawn evenly, 5,000 a minute of event time.
    pub(crate) fn new(users: u32) -> anyhow::Result<Self> {
        Self::after(users, START_MS)
    }

    /// The same from another event time on.
    pub(crate) fn after(users: u32, start_ms: i64) -> anyhow::Result<Self> {
        Ok(Self { generator: uniform(users, RECORDS_PER_SECOND, start_ms)?, sequence: 0, users })
    }

    /// The next batch as Lambda's event.
    pub(crate) fn event(&mut self, records: usize) -> anyhow::Result<String> {
        Ok(event_json(LOCAL_STREAM_ARN, SHARD_ID, &self.records(records)?))
    }

    /// The next events of so many records each.
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

    /// Events that give every user a past: `each` transactions of one user after the other, as far apart as the stream would have
    /// them, so that every user is written once or twice and all have the window that they would have.
    pub(crate) fn warm_up(&mut self, each: usize) -> anyhow::Result<impl Iterator<Item = anyhow::Result<String>>> {
        let users = usize::try_from(self.users)?;
        let drawn = self.generator.by_ref().take(each * users);
        let past: Vec<(i64, f64)> =
            drawn.map(|one| (one.timestamp, if one.kind.is_some() { USUAL_AMOUNT } else { one.amount })).collect();
        let first = self.sequence + 1;
        self.sequence += u64::try_from(past.len())?;
        let users_per_event = (RECORDS_PER_EVENT_MAX / each).max(1);
        let blocks = (0..users).step_by(users_per_event);
        Ok(blocks.map(move |block| {
            let block = block..users.min(block + users_per_event);
            let mut sequence = first + u64::try_from(block.start * each)?;
            let mut records = Vec::with_capacity(users_per_event * each);
            for user in block {
                for (time, amount) in past.iter().skip(user).step_by(users) {
                    records.push(past_record(sequence, user + 1, *time, *amount)?);
                    sequence += 1;
                }
            }
            Ok(event_json(LOCAL_STREAM_ARN, SHARD_ID, &records))
        }))
    }
}

fn past_record(sequence: u64, user: usize, time_ms: i64, amount: f64) -> anyhow::Result<StreamRecord> {
    let user_id = format!("user{user:03}");
    let json = json!({"userId": user_id, "amount": amount, "timestamp": time_ms,
        "transactionId": format!("past_{sequence}"), "merchantId": "merchant_1"});
    Ok(record(sequence, &user_id, time_ms, serde_json::to_vec(&json)?))
}

/// Before every sequence number of a feed.
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
