//! `sigma send`: transactions into a real stream.
//!
//! The partition key is the user id, so a user's records stay in one shard. They also stay in order: PutRecords promises no order
//! within a call and refuses records individually, so a later record could overtake an earlier one. Therefore a call has at most one
//! record of each user, and a refused record is sent again before any that follows it. Records of a failure object go out unchanged,
//! under the partition keys that they had.

mod failure;
mod source;
mod waiting;

use std::iter::Peekable;
use std::path::PathBuf;
use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::operation::put_records::{PutRecordsError, PutRecordsOutput};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use clap::Args;
use scenarios::Scenario;
use serde::Serialize;
use source::{OutgoingRecord, Source};
use tokio::time::{Instant, sleep, sleep_until};
use waiting::Waiting;

use intake::aggregate;
use lambda_kit::telemetry::chain;

use crate::aws::Connection;
use crate::output::{Output, say};
use crate::parse::rate;
use crate::progress::Progress;
use crate::selection::{SelectionOptions, scenario};

/// Largest record, key included: 10 MiB (API limit). Most streams take 1 MiB.
const RECORD_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Calls in a row without a record accepted, after which the command stops: about 13 s.
const CALLS_WITHOUT_PROGRESS_MAX: u32 = 8;
/// Wait after a call with a refused record; it doubles while none is accepted.
const BACKOFF: Duration = Duration::from_millis(100);
/// Records that cannot be sent are reported one by one up to this number.
const COMPLAINTS_MAX: u64 = 10;

/// Flags of `sigma send`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  sigma send --stream transactions --from transactions.jsonl\n  \
    zcat day.jsonl.gz | sigma send --stream transactions --from - --rate 500/s\n  \
    sigma send --stream transactions --scenario fraud --users 1000 --rate 50/s --duration 1h\n  \
    sigma send --stream transactions --from-failure discarded/*.json\n\n\
    The records of a user arrive in order. A call has one record of each user, so a file with few users is slow: one record\n\
    of each per round trip.")]
#[group(id = "what", required = true, multiple = false, args = ["from", "from_failure", "scenario"])]
pub struct Options {
    /// Name of the stream, or its ARN, which a stream of another account needs.
    #[arg(long)]
    pub stream: String,
    /// File with one JSON record a line; - is standard input.
    #[arg(long, value_name = "FILE.jsonl")]
    pub from: Option<PathBuf>,
    /// Objects of the failure bucket: their records are put again, unchanged.
    #[arg(long, value_name = "FILE.json", num_args = 1..)]
    pub from_failure: Vec<PathBuf>,
    /// A scenario of `sigma generate` in real time: it begins now, and each record is sent at its event time.
    #[arg(long, value_parser = scenario())]
    pub scenario: Option<Scenario>,
    /// Maximum rate, such as 500/s [default: for a file as fast as the stream accepts; for a scenario 10/s].
    #[arg(long, value_parser = rate)]
    pub rate: Option<f64>,
    /// Which transactions of the scenario.
    #[command(flatten)]
    pub selection: SelectionOptions,
    /// Output.
    #[command(flatten)]
    pub output: Output,
    /// Where AWS is.
    #[command(flatten)]
    pub connection: Connection,
}

/// The outcome of the records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// Accepted by the stream.
    pub sent: u64,
    /// Retries of single records.
    pub retried: u64,
    /// Not sent: too large for the stream, or waiting when it stopped accepting any.
    pub failed: u64,
}

/// Sends a file or a scenario and prints the outcome.
///
/// # Errors
/// If the file cannot be read, the stream refuses, or a record was not sent.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let source = source::open(options)?;
    let client = Client::new(&options.connection.config()?);
    let mut sender = Sender::new(client, &options.stream, source);
    let outcome = sender.send_all().await;
    let sent = sender.sent;
    let text = || format!("{} records sent, {} retries, {} failed", sent.sent, sent.retried, sent.failed);
    if let Some(text) = options.output.render(&sent, text)? {
        say(text);
    }
    outcome?;
    anyhow::ensure!(sent.failed == 0, "{} records were not sent; the lines above say why", sent.failed);
    Ok(())
}

struct Sender<'a> {
    client: Client,
    stream: &'a str,
    records: Peekable<Box<dyn Iterator<Item = anyhow::Result<OutgoingRecord>>>>,
    progress: Option<Progress>,
    waiting: Waiting,
    started: Instant,
    calls_without_progress: u32,
    sent: Sent,
}

impl<'a> Sender<'a> {
    fn new(client: Client, stream: &'a str, source: Source) -> Self {
        let Source { records, progress } = source;
        Self {
            client,
            stream,
            records: records.peekable(),
            progress,
            waiting: Waiting::default(),
            started: Instant::now(),
            calls_without_progress: 0,
            sent: Sent::default(),
        }
    }

    async fn send_all(&mut self) -> anyhow::Result<()> {
        loop {
            let due = self.fill()?;
            match (self.waiting.is_empty(), due) {
                (false, _) => self.put_some().await?,
                (true, Some(due)) => sleep_until(self.started + due).await,
                (true, None) => break,
            }
        }
        if let Some(progress) = self.progress.take() {
            progress.finish();
        }
        Ok(())
    }

    /// Reads the records that are due, as far as there is room. Returns when the next one is due, if there is one.
    fn fill(&mut self) -> anyhow::Result<Option<Duration>> {
        let now = self.started.elapsed();
        while self.waiting.has_room() {
            let is_due =
                |record: &anyhow::Result<OutgoingRecord>| record.as_ref().map_or(true, |record| record.due <= now);
            let Some(record) = self.records.next_if(is_due) else { break };
            let record = record?;
            if let Some(progress) = &mut self.progress {
                progress.advance(record.read);
            }
            if record.bytes() > RECORD_BYTES_MAX {
                self.fail(&record, "it is larger than 10 MiB");
            } else {
                self.waiting.push(record);
            }
        }
        Ok(self.records.peek().and_then(|record| Some(record.as_ref().ok()?.due)))
    }

    fn fail(&mut self, record: &OutgoingRecord, reason: &str) {
        self.sent.failed += 1;
        if self.sent.failed <= COMPLAINTS_MAX {
            eprintln!("record {} is not sent: {reason}", record.number);
        }
    }

    /// Makes one call and handles its response.
    async fn put_some(&mut self) -> anyhow::Result<()> {
        let call = self.waiting.take_call();
        let length = u64::try_from(call.len())?;
        let refused = match self.put(&call).await? {
            Answer::Records(is_refused) => call
                .into_iter()
                .zip(is_refused)
                .filter_map(|(record, is_refused)| is_refused.then_some(record))
                .collect(),
            Answer::Throttled => call,
            Answer::TooLarge(reason) => {
                for record in &call {
                    self.fail(record, &reason);
                }
                return Ok(());
            }
        };
        let refusals = u64::try_from(refused.len())?;
        self.sent.sent += length - refusals;
        self.sent.retried += refusals;
        self.waiting.put_back(refused);
        self.calls_without_progress = if refusals < length { 0 } else { self.calls_without_progress + 1 };
        if self.calls_without_progress == CALLS_WITHOUT_PROGRESS_MAX {
            self.sent.failed += u64::try_from(self.waiting.len())?;
            anyhow::bail!(
                "the stream accepted no record in {CALLS_WITHOUT_PROGRESS_MAX} calls: send more slowly with --rate, or give \
                 the stream more shards"
            );
        }
        if refusals > 0 {
            sleep(BACKOFF * 2_u32.pow(self.calls_without_progress)).await;
        }
        Ok(())
    }

    async fn put(&self, records: &[OutgoingRecord]) -> anyhow::Result<Answer> {
        let entry = |record: &OutgoingRecord| {
            let entry = PutRecordsRequestEntry::builder().data(Blob::new(record.payload.clone()));
            // An aggregate has to reach the shard of its records again; its own partition key would lead anywhere.
            let hash_key = aggregate::hash_key(&record.payload).map(|hash_key| hash_key.to_string());
            entry.partition_key(&record.key).set_explicit_hash_key(hash_key).build()
        };
        let entries = records.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        let call = self.client.put_records().set_records(Some(entries));
        // A stream of another account has to be named by its ARN.
        let call =
            if self.stream.starts_with("arn:") { call.stream_arn(self.stream) } else { call.stream_name(self.stream) };
        let answer = call.send().await;
        let error = match answer {
            Ok(answer) => return Answer::read(&answer, records.len()),
            Err(error) => error,
        };
        let reason = chain(&error);
        match error.as_service_error() {
            Some(PutRecordsError::ProvisionedThroughputExceededException(_)) => Ok(Answer::Throttled),
            Some(PutRecordsError::InvalidArgumentException(_)) if waiting::is_large(records) => {
                Ok(Answer::TooLarge(format!("the stream refuses it: {reason}")))
            }
            Some(PutRecordsError::ResourceNotFoundException(_)) => Err(anyhow::anyhow!(reason).context(format!(
                "there is no stream {}: list them with `aws kinesis list-streams`, or set another --region",
                self.stream
            ))),
            _ => Err(anyhow::anyhow!(reason).context(format!("the stream {} accepted no record", self.stream))),
        }
    }
}

/// Kinesis's response to a call.
enum Answer {
    /// Whether each record was refused.
    Records(Vec<bool>),
    /// No record was looked at.
    Throttled,
    /// The only record is larger than this stream accepts.
    TooLarge(String),
}

impl Answer {
    fn read(answer: &PutRecordsOutput, length: usize) -> anyhow::Result<Self> {
        let is_refused: Vec<bool> = answer.records().iter().map(|entry| entry.error_code().is_some()).collect();
        anyhow::ensure!(is_refused.len() == length, "{} answers for {length} records", is_refused.len());
        Ok(Self::Records(is_refused))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use aws_sdk_kinesis::operation::put_records::PutRecordsInput;
    use aws_sdk_kinesis::types::PutRecordsResultEntry;
    use aws_sdk_kinesis::types::error::{InvalidArgumentException, ProvisionedThroughputExceededException};
    use aws_smithy_mocks::{RuleMode, mock, mock_client};

    use super::*;

    fn payloads(input: &PutRecordsInput) -> Vec<&str> {
        input.records().iter().map(|record| std::str::from_utf8(record.data().as_ref()).unwrap()).collect()
    }

    /// An answer that refuses the entries marked so.
    fn answer(refused: &[bool]) -> PutRecordsOutput {
        let entry = |is_refused: &bool| {
            let code = is_refused.then(|| "ProvisionedThroughputExceededException".to_owned());
            PutRecordsResultEntry::builder().set_error_code(code).build()
        };
        PutRecordsOutput::builder().set_records(Some(refused.iter().map(entry).collect())).build().unwrap()
    }

    /// Records of the users that their first letters are, each due at once.
    fn sender(client: Client, payloads: &[&'static str]) -> Sender<'static> {
        let record = |(number, payload): (u64, &'static str)| {
            let key = payload.get(..1).unwrap().to_owned();
            Ok(OutgoingRecord { key, payload: payload.into(), due: Duration::ZERO, read: 1, number })
        };
        let records: Vec<_> = (1..).zip(payloads.iter().copied()).map(record).collect();
        Sender::new(client, "transactions", Source { records: Box::new(records.into_iter()), progress: None })
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_record_is_not_overtaken_by_its_users_next_one() {
        let first = mock!(Client::put_records)
            .match_requests(|input| payloads(input) == ["a1", "b1", "c1"])
            .then_output(|| answer(&[true, false, false]));
        let second = mock!(Client::put_records)
            .match_requests(|input| payloads(input) == ["a1", "b2"])
            .then_output(|| answer(&[false, true]));
        let third = mock!(Client::put_records)
            .match_requests(|input| payloads(input) == ["b2", "a2"])
            .then_output(|| answer(&[false, false]));
        let client = mock_client!(aws_sdk_kinesis, [&first, &second, &third]);
        let mut sender = sender(client, &["a1", "b1", "a2", "c1", "b2"]);
        sender.send_all().await.unwrap();
        assert_eq!(sender.sent, Sent { sent: 5, retried: 2, failed: 0 });
    }

    /// A stream that refuses every third entry that it sees, and remembers what it took.
    #[tokio::test(start_paused = true)]
    async fn whatever_is_refused_the_records_of_a_user_arrive_in_their_order() {
        let taken = Arc::new(Mutex::new((0_u32, Vec::new())));
        let stream = Arc::clone(&taken);
        let rule = mock!(Client::put_records).match_requests(|_| true).then_compute_output(move |input| {
            let mut stream = stream.lock().unwrap();
            let mut refuse = |payload: &str| {
                stream.0 += 1;
                let is_refused = stream.0.is_multiple_of(3);
                if !is_refused {
                    stream.1.push(payload.to_owned());
                }
                is_refused
            };
            answer(&payloads(input).into_iter().map(&mut refuse).collect::<Vec<_>>())
        });
        let payloads: Vec<&'static str> = (0..2_000)
            .map(|number| &*format!("{}{number:04}", ["a", "b", "c", "d", "e"][number * number % 5]).leak())
            .collect();
        let client = mock_client!(aws_sdk_kinesis, RuleMode::MatchAny, [&rule]);
        let mut sender = sender(client, &payloads);
        sender.send_all().await.unwrap();
        let taken = taken.lock().unwrap().1.clone();
        assert_eq!((taken.len(), sender.sent.sent, sender.sent.failed), (2_000, 2_000, 0));
        for user in ["a", "b", "c", "d", "e"] {
            assert!(taken.iter().filter(|payload| payload.starts_with(user)).is_sorted(), "{user}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_takes_nothing_is_given_up_and_said_so() {
        let refusal = || answer(&[true; 4]);
        let rule = mock!(Client::put_records).sequence().output(refusal).repeatedly().build();
        let mut sender = sender(mock_client!(aws_sdk_kinesis, [&rule]), &["a", "b", "c", "d"]);
        let error = sender.send_all().await.unwrap_err();
        assert!(error.to_string().contains("--rate"), "{error}");
        assert_eq!((sender.sent.failed, rule.num_calls()), (4, 8));
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_call_is_made_again() {
        let throttled = || {
            let error = ProvisionedThroughputExceededException::builder().build();
            PutRecordsError::ProvisionedThroughputExceededException(error)
        };
        let rule = mock!(Client::put_records).sequence().error(throttled).output(|| answer(&[false; 2])).build();
        let mut sender = sender(mock_client!(aws_sdk_kinesis, [&rule]), &["a", "b"]);
        sender.send_all().await.unwrap();
        assert_eq!(sender.sent, Sent { sent: 2, retried: 2, failed: 0 });
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_that_is_too_large_for_the_stream_harms_nobody_else() {
        let invalid = || PutRecordsError::InvalidArgumentException(InvalidArgumentException::builder().build());
        let large: &'static str = Box::leak(format!("a{}", " ".repeat(2 * 1024 * 1024)).into_boxed_str());
        let beyond: &'static str = Box::leak(format!("a{}", " ".repeat(RECORD_BYTES_MAX)).into_boxed_str());
        let refuses =
            mock!(Client::put_records).match_requests(|input| payloads(input)[0].len() > 1_000).then_error(invalid);
        let takes = mock!(Client::put_records)
            .match_requests(|input| payloads(input) == ["b", "a2"])
            .then_output(|| answer(&[false, false]));
        let mut sender = sender(mock_client!(aws_sdk_kinesis, [&refuses, &takes]), &[large, beyond, "b", "a2"]);
        sender.send_all().await.unwrap();
        assert_eq!(sender.sent, Sent { sent: 2, retried: 0, failed: 2 });
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_leaves_records_out_is_not_taken_for_success() {
        let rule = mock!(Client::put_records).match_requests(|_| true).then_output(|| answer(&[false]));
        assert!(sender(mock_client!(aws_sdk_kinesis, [&rule]), &["a", "b"]).send_all().await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_is_not_sent_before_it_is_due() {
        let rule = mock!(Client::put_records).sequence().output(|| answer(&[false])).repeatedly().build();
        let mut sender = sender(mock_client!(aws_sdk_kinesis, [&rule]), &[]);
        let record = |number| OutgoingRecord {
            key: "a".to_owned(),
            payload: b"a".to_vec(),
            due: Duration::from_secs(number),
            read: 1,
            number,
        };
        let records: Box<dyn Iterator<Item = _>> = Box::new((0..=10).map(record).map(Ok));
        sender.records = records.peekable();
        sender.send_all().await.unwrap();
        assert_eq!((sender.sent.sent, sender.started.elapsed().as_secs()), (11, 10));
    }
}
