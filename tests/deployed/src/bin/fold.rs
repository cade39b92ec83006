//! The result that the deployed functions have to reach: a plain fold of a stream's records, without batches, store, queue or
//! faults. It deliberately shares no code with the folds of the demo and the simulation.
//!
//! Reads records as JSON lines (`shardId`, `sequenceNumber`, `arrivalTimeMs`, `payload` in base64), in order within each shard, and
//! the rule from the detector's environment. A transaction with the payload of an earlier one is a producer's retry and is left out
//! here, so that the fold does not rely on the state to detect it. Prints one JSON document: the stored state of each user in
//! base64, the ids of the anomalies by user, and the rejected payloads by sequence number.

use std::collections::{BTreeMap, HashSet};
use std::error::Error;
use std::io::{BufRead, stdin};

use anomaly_core::{AnomalyId, Origin, Position, RawTransaction, Rule, Transaction, UserState, Verdict, codec};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Parser;
use detector::Config;
use lambda_kit::Env;
use serde::{Deserialize, Serialize};

/// Folds the records on standard input.
#[derive(Parser)]
struct Options {
    /// The ARN of their stream, which is part of an anomaly's id.
    #[arg(long)]
    stream_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    shard_id: String,
    sequence_number: String,
    arrival_time_ms: i64,
    payload: String,
}

#[derive(Default, Serialize)]
struct Folded {
    states: BTreeMap<String, String>,
    anomalies: BTreeMap<String, Vec<String>>,
    rejected: BTreeMap<String, String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let settings = Config::from_env(&Env::from_process())?.settings;
    let (mut users, mut seen, mut folded) = (BTreeMap::new(), HashSet::new(), Folded::default());
    for line in stdin().lock().lines() {
        let record: Record = serde_json::from_str(&line?)?;
        let payload = STANDARD.decode(&record.payload)?;
        let Some(transaction) = decode(&payload, record.arrival_time_ms, settings.clock_skew_ms_max) else {
            folded.rejected.insert(record.sequence_number, record.payload);
            continue;
        };
        if !seen.insert(record.payload.clone()) {
            continue;
        }
        if let Some(id) = step(&mut users, &transaction, &record, &options.stream_arn, &settings.rule)? {
            folded.anomalies.entry(transaction.user_id.into_owned()).or_default().push(id);
        }
    }
    folded.states = users.iter().map(|(user, state)| (user.clone(), STANDARD.encode(codec::encode(state)))).collect();
    println!("{}", serde_json::to_string(&folded)?);
    Ok(())
}

fn decode(payload: &[u8], arrival_time_ms: i64, clock_skew_ms_max: i64) -> Option<Transaction<'_>> {
    let raw: RawTransaction<'_> = serde_json::from_slice(payload).ok()?;
    Transaction::validate(raw, arrival_time_ms, clock_skew_ms_max).ok()
}

/// Applies a transaction to its user. Returns the id of the anomaly, if it is one.
fn step(
    users: &mut BTreeMap<String, UserState>,
    transaction: &Transaction<'_>,
    record: &Record,
    stream_arn: &str,
    rule: &Rule,
) -> Result<Option<String>, Box<dyn Error>> {
    let shard = record.shard_id.parse()?;
    let position = Position { sequence_number: record.sequence_number.parse()?, sub_sequence: 0 };
    let state = users.entry(transaction.user_id.to_string()).or_insert_with(|| UserState::new(rule));
    let verdict = state.step(&shard, position, transaction, rule);
    let is_anomaly = matches!(verdict, Verdict::Anomaly(..));
    Ok(is_anomaly.then(|| AnomalyId::new(&Origin { stream: stream_arn, shard: &shard, position }).to_string()))
}
