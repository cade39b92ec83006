//! One seed's schedule: records are put while faults are on; then the faults stop and everything has to drain.

mod puts;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use alerter::Alerter;
use alerter::event::DIGEST_DUE;
use anomaly_core::Rule;
use detector::Detector;
use event_source::kinesis::{
    FailedBatch, KinesisMapping, KinesisMappingSettings, LOCAL_STREAM_ARN, MemoryStream, OnFailure,
};
use event_source::sqs::{MemorySqs, SqsMapping, SqsMappingSettings};
use intake::aggregate::HashRange;
use lambda_kit::Clock;

use super::channels;
use super::clock::SimulatedClock;
use super::dice::Dice;
use super::function::Deployed;
use super::life::SLOW_MS_MAX;
use super::ports::{Anomalies, Quarantine, Reach};
use super::producer::Producer;
use super::promises::{Discarded, check};
use super::reference::Reference;
use super::trace::Trace;
use super::world::{Service, VISIBILITY_TIMEOUT_MS, World};
use super::{Report, Violation};

const QUEUE_ARN: &str = "arn:aws:sqs:us-east-1:000000000000:anomalies";
/// Duration of one step while faults are on.
const STEP_MS: i64 = 1_000;
/// Number of steps while faults are on.
const STEPS: (u32, u32) = (10, 50);
/// Once the faults stop, everything has to drain within one step for each record put, plus these. Each step completes at least one
/// record and, beside it, ten messages; the last messages wait for their visibility time-out.
const DRAIN_STEPS_EXTRA: usize = 20;
/// A batch size that takes all that is there.
const LARGE_BATCH: usize = 1_000;
/// Alerts that a step completes at least: a batch of the alerter's.
const ALERTS_PER_STEP: usize = 10;
/// Duration of a call to a slow service, in ms: at least this, and while faults are on up to that.
const SLOW_MS_MIN: u32 = 65;
const VERY_SLOW_MS: u32 = 4_000;
/// Shares of the steps in which the policy changes and in which a summary is due.
const POLICY_CHANGE_SHARE: f64 = 0.1;
const SUMMARY_SHARE: f64 = 0.15;
/// Most splits and merges of a schedule: a state remembers the positions of four shards.
const RESHARDINGS_MAX: u32 = 2;
/// Half of the schedules start their sequence numbers at most this far below a power of ten, so that they gain a digit on the way.
const BEFORE_GROWTH_MAX: u32 = 400;

pub(crate) type DetectorFunction = Deployed<Detector<Reach, Anomalies, Quarantine, SimulatedClock, Reach>>;
pub(crate) type AlerterFunction = Deployed<Alerter<Reach, Reach, Reach, SimulatedClock>>;

/// Runs the schedule of one seed.
pub(crate) async fn run(seed: u64, trace: &Trace) -> Result<Report, Violation> {
    let violation = |what| Violation { seed, what };
    let dice = Dice::new(seed);
    let mut producer = Producer::new(dice.clone());
    let mut pipeline = Pipeline::new(&dice, trace.clone()).map_err(violation)?;
    for _ in 0..dice.between(STEPS.0, STEPS.1) {
        pipeline.change_the_weather();
        pipeline.put(producer.next_records(pipeline.world.clock.now_ms())).map_err(violation)?;
        pipeline.live().await;
        pipeline.step(STEP_MS).await.map_err(violation)?;
    }
    dice.rest();
    pipeline.let_one_service_stay_slow();
    trace.note(pipeline.world.clock, || "from here on nothing fails".to_owned());
    pipeline.drain().await.map_err(violation)?;
    let report = pipeline.check_promises().await.map_err(violation)?;
    let published = pipeline.world.channels.published.take();
    channels::run(seed, trace, published).await.map_err(violation)?;
    Ok(report)
}

/// Stream, detector, queue and alerter, with the reference for the expected result.
pub(crate) struct Pipeline {
    pub(crate) world: World,
    reference: Rc<RefCell<Reference>>,
    stream: KinesisMapping<MemoryStream, DetectorFunction, Destination>,
    queue: SqsMapping<Rc<MemorySqs>, AlerterFunction>,
    reshardings_left: u32,
    /// The shards by which the KPL packs: those that were open when it last asked.
    kpl_map: Vec<HashRange>,
    rule: &'static Rule,
}

/// The on-failure destination, for discarded batches.
struct Destination {
    world: World,
    reference: Rc<RefCell<Reference>>,
    discarded: RefCell<Discarded>,
    rule: &'static Rule,
}

impl OnFailure for Destination {
    /// Notes which of the records a state has applied. This has to happen now: a later record of the user would hide it.
    async fn discard(&self, batch: FailedBatch) {
        for record in batch.records {
            self.world.note(|| format!("record {} is discarded", record.sequence_number));
            let known = self.reference.borrow().known(&record.sequence_number, &self.world, self.rule);
            self.discarded.borrow_mut().add(known);
        }
    }
}

impl Pipeline {
    fn new(dice: &Dice, trace: Trace) -> Result<Self, String> {
        let is_limited = dice.chance(0.2);
        let settings = KinesisMappingSettings {
            batch_size: if dice.chance(0.2) { LARGE_BATCH } else { dice.index(25) + 1 },
            parallelization_factor: usize::from(dice.chance(0.3)) + 1,
            bisect_batch_on_function_error: dice.chance(0.5),
            retry_attempts_max: (is_limited && dice.chance(0.7)).then(|| dice.between(0, 3)),
            record_age_max_ms: (is_limited && dice.chance(0.5)).then(|| i64::from(dice.between(5_000, 60_000))),
            ..KinesisMappingSettings::default()
        };
        let shards = dice.between(1, 3);
        let growing = 10_u128.pow(dice.between(3, 20)) - u128::from(dice.between(1, BEFORE_GROWTH_MAX));
        let stream =
            if dice.chance(0.5) { MemoryStream::numbered_from(shards, growing) } else { MemoryStream::new(shards) };
        // A discarded batch must not be redelivered later: the expected state would then be unknown.
        let overlaps = !is_limited;
        let mut pipeline = Self::with(dice.clone(), trace, stream, settings, overlaps)?;
        pipeline.reshardings_left = RESHARDINGS_MAX;
        Ok(pipeline)
    }

    /// A pipeline over a stream.
    pub(crate) fn with(
        dice: Dice,
        trace: Trace,
        stream: MemoryStream,
        mapping: KinesisMappingSettings,
        overlaps: bool,
    ) -> Result<Self, String> {
        let lanes = u32::try_from(mapping.parallelization_factor).unwrap_or(u32::MAX);
        let world = World::new(dice, trace, lanes)?;
        let detector = Deployed::new(world.clone(), overlaps);
        let alerter = Deployed::new(world.clone(), true);
        let (anomalies, reference) = (Rc::clone(&world.anomalies), Rc::<RefCell<Reference>>::default());
        let rule = &world.settings.rule;
        let destination =
            Destination { world: world.clone(), reference: Rc::clone(&reference), discarded: RefCell::default(), rule };
        let mut pipeline = Self {
            world,
            reference,
            stream: KinesisMapping::new(LOCAL_STREAM_ARN.to_owned(), stream, detector, destination, mapping),
            queue: SqsMapping::new(QUEUE_ARN.to_owned(), anomalies, alerter, SqsMappingSettings::default()),
            reshardings_left: 0,
            kpl_map: Vec::new(),
            rule,
        };
        pipeline.note_shards();
        pipeline.kpl_map = pipeline.open_ranges();
        Ok(pipeline)
    }

    /// Faults stop, but one service may stay slow: after a flood the quarantine, which has the most to take.
    fn let_one_service_stay_slow(&self) {
        let dice = &self.world.dice;
        let (service, ms) = slow(dice, SLOW_MS_MAX);
        let service = if self.world.is_flooded.get() && dice.chance(0.7) { Service::Quarantine } else { service };
        self.world.slow.set(dice.chance(0.5).then_some((service, ms)));
    }

    /// Now and then a service is slow for a while.
    fn change_the_weather(&self) {
        let dice = &self.world.dice;
        if dice.fails() {
            self.world.slow.set(Some(slow(dice, VERY_SLOW_MS)));
            self.world.note(|| format!("{:?} is slow from here on", self.world.slow.get()));
        } else if dice.chance(0.3) {
            self.world.slow.set(None);
        }
    }

    /// People change the policy, and the schedule asks for a summary.
    async fn live(&self) {
        let dice = &self.world.dice;
        if dice.chance(POLICY_CHANGE_SHARE) {
            self.world.change_policy();
        }
        if dice.chance(SUMMARY_SHARE) {
            let summary = self.queue.function().clone().invoke_later(DIGEST_DUE);
            if dice.chance(0.5) {
                summary.await;
            } else {
                tokio::task::spawn_local(summary);
            }
        }
    }

    /// Steps both mappings once. Returns whether nothing is pending.
    async fn step(&mut self, ms: i64) -> Result<bool, String> {
        tokio::time::sleep(Duration::from_millis(ms.unsigned_abs())).await;
        let step = self.stream.step(self.world.clock.now_ms()).await.map_err(|error| error.to_string())?;
        let received = self.queue.step(self.world.clock.now_ms()).await.map_err(|error| error.to_string())?.received;
        let is_stream_idle = (step.invocations, step.records_done, step.records_open) == (0, 0, 0);
        let is_queue_idle = received == 0 && self.world.anomalies.is_empty();
        Ok(is_stream_idle && is_queue_idle && self.world.calls_running.get() == 0)
    }

    /// Steps until nothing is pending.
    pub(crate) async fn drain(&mut self) -> Result<(), String> {
        let steps_max = {
            let reference = self.reference.borrow();
            reference.puts() + reference.user_records() / ALERTS_PER_STEP + DRAIN_STEPS_EXTRA
        };
        for _ in 0..steps_max {
            let is_idle = self.step(VISIBILITY_TIMEOUT_MS).await?;
            if is_idle && !self.world.ledger.is_waiting() {
                return Ok(());
            }
            self.queue.function().clone().invoke_later(DIGEST_DUE).await;
        }
        self.world.ensure_unbroken()?;
        Err("I6: without faults, not everything drains".to_owned())
    }

    /// Compares the world with the fold, redelivers the latest batches, and compares again.
    pub(crate) async fn check_promises(&mut self) -> Result<Report, String> {
        let discarded = self.stream.destination().discarded.take();
        let expected = self.reference.borrow().fold(self.rule, &discarded.unknown);
        check(&self.world, &expected, &discarded)?;
        if discarded.places.is_empty() {
            self.redeliver_latest().await?;
            check(&self.world, &expected, &discarded)?;
        }
        Ok(Report {
            records: self.reference.borrow().puts(),
            anomalies: expected.anomalies.len(),
            discarded: discarded.places.len(),
            mishaps: self.world.dice.mishaps(),
            together: self.world.written_together.get(),
        })
    }

    /// I7: redelivers the latest batches to both functions. No state may change, and nothing may be published. An outbox that could
    /// not be cleared before may be sent and cleared now, which the ledger makes harmless.
    async fn redeliver_latest(&mut self) -> Result<(), String> {
        self.world.note(|| "the latest batches are redelivered".to_owned());
        let before = (self.world.states(), self.world.published.borrow().clone());
        for event in self.stream.function().events() {
            self.stream.function().clone().run(event).await;
        }
        for event in self.queue.function().events() {
            self.queue.function().clone().run(event).await;
        }
        self.drain().await?;
        if before == (self.world.states(), self.world.published.borrow().clone()) {
            Ok(())
        } else {
            Err("I7: redelivering finished batches changed something".to_owned())
        }
    }
}

/// Some service, slow.
fn slow(dice: &Dice, ms_max: u32) -> (Service, u32) {
    let service = Service::ALL.get(dice.index(Service::ALL.len())).copied().unwrap_or(Service::Store);
    (service, dice.between(SLOW_MS_MIN, ms_max))
}
