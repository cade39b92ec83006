//! What comes after the topic: its messages go to the queues of the channels, and from there through the notifier to receivers and
//! responses.
//!
//! Nothing of it acts on what comes before, so it has a world of its own, with dice of its own, and gets the messages that the topic
//! took.

mod ports;
mod promises;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use alerter::publication::{Audience, Publication};
use event_source::sqs::{MemorySqs, SqsMapping, SqsMappingSettings};
use lambda_kit::Clock;
use notifier::Channel;

use super::dice::Dice;
use super::function::Deployed;
use super::trace::Trace;
use super::world::World;
pub(crate) use ports::SimulatedNotifier;

/// A channel that reads several alerts in one message, one that gets each by itself, and the response.
pub(crate) const CHANNELS: [Channel; 3] = [Channel::Slack, Channel::Webhook, Channel::Respond];
/// Visibility time-out of the queues, and the function's time-out, as the template has them.
const VISIBILITY_TIMEOUT_MS: i64 = 300_000;
/// Deliveries after which a message would go to the dead-letter queue, as the template has it. None may get there in so short a time.
const RECEIVES_MAX: u32 = 96;
const TIMEOUT_MS: u32 = 45_000;
const STEP_MS: u64 = 2_000;
/// Steps within which a queue drains once nothing fails: one for each message, and these for time-outs, holds and what was taken apart.
const DRAIN_STEPS_EXTRA: usize = 20;
/// Steps of a drain after which no receiver is left alone any more for what it said before: 15 minutes.
const HOLD_STEPS_MAX: usize = 4;
/// Makes the dice of this part independent of those of the rest.
const SEED: u64 = 0x6368_616e_6e65_6c73;

/// A message that the topic took.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    audience: Audience,
    document: String,
}

/// The part of the world that the notifier sees.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    /// What the topic took.
    pub(crate) published: RefCell<Vec<Published>>,
    queues: BTreeMap<Channel, Rc<MemorySqs>>,
    /// How often a channel has to get a message or an alert: once for each time that it was published.
    expected: RefCell<Deliveries>,
    /// How often it got it.
    received: RefCell<Deliveries>,
    /// What may come twice.
    excused: RefCell<BTreeSet<(Channel, String)>>,
    /// The names of the executions, and the alerts that they are for.
    executions: RefCell<BTreeMap<String, String>>,
    /// The channel whose receiver takes nothing.
    dead: Cell<Option<Channel>>,
}

type Deliveries = BTreeMap<(Channel, String), u32>;

impl Channels {
    pub(crate) fn of_simulation() -> Self {
        let queue = |channel| (channel, Rc::new(MemorySqs::new(VISIBILITY_TIMEOUT_MS, Some(RECEIVES_MAX))));
        Self { queues: CHANNELS.map(queue).into(), ..Self::default() }
    }

    /// The topic takes a publication.
    pub(crate) fn publish(&self, publication: &Publication) {
        let Publication { audience, document, .. } = publication;
        let published = Published { audience: *audience, document: document.clone() };
        self.published.borrow_mut().push(published);
    }

    fn deliver(&self, channel: Channel, key: String) {
        *self.received.borrow_mut().entry((channel, key)).or_default() += 1;
    }

    pub(crate) fn excuse(&self, delivered: impl IntoIterator<Item = (Channel, String)>) {
        self.excused.borrow_mut().extend(delivered);
    }
}

type Mapping = SqsMapping<Rc<MemorySqs>, Deployed<SimulatedNotifier>>;

/// The queues with their mappings to one function.
struct Pipeline {
    world: World,
    mappings: BTreeMap<Channel, Mapping>,
    overlaps: bool,
}

/// Runs what the topic took through the channels, first with faults, then without, and checks what the receivers got.
pub(crate) async fn run(seed: u64, trace: &Trace, published: Vec<Published>) -> Result<(), String> {
    let dice = Dice::new(seed ^ SEED);
    let pipeline = Pipeline::new(&dice, trace.clone())?;
    pipeline.live(published).await?;
    pipeline.world.ensure_unbroken()?;
    dice.rest();
    pipeline.world.channels.dead.set(pipeline.some_channel());
    pipeline.world.note(|| format!("nothing fails but {:?}", pipeline.world.channels.dead.get()));
    pipeline.drain().await?;
    pipeline.world.channels.dead.set(None);
    pipeline.drain().await?;
    pipeline.world.ensure_unbroken()?;
    promises::check(&pipeline.world.channels, pipeline.overlaps)
}

impl Pipeline {
    fn new(dice: &Dice, trace: Trace) -> Result<Self, String> {
        let world = World::with_timeout(dice.clone(), trace, 1, Some(TIMEOUT_MS))?;
        // Half of the queues deliver every message once.
        let overlaps = dice.chance(0.5);
        let function = Deployed::new(world.clone(), overlaps);
        let mapping = |(channel, queue): (&Channel, &Rc<MemorySqs>)| {
            let settings = SqsMappingSettings::default();
            (*channel, SqsMapping::new(ports::queue_arn(*channel), Rc::clone(queue), function.clone(), settings))
        };
        let mappings = world.channels.queues.iter().map(mapping).collect();
        Ok(Self { world, mappings, overlaps })
    }

    /// While faults are on, the topic sends, and now and then a receiver takes nothing for a while.
    async fn live(&self, published: Vec<Published>) -> Result<(), String> {
        let dice = &self.world.dice;
        let mut published = published.into_iter().peekable();
        while published.peek().is_some() {
            for message in published.by_ref().take(dice.index(5) + 1) {
                self.send(&message);
            }
            if dice.fails() {
                self.world.channels.dead.set(self.some_channel());
            }
            self.step(STEP_MS).await?;
        }
        Ok(())
    }

    fn some_channel(&self) -> Option<Channel> {
        let dice = &self.world.dice;
        (!dice.is_faultless()).then(|| CHANNELS.get(dice.index(CHANNELS.len())).copied()).flatten()
    }

    /// The subscriptions: each channel gets what its filter lets through.
    fn send(&self, message: &Published) {
        let (channels, now_ms) = (&self.world.channels, self.world.clock.now_ms());
        for (channel, queue) in channels.queues.iter().filter(|(channel, _)| takes(**channel, message)) {
            for key in promises::keys(*channel, &message.document) {
                *channels.expected.borrow_mut().entry((*channel, key)).or_default() += 1;
            }
            queue.send(message.document.clone(), now_ms);
        }
    }

    /// Steps every mapping once. Returns the channels of which nothing waits, and those of which a message failed.
    async fn step(&self, ms: u64) -> Result<(BTreeSet<Channel>, BTreeSet<Channel>), String> {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        let (mut idle, mut failing) = (BTreeSet::new(), BTreeSet::new());
        for (channel, mapping) in &self.mappings {
            let step = mapping.step(self.world.clock.now_ms()).await.map_err(|error| error.to_string())?;
            if mapping.source().is_empty() {
                idle.insert(*channel);
            }
            if step.deleted < step.received {
                failing.insert(*channel);
            }
        }
        Ok((idle, failing))
    }

    /// I17: every channel drains but the one whose receiver takes nothing, and once their own holds are over, no message of them fails.
    async fn drain(&self) -> Result<(), String> {
        let waiting: usize = self.world.channels.queues.values().map(|queue| queue.len()).sum();
        let alerts = self.world.channels.expected.borrow().len();
        let living = |channel: &&Channel| self.world.channels.dead.get() != Some(**channel);
        for number in 0..waiting + alerts + DRAIN_STEPS_EXTRA {
            let (idle, failing) = self.step(VISIBILITY_TIMEOUT_MS.unsigned_abs()).await?;
            if let Some(channel) = failing.iter().filter(living).find(|_| number > HOLD_STEPS_MAX) {
                return Err(format!("I17: {} is held up by another channel", channel.as_str()));
            }
            let is_drained = CHANNELS.iter().filter(living).all(|channel| idle.contains(channel));
            if is_drained && self.world.calls_running.get() == 0 {
                return Ok(());
            }
        }
        self.world.ensure_unbroken()?;
        Err(format!("I17: with {:?} dead, the others do not drain", self.world.channels.dead.get()))
    }
}

/// The filters of the subscriptions, as the template has them.
fn takes(channel: Channel, message: &Published) -> bool {
    match channel {
        Channel::Respond | Channel::Webhook => message.audience != Audience::Summary,
        _ => message.audience != Audience::Digest,
    }
}
