//! The records to send: the lines of a file, failure objects, or a scenario.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use lambda_kit::{Clock, SystemClock};
use scenarios::{Generated, Scenario, labelled_json};

use super::{Options, failure};
use crate::progress::Progress;

/// The key of a line without a user: such a record will be quarantined, whatever its shard.
const KEY_WITHOUT_USER: &str = "unknown";
/// A scenario's rate per second, unless the flag sets another.
const SCENARIO_RATE: f64 = 10.0;

/// One record to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OutgoingRecord {
    /// Partition key.
    pub(super) key: String,
    pub(super) payload: Vec<u8>,
    /// When it may be sent, since the start.
    pub(super) due: Duration,
    /// How much progress it makes: bytes of a file, records of a scenario.
    pub(super) read: u64,
    /// Its number, from 1: for a file of lines, its line.
    pub(super) number: u64,
}

impl OutgoingRecord {
    /// The bytes that count towards the limits.
    pub(super) fn bytes(&self) -> usize {
        self.payload.len() + self.key.len()
    }
}

/// The records, and the progress if their end is known.
pub(super) struct Source {
    pub(super) records: Box<dyn Iterator<Item = anyhow::Result<OutgoingRecord>>>,
    pub(super) progress: Option<Progress>,
}

/// # Errors
/// If there is no such file, or no such scenario.
pub(super) fn open(options: &Options) -> anyhow::Result<Source> {
    match (&options.from, options.scenario) {
        (Some(path), _) => file(path, options),
        (None, Some(scenario)) => live(scenario, options),
        (None, None) if !options.from_failure.is_empty() => {
            failure::open(&options.from_failure, options.rate, options.output.quiet)
        }
        (None, None) => {
            anyhow::bail!("nothing to send: name a file with --from or --from-failure, or a scenario with --scenario")
        }
    }
}

fn file(path: &Path, options: &Options) -> anyhow::Result<Source> {
    let rate = options.rate;
    if path == Path::new("-") {
        return Ok(Source { records: Box::new(lines(BufReader::new(std::io::stdin()), rate)), progress: None });
    }
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let progress = Progress::new("bytes", file.metadata()?.len(), options.output.quiet);
    Ok(Source { records: Box::new(lines(BufReader::new(file), rate)), progress: Some(progress) })
}

/// The lines that are not blank.
fn lines(mut reader: impl BufRead, rate: Option<f64>) -> impl Iterator<Item = anyhow::Result<OutgoingRecord>> {
    let (mut line_number, mut records, mut skipped) = (0, 0, 0);
    std::iter::from_fn(move || {
        loop {
            let mut line = Vec::new();
            let length = match reader.read_until(b'\n', &mut line).context("the file cannot be read") {
                Ok(0) => return None,
                Ok(length) => u64::try_from(length).unwrap_or_default(),
                Err(error) => return Some(Err(error)),
            };
            line_number += 1;
            skipped += length;
            line.truncate(line.trim_ascii_end().len());
            if !line.is_empty() {
                let due = due(records, rate);
                records += 1;
                let read = std::mem::take(&mut skipped);
                return Some(Ok(OutgoingRecord {
                    key: partition_key(&line),
                    payload: line,
                    due,
                    read,
                    number: line_number,
                }));
            }
        }
    })
}

/// A scenario that begins now.
fn live(scenario: Scenario, options: &Options) -> anyhow::Result<Source> {
    let start_ms = SystemClock.now_ms();
    let rate = options.rate.unwrap_or(SCENARIO_RATE);
    let selection = options.selection.selection();
    let progress = Progress::new("records", selection.records_expected(rate), options.output.quiet);
    let generated = selection.generate(scenario, rate, start_ms)?;
    let records = (1..).zip(generated).map(move |(number, generated)| scheduled(&generated, start_ms, number));
    Ok(Source { records: Box::new(records), progress: Some(progress) })
}

fn scheduled(generated: &Generated, start_ms: i64, number: u64) -> anyhow::Result<OutgoingRecord> {
    let due_ms = u64::try_from(generated.timestamp - start_ms).unwrap_or_default();
    let payload = labelled_json(generated)?;
    Ok(OutgoingRecord { key: generated.user_id.clone(), payload, due: Duration::from_millis(due_ms), read: 1, number })
}

/// When a record may be sent that has `before` records before it.
pub(super) fn due(before: u32, rate: Option<f64>) -> Duration {
    let seconds = rate.map_or(0.0, |rate| f64::from(before) / rate);
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// The user id, within the 256 characters that a key may have.
fn partition_key(record: &[u8]) -> String {
    let value: Option<serde_json::Value> = serde_json::from_slice(record).ok();
    let user_id = value.as_ref().and_then(|value| value.get("userId")).and_then(serde_json::Value::as_str);
    let key: String = user_id.unwrap_or_default().chars().take(256).collect();
    if key.is_empty() { KEY_WITHOUT_USER.to_owned() } else { key }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_key_is_the_user_id() {
        assert_eq!(partition_key(br#"{"userId":"user001","amount":1}"#), "user001");
        for bad in [b"not json".as_slice(), b"{}", br#"{"userId":7}"#, br#"{"userId":""}"#, b"\xFF"] {
            assert_eq!(partition_key(bad), KEY_WITHOUT_USER);
        }
        let long = format!(r#"{{"userId":"{}"}}"#, "é".repeat(300));
        assert_eq!(partition_key(long.as_bytes()).chars().count(), 256);
    }

    #[test]
    fn lines_have_numbers_sizes_and_times() {
        let text = "{\"userId\":\"a\"}\n\n  \r\n{\"userId\":\"b\"}\r\nno newline".as_bytes();
        let records: Vec<_> = lines(text, Some(2.0)).map(Result::unwrap).collect();
        let seen: Vec<_> = records.iter().map(|r| (r.number, r.key.as_str(), r.read, r.due.as_millis())).collect();
        assert_eq!(seen, [(1, "a", 15, 0), (4, "b", 21, 500), (5, "unknown", 10, 1_000)]);
        assert_eq!(records[1].payload, b"{\"userId\":\"b\"}");
    }

    #[test]
    fn a_generated_record_is_due_at_its_event_time() {
        let generated = Generated {
            user_id: "user001".to_owned(),
            amount: 1.0,
            timestamp: 1_500,
            transaction_id: "t".to_owned(),
            merchant_id: "m".to_owned(),
            kind: None,
        };
        let record = scheduled(&generated, 1_000, 1).unwrap();
        assert_eq!((record.key.as_str(), record.due), ("user001", Duration::from_millis(500)));
    }
}
