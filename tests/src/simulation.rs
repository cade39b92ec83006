//! A deterministic simulation: one seed decides what producers put, which effect fails, when a container dies. The handlers and
//! the mappings are the real ones; only the ports are played.
//!
//! While the dice fall, every effect may be refused, or take place and have its answer lost; reads may be stale; a container may
//! die between any two effects; batches that were done may be delivered once more; the deadline may be near; shards split and
//! merge. Then the dice rest, everything has to drain within a bounded number of steps, and what came out is held against a plain
//! fold of the same records.

mod dice;
mod functions;
mod ports;
mod producer;
mod reference;

use std::cell::RefCell;
use std::rc::Rc;

use dice::Dice;
use event_source::kinesis::{self, KinesisMapping, MemoryStream};
use event_source::sqs::{self, MemoryQueue, SqsMapping};
use functions::{AlerterFunction, DetectorFunction};
use lambda_kit::{Clock, ManualClock};
use ports::World;
use producer::Producer;
use reference::Reference;

/// ARN of the stream.
const STREAM_ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/transactions";
const QUEUE_ARN: &str = "arn:aws:sqs:us-east-1:000000000000:anomalies";
const START_MS: i64 = 1_760_000_100_000;
/// One step of the simulation.
const STEP_MS: i64 = 1_000;
/// Steps while the dice fall.
const STEPS: u32 = 60;
/// Steps, beyond one for each record put, within which everything has to drain once they rest: each step completes at least one
/// record, and beside it ten messages; the last messages wait for their visibility time-out.
const DRAIN_STEPS_EXTRA: usize = 20;
/// How long a received message is hidden; every lease runs out before.
const VISIBILITY_TIMEOUT_MS: i64 = 180_000;

/// What a schedule came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Records put.
    pub records: usize,
    /// Anomalies that had to be alerted.
    pub anomalies: usize,
    /// Effects that failed.
    pub faults: u64,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}: {what}")]
pub struct Violation {
    /// Replays it.
    pub seed: u64,
    /// What was promised and did not hold.
    pub what: String,
}

/// Runs the schedule of one seed.
///
/// # Errors
/// [`Violation`] says which promise did not hold.
pub fn run(seed: u64) -> Result<Report, Violation> {
    let violation = |what| Violation { seed, what };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|error| violation(error.to_string()))?;
    runtime.block_on(simulate(seed)).map_err(violation)
}

/// Everything of one schedule.
struct Simulation {
    dice: Dice,
    clock: ManualClock,
    world: World,
    producer: Producer,
    reference: Reference,
    stream: KinesisMapping<MemoryStream, DetectorFunction, RefCell<Vec<kinesis::FailedBatch>>>,
    queue: SqsMapping<Rc<MemoryQueue>, AlerterFunction>,
}

async fn simulate(seed: u64) -> Result<Report, String> {
    let mut simulation = Simulation::new(seed)?;
    for _ in 0..STEPS {
        simulation.produce()?;
        simulation.step(STEP_MS).await?;
    }
    simulation.dice.rest();
    for _ in 0..simulation.reference.records() + DRAIN_STEPS_EXTRA {
        if simulation.step(VISIBILITY_TIMEOUT_MS).await? {
            return simulation.verdict();
        }
    }
    Err("I6: without faults, not everything drains".to_owned())
}

impl Simulation {
    fn new(seed: u64) -> Result<Self, String> {
        let dice = Dice::new(seed);
        let clock = ManualClock::at(START_MS);
        let world = World::new(dice.clone(), clock.clone(), Rc::new(MemoryQueue::new(VISIBILITY_TIMEOUT_MS, None)));
        let reference = Reference::new()?;
        let producer = Producer::new(dice.clone());
        let shards = if producer.packs() { 1 } else { dice.between(1, 3) };
        let settings = kinesis::Settings {
            batch_size: usize::try_from(dice.between(1, 25)).map_err(|error| error.to_string())?,
            parallelization_factor: if producer.packs() { 1 } else { usize::from(dice.chance(0.3)) + 1 },
            bisect_batch_on_function_error: dice.chance(0.5),
            ..kinesis::Settings::default()
        };
        let detector = DetectorFunction::new(world.clone())?;
        let alerter = AlerterFunction::new(world.clone())?;
        Ok(Self {
            stream: KinesisMapping::new(
                STREAM_ARN.to_owned(),
                MemoryStream::new(shards),
                detector,
                RefCell::default(),
                settings,
            ),
            queue: SqsMapping::new(QUEUE_ARN.to_owned(), Rc::clone(&world.queue), alerter, sqs::Settings::default()),
            dice,
            clock,
            world,
            producer,
            reference,
        })
    }

    /// Puts some records, and now and then reshards.
    fn produce(&mut self) -> Result<(), String> {
        for put in self.producer.next_records(self.clock.now_ms()) {
            let placed = self.stream.source().put(&put.partition_key, put.data.clone(), self.clock.now_ms());
            self.reference.add(&put, &placed, self.clock.now_ms())?;
        }
        if !self.producer.packs() && self.dice.chance(0.02) {
            let shard = self.dice.between(0, 5);
            self.stream.source().split(&format!("shardId-{shard:012}"));
        }
        Ok(())
    }

    /// Lets both mappings work once; answers whether nothing is under way.
    async fn step(&mut self, ms: i64) -> Result<bool, String> {
        self.clock.advance(ms);
        let step = self.stream.step(self.clock.now_ms()).await.map_err(|error| error.to_string())?;
        let received = self.queue.step(self.clock.now_ms()).await.map_err(|error| error.to_string())?.received;
        Ok(step.invocations == 0 && step.records_open == 0 && received == 0 && self.world.queue.is_empty())
    }

    fn verdict(&self) -> Result<Report, String> {
        self.reference.check(&self.world)?;
        if !self.stream.destination().borrow().is_empty() {
            return Err("a batch was given up although there is no limit".to_owned());
        }
        Ok(Report {
            records: self.reference.records(),
            anomalies: self.reference.anomalies(),
            faults: self.dice.faults(),
        })
    }
}
