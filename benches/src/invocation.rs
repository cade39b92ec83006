//! (c) A warm call of the detector without the network, beside the Python peers on the same events.

mod peer;
mod writes;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use aws_sdk_dynamodb::Client;
use aws_smithy_runtime_api::client::http::HttpConnector;
use detector::window_store::DynamoDbWindowStore;
use detector::{Detector, DetectorSettings};
use lambda_kit::{Clock, Env, Invocation, SystemClock};
use message_queue::SqsQueue;
use peer::{Commits, Peer};
use tokio::runtime::Runtime;
use writes::Writes;

use crate::clock::timed;
use crate::input::Feed;
use crate::report::{Figure, Report, Table, Target, short, spread};
use crate::spread::{Spread, Turn, in_turns, number};
use crate::{aws, responses};

const USERS: [u32; 3] = [5, 1_000, 20_000];
const BATCHES: [usize; 3] = [100, 1_000, 10_000];
const ROUNDS: usize = 5;
/// Records of one round, for which the PutItem peer needs about a second.
const RECORDS_PER_ROUND: usize = 2_000;
/// Large enough to keep every user warm: states cached, windows filled, the first verdict given.
const CACHE_USERS_MAX: &str = "20000";
const INVOCATION_MS: i64 = 600_000;
/// The peers' rule is simpler: it knows no new level and no early amounts. At most one in so many anomalies may differ in number.
const PEERS_DIFFERENCE: u64 = 10;
/// µs of CPU a record, least and most, of a Flink job with tumbling windows per user: state on the heap, and in RocksDB with checkpoints.
/// They are not measured here, but were on another day.
const FLINK_HEAP_US: [f64; 2] = [2.3, 8.5];
const FLINK_ROCKSDB_US: [f64; 2] = [2.8, 19.5];

pub(crate) type OfflineDetector = Detector<DynamoDbWindowStore, SqsQueue, SqsQueue, SystemClock>;

/// A detector on the real SDK, whose requests get their responses at the HTTP connector.
pub(crate) fn detector(env: &Env, connector: impl HttpConnector + Clone + 'static) -> anyhow::Result<OfflineDetector> {
    let config = aws::config().into_builder().http_client(responses::http_client(connector)).build();
    let sqs = aws_sdk_sqs::Client::new(&config);
    let store = DynamoDbWindowStore::new(Client::new(&config), "user-state".to_owned());
    let queue = |name| SqsQueue::new(sqs.clone(), format!("https://sqs.us-east-1.amazonaws.com/000000000000/{name}"));
    Ok(Detector::new(store, queue("anomalies"), queue("quarantine"), SystemClock, DetectorSettings::from_env(env)?))
}

/// Handles events from their bytes to the response's text, as the function does. Returns the sums of users and of anomalies.
pub(crate) async fn handle(detector: &OfflineDetector, events: &[String]) -> anyhow::Result<Handled> {
    let mut handled = Handled::default();
    for event in events {
        let text = std::str::from_utf8(event.as_bytes())?;
        let invocation =
            Invocation { request_id: "bench".to_owned(), deadline_ms: SystemClock.now_ms() + INVOCATION_MS };
        let outcome = detector.handle(text, &invocation).await?;
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

/// Records per CPU-second by round.
struct Rates {
    ours: Vec<f64>,
    /// Of each peer.
    peers: Vec<(Commits, Vec<f64>)>,
    /// If only commits cost CPU.
    bounds: Vec<f64>,
}

pub(crate) fn run(report: &mut Report, with_peers: bool) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let writes = Writes::new()?;
    writes.report(report, &runtime, ROUNDS)?;
    let mut beside_flink = Vec::new();
    for users in USERS {
        let bench = Bench::start(users, with_peers, &runtime, &writes)?;
        bench.run(report, &mut beside_flink)?;
    }
    report.add_table(flink_table(beside_flink));
    Ok(())
}

/// A detector and its peers, with the same users.
struct Bench<'a> {
    users: u32,
    detector: OfflineDetector,
    peers: Vec<Peer>,
    feed: Feed,
    runtime: &'a Runtime,
    writes: &'a Writes,
}

impl<'a> Bench<'a> {
    /// With every user's history applied.
    fn start(users: u32, with_peers: bool, runtime: &'a Runtime, writes: &'a Writes) -> anyhow::Result<Self> {
        let detector = detector(&Env::from_pairs([("CACHE_USERS_MAX", CACHE_USERS_MAX)]), responses::AcceptingAws)?;
        let kinds = if with_peers { &Commits::ALL[..] } else { &[] };
        let mut peers = kinds.iter().map(|commits| Peer::start(*commits)).collect::<anyhow::Result<Vec<_>>>()?;
        let mut feed = Feed::new(users)?;
        for event in feed.warm_up(if users > 1_000 { 12 } else { 36 })? {
            let history = [event?];
            runtime.block_on(handle(&detector, &history))?;
            peers.iter_mut().try_for_each(|peer| peer.handle(&history).map(drop))?;
        }
        for peer in &mut peers {
            peer.take_messages();
        }
        Ok(Self { users, detector, peers, feed, runtime, writes })
    }

    fn run(mut self, report: &mut Report, beside_flink: &mut Vec<Vec<String>>) -> anyhow::Result<()> {
        for batch in BATCHES {
            let rates = self.rates(batch)?;
            add(report, self.users, batch, &rates);
            let us = Spread::of(rates.ours.iter().map(|rate| 1e6 / rate));
            beside_flink.push(vec![self.users.to_string(), batch.to_string(), spread(us)]);
        }
        Ok(())
    }

    /// In turns. The first round warms up.
    fn rates(&mut self, batch: usize) -> anyhow::Result<Rates> {
        let count = RECORDS_PER_ROUND.div_ceil(batch);
        let rounds = (0..=ROUNDS).map(|_| self.feed.events(count, batch)).collect::<anyhow::Result<Vec<_>>>()?;
        let (records, bounds, found) = (number(count * batch), RefCell::new(Vec::new()), Cell::new(0));
        let (detector, runtime, writes) = (&self.detector, self.runtime, self.writes);
        let at = |round: usize| rounds.get(round).map(Vec::as_slice).unwrap_or_default();
        let mut turns: Vec<Turn<'_>> = vec![Box::new(|round| {
            let (seconds, handled) = timed(|| runtime.block_on(handle(detector, at(round))))?;
            found.update(|found| found + handled.anomalies);
            bounds.borrow_mut().push(records / written_alone(writes, runtime, &handled, count)?);
            Ok(records / seconds)
        })];
        turns.extend(
            self.peers
                .iter_mut()
                .map(|peer| -> Turn<'_> { Box::new(move |round| Ok(records / peer.handle(at(round))?)) }),
        );
        let mut measured = in_turns(rounds.len(), &mut turns)?.into_iter().map(|mut rates| rates.split_off(1));
        drop(turns);
        for peer in &mut self.peers {
            let (name, sent, found) = (peer.commits.name(), peer.take_messages(), found.get());
            anyhow::ensure!(
                sent.abs_diff(found) * PEERS_DIFFERENCE <= found,
                "{name} sent {sent} anomalies, and the detector found {found}"
            );
        }
        let ours = measured.next().unwrap_or_default();
        let peers = self.peers.iter().map(|peer| peer.commits).zip(measured).collect();
        Ok(Rates { ours, peers, bounds: bounds.into_inner().split_off(1) })
    }
}

/// CPU seconds that the store needs to commit the users of these calls, as many in a request as a batch of theirs has.
fn written_alone(writes: &Writes, runtime: &Runtime, handled: &Handled, calls: usize) -> anyhow::Result<f64> {
    let users_per_batch = usize::try_from(handled.user_batches)? / calls;
    Ok(number(handled.user_batches) * writes.update_seconds(runtime, users_per_batch)?)
}

/// A row for each peer, and the rate if commits were the only cost.
fn add(report: &mut Report, users: u32, batch: usize, rates: &Rates) {
    let what = format!("detector call, {users} users, {batch} records");
    let figure = Figure::new('c', what, "records/CPU-s").ours(Spread::of(rates.ours.iter().copied()));
    if rates.peers.is_empty() {
        report.add(figure.clone());
    }
    for (commits, peer) in &rates.peers {
        let ratio = Spread::ratio(&rates.ours, peer);
        let figure = figure.clone().beside(commits.name(), Spread::of(peer.iter().copied()), ratio);
        report.add(match commits.ratio_min(users, batch) {
            Some(least) => figure.target(Target::ratio_at_least(least, ratio.median)),
            None => figure,
        });
    }
    let what = format!("{users} users, {batch} records, if only commits cost CPU, 25 a request");
    report.add(Figure::new('c', what, "records/CPU-s").ours(Spread::of(rates.bounds.iter().copied())));
}

/// The same figures as time a record, beside what Flink took elsewhere.
fn flink_table(rows: Vec<Vec<String>>) -> Table {
    let range = |[least, most]: [f64; 2]| format!("{}–{}", short(least), short(most));
    let flink = [range(FLINK_HEAP_US), range(FLINK_ROCKSDB_US)];
    let header = [
        "users",
        "records a batch",
        "sigma, without HTTP and the store",
        "Flink, state on the heap",
        "Flink, RocksDB and checkpoints",
    ];
    Table {
        part: 'c',
        title: "µs of CPU a record, beside Flink, which was measured on another day",
        header: header.map(str::to_owned).to_vec(),
        rows: rows.into_iter().map(|row| row.into_iter().chain(flink.clone()).collect()).collect(),
    }
}
