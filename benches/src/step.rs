//! (b) One step of the state machine, alone and with decoding, by number of users.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hint::black_box;

use anomaly_core::profile::{Model, ModelJson};
use anomaly_core::{ModelMode, Position, Rule, RuleKind, RuleSettings, ShardId, Transaction, UserState};
use anyhow::Context;
use detector::decode::{Batch, Shards};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::clock::timed;
use crate::input::{Feed, SHARD_ID, START_MS, first_sequence_number};
use crate::report::{Figure, Report, Target};
use crate::spread::{Spread, number};

const STEP_USERS: [usize; 6] = [5, 100, 1_000, 10_000, 100_000, 1_000_000];
const TOGETHER_USERS: [u32; 4] = [5, 1_000, 100_000, 1_000_000];
const ROUNDS: usize = 5;
/// Minimum number of transactions in one round; a round consists of whole sweeps over all users.
const STEPS_PER_ROUND: usize = 500_000;
/// Each user has one transaction every 12 s, as 1,000 users have at 5,000 a minute: nearly every transaction advances the window to a
/// new pane, which is the most expensive case.
const GAP_MS: i64 = 12_000;
/// Sweeps that fill a window of 300 s.
const WARM_SWEEPS: u32 = 30;
const RECORDS_PER_BATCH: usize = 1_000;
const BATCHES_PER_ROUND: usize = 100;
/// At most, with 1,000 users and with a million.
const TOGETHER_NS_MAX: [(u32, f64); 2] = [(1_000, 850.0), (1_000_000, 1_600.0)];
/// Users whose states are copied, to see what waiting for memory alone costs.
const COPY_USERS: [usize; 2] = [1_000, 1_000_000];

/// Amounts and ids repeat after this many draws; both numbers are prime, so pairs of them repeat after 33 million.
const AMOUNTS: usize = 8_191;
const IDS: usize = 4_093;
/// More than a context remembers.
const MERCHANTS: usize = 97;

/// Users and a source of transactions for them.
struct Sweeper {
    states: Vec<UserState>,
    order: Vec<usize>,
    amounts: Vec<f64>,
    ids: Vec<String>,
    merchants: Vec<String>,
    rule: Rule,
    shard: ShardId,
    position: Position,
    sweep: i64,
    drawn: usize,
}

/// The rules beside the default, for 1,000 users: what a step may cost in ns, if there is a target.
fn rules() -> anyhow::Result<[(&'static str, Rule, Option<f64>); 3]> {
    let alone = |kind| Rule::new(RuleSettings::of(kind));
    let model: Model = serde_json::from_str(include_str!("../../tests/data/parity/profile/model.json"))?;
    Ok([
        ("`profile`", alone(RuleKind::Profile)?, Some(1_000.0)),
        (
            "`profile` with a context and 60 trees",
            alone(RuleKind::Profile)?.with_model(sixty_trees(model)?, ModelMode::Alert),
            Some(1_500.0),
        ),
        (
            "`adaptive` with a second opinion",
            alone(RuleKind::Adaptive)?.with_second_opinion(alone(RuleKind::Profile)?),
            None,
        ),
    ])
}

/// As many trees as `sigma train` makes, from a model with fewer.
fn sixty_trees(model: Model) -> anyhow::Result<Model> {
    let json = ModelJson::from(model);
    let trees = json.trees.iter().cycle().take(60).cloned().collect();
    Ok(ModelJson { trees, ..json }.try_into()?)
}

impl Sweeper {
    fn new(users: usize) -> anyhow::Result<Self> {
        Self::with(users, Rule::new(RuleSettings::default())?)
    }

    fn with(users: usize, rule: Rule) -> anyhow::Result<Self> {
        let mut random = ChaCha8Rng::seed_from_u64(42);
        let mut order: Vec<usize> = (0..users).collect();
        order.shuffle(&mut random);
        Ok(Self {
            states: vec![UserState::new(&rule); users],
            order,
            amounts: (0..AMOUNTS).map(|_| random.random_range(10.0..500.0)).collect(),
            ids: (0..IDS).map(|i| format!("txn_{i:06}")).collect(),
            merchants: (0..MERCHANTS).map(|i| format!("merchant_{i}")).collect(),
            rule,
            shard: SHARD_ID.parse()?,
            position: Position { sequence_number: first_sequence_number().parse()?, sub_sequence: 0 },
            sweep: 0,
            drawn: 0,
        })
    }

    /// Steps one transaction of each user, in an order that no cache can predict.
    fn sweep(&mut self) {
        let event_time_ms = START_MS + self.sweep * GAP_MS;
        self.sweep += 1;
        for user in &self.order {
            self.drawn += 1;
            let amount = self.amounts.get(self.drawn % AMOUNTS);
            let id = self.ids.get(self.drawn % IDS);
            let (Some(amount), Some(id)) = (amount, id) else { continue };
            let merchant = self.merchants.get(self.drawn % MERCHANTS);
            let Some(state) = self.states.get_mut(*user) else { continue };
            self.position.sub_sequence += 1;
            let transaction = Transaction {
                user_id: Cow::Borrowed("user"),
                amount: *amount,
                event_time_ms,
                transaction_id: Some(Cow::Borrowed(id)),
                merchant_id: merchant.map(|merchant| Cow::Borrowed(merchant.as_str())),
            };
            black_box(state.step(&self.shard, self.position, &transaction, &self.rule));
        }
    }
}

/// The state of a user with a full window.
pub(crate) fn warm_state() -> anyhow::Result<UserState> {
    let mut sweeper = Sweeper::new(1)?;
    (0..WARM_SWEEPS).for_each(|_| sweeper.sweep());
    sweeper.states.pop().context("no state")
}

pub(crate) fn run(report: &mut Report) -> anyhow::Result<()> {
    let step = |users, what: String, sweeper: Sweeper| {
        Ok::<_, anyhow::Error>(Figure::new('b', what, "ns/transaction").ours(Spread::of(ns_per_step(users, sweeper)?)))
    };
    for users in STEP_USERS {
        report.add(step(users, format!("step, {users} users"), Sweeper::new(users)?)?);
    }
    for (name, rule, ns_max) in rules()? {
        let spread = Spread::of(ns_per_step(1_000, Sweeper::with(1_000, rule)?)?);
        let figure = Figure::new('b', format!("step, 1000 users, {name}"), "ns/transaction").ours(spread);
        report.add(match ns_max {
            Some(ns_max) => figure.target(Target::at_most(ns_max, spread.median)),
            None => figure,
        });
    }
    let most = STEP_USERS.into_iter().max().unwrap_or_default();
    let what = format!("step, {most} users, in memory order");
    report.add(step(most, what, Sweeper { order: (0..most).collect(), ..Sweeper::new(most)? })?);
    for users in COPY_USERS {
        let spread = Spread::of(ns_per_copy(users, Sweeper::new(users)?)?);
        report.add(Figure::new('b', format!("copy of a state, {users} users"), "ns/state").ours(spread));
    }
    together(report)
}

/// Copying reads a state and its panes once, in the order of the steps: what a step of as many users waits for at least.
fn ns_per_copy(users: usize, mut sweeper: Sweeper) -> anyhow::Result<Vec<f64>> {
    (0..WARM_SWEEPS).for_each(|_| sweeper.sweep());
    let sweeps = STEPS_PER_ROUND.div_ceil(users);
    let copy = |user: &usize| drop(black_box(sweeper.states.get(*user).cloned()));
    let round = || {
        let (seconds, ()) = timed(|| {
            (0..sweeps).for_each(|_| sweeper.order.iter().for_each(copy));
            Ok(())
        })?;
        Ok(seconds * 1e9 / number(sweeps * users))
    };
    (0..ROUNDS).map(|_| round()).collect()
}

fn ns_per_step(users: usize, mut sweeper: Sweeper) -> anyhow::Result<Vec<f64>> {
    (0..WARM_SWEEPS).for_each(|_| sweeper.sweep());
    let sweeps = STEPS_PER_ROUND.div_ceil(users);
    let mut round = || {
        let (seconds, ()) = timed(|| {
            (0..sweeps).for_each(|_| sweeper.sweep());
            Ok(())
        })?;
        Ok(seconds * 1e9 / number(sweeps * users))
    };
    (0..ROUNDS).map(|_| round()).collect()
}

/// Decoding and stepping as in the detector, on batches of 1,000 records.
fn together(report: &mut Report) -> anyhow::Result<()> {
    for users in TOGETHER_USERS {
        let spread = Spread::of(decode_and_step(users)?);
        let figure = Figure::new('b', format!("decode + step, {users} users"), "ns/record").ours(spread);
        report.add(match TOGETHER_NS_MAX.into_iter().find(|(of, _)| *of == users) {
            Some((_, ns_max)) => figure.target(Target::at_most(ns_max, spread.median)),
            None => figure,
        });
    }
    Ok(())
}

fn decode_and_step(users: u32) -> anyhow::Result<Vec<f64>> {
    let mut sweeper = Sweeper::new(usize::try_from(users)?)?;
    (0..WARM_SWEEPS).for_each(|_| sweeper.sweep());
    let ids = (1..=users).map(|user| format!("user{user:03}"));
    let mut states: HashMap<String, UserState> = ids.zip(sweeper.states).collect();
    let mut feed = Feed::after(users, START_MS + sweeper.sweep * GAP_MS)?;
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..=ROUNDS {
        let events = feed.events(BATCHES_PER_ROUND, RECORDS_PER_BATCH)?;
        let step_one = |event: &String| step_all(event, &mut states, &sweeper.rule);
        let (seconds, steps) = timed(|| events.iter().map(step_one).sum::<anyhow::Result<usize>>())?;
        rounds.push(seconds * 1e9 / number(steps));
    }
    // The first round warms up.
    Ok(rounds.split_off(1))
}

fn step_all(event: &str, states: &mut HashMap<String, UserState>, rule: &Rule) -> anyhow::Result<usize> {
    let batch = Batch::parse(std::str::from_utf8(event.as_bytes())?)?;
    let segment = batch.segment(0, &Shards::default());
    let decoded = segment.decode(300_000);
    for record in &decoded.records {
        if let Some(state) = states.get_mut(record.transaction.user_id.as_ref()) {
            black_box(state.step(&record.envelope.shard, record.position, &record.transaction, rule));
        }
    }
    Ok(decoded.records.len())
}
