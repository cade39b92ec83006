//! (c) A warm call of the detector without the network, beside the Python peer on the same events.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anomaly_core::{Rule, RuleSettings};
use anyhow::Context;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::http::HttpConnector;
use detector::window_store::{DynamoDbWindowStore, StoredUser, WindowStore};
use detector::{Detector, DetectorSettings};
use lambda_kit::{Clock, Env, Invocation, SystemClock};
use message_queue::SqsQueue;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::runtime::Runtime;

use crate::clock::timed;
use crate::input::Feed;
use crate::report::{Figure, Report, Target};
use crate::spread::{Spread, alternating, number};
use crate::step::warm_state;
use crate::{aws, responses, venv};

const USERS: [u32; 3] = [5, 1_000, 20_000];
const BATCHES: [usize; 3] = [100, 1_000, 10_000];
const ROUNDS: usize = 5;
/// Records of one round, for which the peer needs about a second.
const RECORDS_PER_ROUND: usize = 2_000;
/// Large enough to keep every user warm: states cached, windows filled, the first verdict given.
const CACHE_USERS_MAX: &str = "20000";
const RATIO_MIN_AT_THE_CENTRE: f64 = 25.0;
const RATIO_MIN: f64 = 10.0;
const PEER: &str = "Python, boto3";
const INVOCATION_MS: i64 = 600_000;
/// Writes of one round, and the bytes of each: a warm state.
const PUTS_PER_ROUND: usize = 2_000;
const STATE_BYTES: usize = 600;

pub(crate) type OfflineDetector = Detector<DynamoDbWindowStore, SqsQueue, SqsQueue, SystemClock>;

/// A detector on the real SDK, whose requests get their responses at the HTTP connector.
pub(crate) fn detector(env: &Env, connector: impl HttpConnector + Clone + 'static) -> anyhow::Result<OfflineDetector> {
    let config = aws::config().into_builder().http_client(responses::http_client(connector)).build();
    let sqs = aws_sdk_sqs::Client::new(&config);
    let store = DynamoDbWindowStore::new(Client::new(&config), "user-state".to_owned());
    let queue = |name| SqsQueue::new(sqs.clone(), format!("https://sqs.us-east-1.amazonaws.com/000000000000/{name}"));
    Ok(Detector::new(store, queue("anomalies"), queue("quarantine"), SystemClock, DetectorSettings::from_env(env)?))
}

/// Handles events from their text to the response's text, as the runtime does. Returns the sums of users and of anomalies.
pub(crate) async fn handle(detector: &OfflineDetector, events: &[String]) -> anyhow::Result<Handled> {
    let mut handled = Handled::default();
    for event in events {
        let text: Box<RawValue> = serde_json::from_slice(event.as_bytes())?;
        let invocation =
            Invocation { request_id: "bench".to_owned(), deadline_ms: SystemClock.now_ms() + INVOCATION_MS };
        let outcome = detector.handle(text.get(), &invocation).await?;
        let response = serde_json::to_string(&outcome.response)?;
        anyhow::ensure!(response == r#"{"batchItemFailures":[]}"#, "{response}");
        handled.user_batches += outcome.summary.users;
        handled.anomalies += outcome.summary.sent.anomalies();
        handled.metrics.extend(outcome.summary.counts().names());
    }
    Ok(handled)
}

/// Sums over calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct Handled {
    pub(crate) user_batches: u64,
    pub(crate) anomalies: u64,
    /// The operational metrics that had a value.
    pub(crate) metrics: BTreeSet<&'static str>,
}

/// The Python peer, which stays alive between rounds like a warm container.
struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    events: PathBuf,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct PeerResponse {
    cpu_seconds: f64,
    failures: u64,
}

impl Peer {
    fn start() -> anyhow::Result<Self> {
        let mut child = Command::new(venv::python()?)
            .arg(venv::peers().join("offline.py"))
            .envs(aws::function_environment(None))
            .env("CACHE_USERS_MAX", CACHE_USERS_MAX)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().context("no input")?;
        let output = BufReader::new(child.stdout.take().context("no output")?);
        let events = venv::root().join("target/bench/events.jsonl");
        let mut peer = Self { child, input, output, events };
        peer.read_response()?;
        Ok(peer)
    }

    /// Has the peer handle these events. Returns the CPU seconds.
    fn handle(&mut self, events: &[String]) -> anyhow::Result<f64> {
        std::fs::write(&self.events, events.join("\n"))?;
        writeln!(self.input, "{}", self.events.display())?;
        let response = self.read_response()?;
        anyhow::ensure!(response.failures == 0, "the peer reported {} failures", response.failures);
        Ok(response.cpu_seconds)
    }

    fn read_response(&mut self) -> anyhow::Result<PeerResponse> {
        let mut line = String::new();
        anyhow::ensure!(self.output.read_line(&mut line)? > 0, "the peer ended");
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends by itself when its input does, but we do not wait for a peer that hangs.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.events);
    }
}

/// PutItem alone: by the SDK, with a key and a state, and as the detector's store commits a user.
struct Puts {
    client: Client,
    store: DynamoDbWindowStore,
    user: StoredUser,
}

impl Puts {
    fn new() -> anyhow::Result<Self> {
        let config = aws::config().into_builder().http_client(responses::http_client(responses::AcceptingAws)).build();
        let client = Client::new(&config);
        let store = DynamoDbWindowStore::new(client.clone(), "user-state".to_owned());
        let absent = StoredUser::absent(&Rule::new(RuleSettings::default())?);
        Ok(Self { client, store, user: StoredUser { state: warm_state()?, version: Some(2), ..absent } })
    }

    /// CPU seconds of one PutItem by the SDK.
    fn seconds_by_sdk(&self, runtime: &Runtime) -> anyhow::Result<f64> {
        seconds_each(runtime, async || {
            let id = AttributeValue::S("user001".to_owned());
            let request = self.client.put_item().table_name("user-state").item("userId", id);
            request.item("state", AttributeValue::B(Blob::new(vec![7; STATE_BYTES]))).send().await?;
            Ok(())
        })
    }

    /// CPU seconds of one commit by the store.
    fn seconds_by_store(&self, runtime: &Runtime) -> anyhow::Result<f64> {
        seconds_each(runtime, async || {
            let committed = self.store.commit("user001", &self.user, Some(1)).await;
            committed.map_err(|error| anyhow::anyhow!("{error:?}"))
        })
    }
}

fn seconds_each(runtime: &Runtime, call: impl AsyncFn() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let all = async {
        for _ in 0..PUTS_PER_ROUND {
            call().await?;
        }
        Ok(())
    };
    Ok(timed(|| runtime.block_on(all))?.0 / number(PUTS_PER_ROUND))
}

fn put_figures(report: &mut Report, puts: &Puts, runtime: &Runtime) -> anyhow::Result<()> {
    let (sdk_rounds, store_rounds) =
        alternating(1 + ROUNDS, |_| puts.seconds_by_sdk(runtime), |_| puts.seconds_by_store(runtime))?;
    let sdk = format!("PutItem of {STATE_BYTES} B, the SDK alone");
    let store = "commit of a user: its state encoded, its item and condition put by the SDK".to_owned();
    for (what, rounds) in [(sdk, sdk_rounds), (store, store_rounds)] {
        let warm = Spread::of(rounds.into_iter().skip(1).map(|seconds| seconds * 1e6));
        report.add(Figure::new('c', what, "µs CPU").ours(warm));
    }
    Ok(())
}

pub(crate) fn run(report: &mut Report, with_peer: bool) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let puts = Puts::new()?;
    put_figures(report, &puts, &runtime)?;
    for users in USERS {
        let detector = detector(&Env::from_pairs([("CACHE_USERS_MAX", CACHE_USERS_MAX)]), responses::AcceptingAws)?;
        let mut peer = if with_peer { Some(Peer::start()?) } else { None };
        let mut feed = Feed::new(users)?;
        for event in feed.warm_up(if users > 1_000 { 12 } else { 36 })? {
            let history = [event?];
            runtime.block_on(handle(&detector, &history))?;
            peer.as_mut().map_or(Ok(0.0), |peer| peer.handle(&history))?;
        }
        for batch in BATCHES {
            let rounds: Vec<Vec<String>> = (0..=ROUNDS)
                .map(|_| feed.events(RECORDS_PER_ROUND.div_ceil(batch), batch))
                .collect::<anyhow::Result<_>>()?;
            let bounds = RefCell::new(Vec::new());
            let ours = |events: &[String]| {
                let (seconds, handled) = timed(|| runtime.block_on(handle(&detector, events)))?;
                let put_seconds = number(handled.user_batches) * puts.seconds_by_sdk(&runtime)?;
                bounds.borrow_mut().push(number(events.len() * batch) / put_seconds);
                Ok(seconds)
            };
            let rates = compare(&rounds, ours, peer.as_mut())?;
            report.add(figure(users, batch, &rates));
            report.add(bound_figure(users, batch, &bounds.into_inner().split_off(1), &rates.1));
        }
    }
    Ok(())
}

/// Records per CPU-second, ours and the peer's. The first round warms up.
fn compare(
    rounds: &[Vec<String>],
    ours: impl Fn(&[String]) -> anyhow::Result<f64>,
    mut peer: Option<&mut Peer>,
) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    let batch =
        rounds.first().and_then(|events| events.first()).map_or(0, |event| event.matches("\"kinesis\":").count());
    let at = |round: usize| rounds.get(round).map(Vec::as_slice).unwrap_or_default();
    let records = |round: usize| number(at(round).len() * batch);
    let (mut our_rates, mut peer_rates) = alternating(
        rounds.len(),
        |round| Ok(records(round) / ours(at(round))?),
        |round| peer.as_mut().map_or(Ok(f64::NAN), |peer| Ok(records(round) / peer.handle(at(round))?)),
    )?;
    Ok((our_rates.split_off(1), peer_rates.split_off(1)))
}

/// The rate if the SDK's PutItem for each user and batch were the only cost.
fn bound_figure(users: u32, batch: usize, bounds: &[f64], peer: &[f64]) -> Figure {
    let figure = Figure::new('c', format!("{users} users, {batch} records, if only PutItem cost CPU"), "records/CPU-s");
    let figure = figure.ours(Spread::of(bounds.iter().copied()));
    if peer.iter().any(|rate| rate.is_nan()) {
        return figure;
    }
    figure.beside(PEER, Spread::of(peer.iter().copied()), Spread::ratio(bounds, peer))
}

fn figure(users: u32, batch: usize, (ours, peer): &(Vec<f64>, Vec<f64>)) -> Figure {
    let figure = Figure::new('c', format!("detector call, {users} users, {batch} records"), "records/CPU-s");
    let figure = figure.ours(Spread::of(ours.iter().copied()));
    if peer.iter().any(|rate| rate.is_nan()) {
        return figure;
    }
    let ratio = Spread::ratio(ours, peer);
    let least = if users == 1_000 && batch == 1_000 { RATIO_MIN_AT_THE_CENTRE } else { RATIO_MIN };
    let figure = figure.beside(PEER, Spread::of(peer.iter().copied()), ratio);
    figure.target(Target::ratio_at_least(least, ratio.median))
}
