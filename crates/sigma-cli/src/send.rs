//! `sigma send`: transactions from a file into a real stream.
//!
//! The partition key is the user id, so that a user's records keep to one shard. Records that Kinesis refuses one by one are put
//! again, in their order, ahead of what follows.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::DisplayErrorContext;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use clap::Args;
use serde::Serialize;
use tokio::time::{Instant, sleep, sleep_until};

use crate::aws::Connection;
use crate::output::Output;
use crate::progress::Progress;

/// Records in one PutRecords (API limit).
const CALL_RECORDS_MAX: usize = 500;
/// Bytes in one PutRecords: the smallest limit that the API ever had, 5 MiB.
const CALL_BYTES_MAX: usize = 5 * 1024 * 1024;
/// Calls in a row that get no record through before it is given up.
const CALLS_WITHOUT_PROGRESS_MAX: u32 = 8;
/// Wait after the first such call; it doubles.
const BACKOFF: Duration = Duration::from_millis(100);
/// The key of a line that names no user: such a record is for the quarantine, whatever its shard.
const KEY_WITHOUT_USER: &str = "unknown";

/// What can be chosen.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  sigma send --stream transactions --from transactions.jsonl\n  \
    zcat day.jsonl.gz | sigma send --stream transactions --from - --rate 500")]
pub struct Options {
    /// Name of the stream.
    #[arg(long)]
    pub stream: String,
    /// File with one JSON record a line; - is standard input.
    #[arg(long, value_name = "FILE.jsonl")]
    pub from: PathBuf,
    /// Records per second at most [default: as fast as the stream takes them].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
    /// How it speaks.
    #[command(flatten)]
    pub output: Output,
    /// Where AWS is.
    #[command(flatten)]
    pub connection: Connection,
}

/// What became of the records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// Taken by the stream.
    pub sent: u64,
    /// Put more than once until they were taken.
    pub retried: u64,
    /// Given up.
    pub failed: u64,
}

/// Sends a file and prints what became of it.
///
/// # Errors
/// If the file cannot be read, the stream refuses, or a record was given up.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let client = Client::new(&options.connection.config()?);
    let mut sender = Sender { client, stream: &options.stream, open: VecDeque::new(), sent: Sent::default() };
    let outcome = sender.send_all(options).await;
    let sent = sender.sent;
    let text = || format!("{} records sent, {} of them retried; {} failed", sent.sent, sent.retried, sent.failed);
    if let Some(text) = options.output.render(&sent, text)? {
        println!("{text}");
    }
    outcome
}

struct Sender<'a> {
    client: Client,
    stream: &'a str,
    open: VecDeque<Vec<u8>>,
    sent: Sent,
}

impl Sender<'_> {
    async fn send_all(&mut self, options: &Options) -> anyhow::Result<()> {
        let (mut lines, bytes) = open(&options.from)?;
        let mut progress = bytes.map(|bytes| Progress::new("bytes", bytes, options.output.quiet));
        let started = Instant::now();
        loop {
            let read = self.fill(&mut lines)?;
            if self.open.is_empty() {
                break;
            }
            self.send_open().await?;
            if let Some(progress) = &mut progress {
                progress.advance(read);
            }
            if let Some(rate) = options.rate {
                sleep_until(started + due(self.sent.sent, rate)).await;
            }
        }
        if let Some(progress) = progress {
            progress.finish();
        }
        Ok(())
    }

    /// Reads lines until there is one call's worth; answers with the bytes read.
    fn fill(&mut self, lines: &mut dyn BufRead) -> anyhow::Result<u64> {
        let mut read = 0;
        while self.open.len() < CALL_RECORDS_MAX {
            let mut line = Vec::new();
            let length = lines.read_until(b'\n', &mut line).context("the file cannot be read")?;
            if length == 0 {
                break;
            }
            read += u64::try_from(length)?;
            line.truncate(line.trim_ascii_end().len());
            if !line.is_empty() {
                self.open.push_back(line);
            }
        }
        Ok(read)
    }

    /// Puts everything open; what is refused goes first the next time.
    async fn send_open(&mut self) -> anyhow::Result<()> {
        let mut without_progress = 0;
        while !self.open.is_empty() {
            let call = self.take_call();
            let refused = self.put(&call).await?;
            let taken = call.len() - refused.len();
            self.sent.sent += u64::try_from(taken)?;
            self.sent.retried += u64::try_from(refused.len())?;
            without_progress = if taken > 0 { 0 } else { without_progress + 1 };
            for record in refused.into_iter().rev() {
                self.open.push_front(record);
            }
            if without_progress == CALLS_WITHOUT_PROGRESS_MAX {
                self.sent.failed = u64::try_from(self.open.len())?;
                anyhow::bail!(
                    "the stream took nothing in {CALLS_WITHOUT_PROGRESS_MAX} calls: send more slowly with --rate"
                );
            }
            if without_progress > 0 {
                sleep(BACKOFF * 2_u32.pow(without_progress - 1)).await;
            }
        }
        Ok(())
    }

    fn take_call(&mut self) -> Vec<Vec<u8>> {
        let mut bytes = 0;
        let fits = |record: &&Vec<u8>| {
            bytes += record.len() + partition_key(record).len();
            bytes <= CALL_BYTES_MAX
        };
        let length = self.open.iter().take(CALL_RECORDS_MAX).take_while(fits).count().max(1);
        self.open.drain(..length).collect()
    }

    /// One call; answers with the records that were refused, in their order.
    async fn put(&self, records: &[Vec<u8>]) -> anyhow::Result<Vec<Vec<u8>>> {
        let entry = |record: &Vec<u8>| {
            let entry = PutRecordsRequestEntry::builder().data(Blob::new(record.clone()));
            entry.partition_key(partition_key(record)).build()
        };
        let entries = records.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        let call = self.client.put_records().stream_name(self.stream).set_records(Some(entries));
        let answer = call.send().await.map_err(|error| anyhow::anyhow!("{}", DisplayErrorContext(error)));
        let answer = answer.with_context(|| format!("stream {} took nothing", self.stream))?;
        let refused = records.iter().zip(answer.records()).filter(|(_, entry)| entry.error_code().is_some());
        Ok(refused.map(|(record, _)| record.clone()).collect())
    }
}

/// The lines, and how many bytes there are if that is known.
fn open(path: &Path) -> anyhow::Result<(Box<dyn BufRead>, Option<u64>)> {
    if path == Path::new("-") {
        return Ok((Box::new(BufReader::new(std::io::stdin())), None));
    }
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let bytes = file.metadata()?.len();
    Ok((Box::new(BufReader::new(file)), Some(bytes)))
}

/// When so many records may have been sent.
fn due(sent: u64, rate: u32) -> Duration {
    Duration::from_millis(sent.saturating_mul(1_000) / u64::from(rate))
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
    use aws_sdk_kinesis::operation::put_records::{PutRecordsInput, PutRecordsOutput};
    use aws_sdk_kinesis::types::PutRecordsResultEntry;
    use aws_smithy_mocks::{mock, mock_client};

    use super::*;

    fn payloads(input: &PutRecordsInput) -> Vec<&[u8]> {
        input.records().iter().map(|record| record.data().as_ref()).collect()
    }

    /// An answer that refuses the entries marked so.
    fn answer(refused: &[bool]) -> PutRecordsOutput {
        let entry = |is_refused: &bool| {
            let code = is_refused.then(|| "ProvisionedThroughputExceededException".to_owned());
            PutRecordsResultEntry::builder().set_error_code(code).build()
        };
        PutRecordsOutput::builder().set_records(Some(refused.iter().map(entry).collect())).build().unwrap()
    }

    fn sender(client: Client) -> Sender<'static> {
        let open = ["a", "b", "c", "d"].map(|record| record.as_bytes().to_vec()).into();
        Sender { client, stream: "transactions", open, sent: Sent::default() }
    }

    #[tokio::test]
    async fn refused_records_are_put_again_in_their_order() {
        let first = mock!(Client::put_records)
            .match_requests(|input| payloads(input) == [b"a", b"b", b"c", b"d"])
            .then_output(|| answer(&[false, true, false, true]));
        let second = mock!(Client::put_records)
            .match_requests(|input| payloads(input) == [b"b", b"d"])
            .then_output(|| answer(&[false, false]));
        let mut sender = sender(mock_client!(aws_sdk_kinesis, [&first, &second]));
        sender.send_open().await.unwrap();
        assert_eq!(sender.sent, Sent { sent: 4, retried: 2, failed: 0 });
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_takes_nothing_is_given_up_and_said_so() {
        let refusal = || answer(&[true; 4]);
        let rule = mock!(Client::put_records).sequence().output(refusal).repeatedly().build();
        let mut sender = sender(mock_client!(aws_sdk_kinesis, [&rule]));
        let error = sender.send_open().await.unwrap_err();
        assert!(error.to_string().contains("--rate"), "{error}");
        assert_eq!((sender.sent.failed, rule.num_calls()), (4, 8));
    }

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
    fn the_rate_says_when_the_next_records_are_due() {
        assert_eq!(due(500, 100), Duration::from_secs(5));
        assert_eq!(due(0, 100), Duration::ZERO);
    }
}
