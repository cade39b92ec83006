//! The world outside the functions: the services' contents, and a record of the functions' effects.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::rc::Rc;
use std::sync::OnceLock;

use alert_policy::Decision;
use alerter::ledger::MemoryLedger;
use alerter::publication::Audience;
use anomaly_core::UserState;
use detector::DetectorSettings;
use detector::window_store::{CommitError, Loaded, StoredUser};
use event_source::sqs::MemorySqs;
use intake::aggregate::HashRange;
use lambda_kit::{Clock, Env};

use super::channels::Channels;
use super::clock::SimulatedClock;
use super::dice::Dice;
use super::policies::Policies;
use super::trace::Trace;

/// Visibility time-out of a received message, longer than any lease.
pub(crate) const VISIBILITY_TIMEOUT_MS: i64 = 180_000;

/// The settings beside the defaults: as a stack has them without any, and two that keep another memory.
const SETTINGS: [&[(&str, &str)]; 3] = [&[], &[("RULE", "profile")], &[("SECOND_OPINION", "profile")]];

/// Settings of the detector. The same for the whole process, so that a table of multipliers is computed once.
fn settings(dice: &Dice) -> Result<&'static DetectorSettings, String> {
    static READ: OnceLock<Result<Vec<DetectorSettings>, String>> = OnceLock::new();
    let read = |pairs: &&[(&str, &str)]| DetectorSettings::from_env(&Env::from_pairs(pairs.iter().copied()));
    let read_all = || SETTINGS.iter().map(read).collect::<Result<_, _>>().map_err(|error| error.to_string());
    let all = READ.get_or_init(read_all).as_ref().map_err(Clone::clone)?;
    all.get(dice.index(all.len())).ok_or_else(|| "there are no settings".to_owned())
}

/// Time-outs of the functions, in ms: the template's, and the shortest that it allows.
const TIMEOUTS_MS: [u32; 3] = [30_000, 60_000, 10_000];

/// What a function calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// The table of user state.
    Store,
    /// The queue of anomalies.
    Anomalies,
    /// The queue of rejected records.
    Quarantine,
    /// The table of the ledger.
    Ledger,
    /// The topic.
    Topic,
    /// The metric.
    Metric,
    /// What channels need of AWS: their queues, the secret, the state machine.
    Channel,
    /// A receiver of a channel.
    Receiver,
}

impl Service {
    /// Those that may be slow for a while.
    pub(crate) const ALL: [Self; 6] =
        [Self::Store, Self::Anomalies, Self::Quarantine, Self::Ledger, Self::Topic, Self::Metric];

    /// Whether the SDK repeats a call of which it does not know the outcome.
    pub(crate) const fn is_repeated(self) -> bool {
        !matches!(self, Self::Topic | Self::Metric | Self::Receiver)
    }
}

/// Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct World(Rc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) dice: Dice,
    pub(crate) clock: SimulatedClock,
    pub(crate) trace: Trace,
    /// Each user's last two items, the current one last: a stale read returns the other.
    pub(crate) users: RefCell<BTreeMap<String, Vec<StoredUser>>>,
    pub(crate) anomalies: Rc<MemorySqs>,
    /// Messages in quarantine, each once.
    pub(crate) quarantine: RefCell<BTreeSet<String>>,
    /// Ids of the anomalies sent.
    sent: RefCell<BTreeSet<String>>,
    pub(crate) ledger: MemoryLedger,
    /// Number of times each alert was published.
    pub(crate) published: RefCell<BTreeMap<String, u32>>,
    /// Whom each alert was published for.
    pub(crate) audiences: RefCell<BTreeMap<String, BTreeSet<Audience>>>,
    /// The decision of each alert's first claim, with its user.
    pub(crate) decided: RefCell<BTreeMap<String, (String, Decision)>>,
    /// Number of summaries that told each alert.
    pub(crate) summarised: RefCell<BTreeMap<String, u32>>,
    /// Alerts of a summary whose call could not take them off the list: they may be told again.
    pub(crate) summarised_again: RefCell<BTreeSet<String>>,
    pub(crate) policies: Policies,
    /// Alerts published by a call that could not record it: these may be published and counted twice.
    pub(crate) excused: RefCell<BTreeSet<String>>,
    pub(crate) anomaly_count: Cell<u32>,
    pub(crate) shadow_count: Cell<u32>,
    /// Whether an addition to the metric took effect and its call could not record it.
    pub(crate) is_count_excused: Cell<bool>,
    /// Calls that are running.
    pub(crate) calls_running: Cell<u32>,
    /// Facts that the world has gained from the detector's calls: states, anomalies sent, records in quarantine.
    pub(crate) advances: Cell<u64>,
    /// Users that were written by requests of several.
    pub(crate) written_together: Cell<u64>,
    /// The service whose calls are slow for now, and how long they take in ms.
    pub(crate) slow: Cell<Option<(Service, u32)>>,
    /// Whether more was put at once than one call of a function may have time for.
    pub(crate) is_flooded: Cell<bool>,
    /// Of the detector.
    pub(crate) settings: &'static DetectorSettings,
    /// The function's time-out in ms.
    pub(crate) timeout_ms: u32,
    /// Lanes of a shard.
    pub(crate) lanes: u32,
    /// The hash keys of each shard.
    pub(crate) ranges: RefCell<BTreeMap<String, HashRange>>,
    /// What comes after the topic.
    pub(crate) channels: Channels,
    /// Calls so far. Their number is their id.
    pub(crate) calls_made: Cell<u32>,
    /// The first promise found broken during the schedule.
    broken: RefCell<Option<String>>,
}

impl Deref for World {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl World {
    pub(crate) fn new(dice: Dice, trace: Trace, lanes: u32) -> Result<Self, String> {
        Self::with_timeout(dice, trace, lanes, None)
    }

    /// A world whose functions have this time-out in ms; `None`: one that is drawn.
    pub(crate) fn with_timeout(dice: Dice, trace: Trace, lanes: u32, timeout_ms: Option<u32>) -> Result<Self, String> {
        let settings = settings(&dice)?;
        let drawn_ms = TIMEOUTS_MS.get(dice.index(TIMEOUTS_MS.len())).copied().unwrap_or_default();
        let timeout_ms = timeout_ms.unwrap_or(drawn_ms);
        Ok(Self(Rc::new(Inner {
            dice,
            clock: SimulatedClock::start(),
            trace,
            users: RefCell::default(),
            anomalies: Rc::new(MemorySqs::new(VISIBILITY_TIMEOUT_MS, None)),
            quarantine: RefCell::default(),
            sent: RefCell::default(),
            ledger: MemoryLedger::default(),
            published: RefCell::default(),
            audiences: RefCell::default(),
            decided: RefCell::default(),
            summarised: RefCell::default(),
            summarised_again: RefCell::default(),
            policies: Policies::default(),
            excused: RefCell::default(),
            anomaly_count: Cell::default(),
            shadow_count: Cell::default(),
            is_count_excused: Cell::default(),
            calls_running: Cell::default(),
            advances: Cell::default(),
            written_together: Cell::default(),
            slow: Cell::default(),
            is_flooded: Cell::default(),
            settings,
            timeout_ms,
            lanes,
            ranges: RefCell::default(),
            channels: Channels::of_simulation(),
            calls_made: Cell::default(),
            broken: RefCell::default(),
        })))
    }

    pub(crate) fn note(&self, what: impl FnOnce() -> String) {
        self.trace.note(self.clock, what);
    }

    /// Reports a broken promise; the first one is kept.
    pub(crate) fn report_broken(&self, what: String) {
        self.broken.borrow_mut().get_or_insert(what);
    }

    /// Fails with the first broken promise, if any.
    pub(crate) fn ensure_unbroken(&self) -> Result<(), String> {
        self.broken.borrow().clone().map_or(Ok(()), Err)
    }

    /// Changes the stored policy.
    pub(crate) fn change_policy(&self) {
        let policy = self.policies.next(&self.dice);
        self.note(|| format!("the policy is {policy:?} from here on"));
        self.ledger.set_policy(policy);
    }

    /// Sends an anomaly.
    pub(crate) fn send(&self, id: String, body: &str) {
        self.anomalies.send(body.to_owned(), self.clock.now_ms());
        self.advance_if(self.sent.borrow_mut().insert(id));
    }

    /// Puts a record into quarantine.
    pub(crate) fn quarantine(&self, body: &str) {
        self.advance_if(self.quarantine.borrow_mut().insert(body.to_owned()));
    }

    fn advance_if(&self, is_new: bool) {
        self.advances.set(self.advances.get() + u64::from(is_new));
    }

    /// The stored item of a user.
    pub(crate) fn stored(&self, user_id: &str) -> Option<StoredUser> {
        self.users.borrow().get(user_id).and_then(|items| items.last()).cloned()
    }

    /// The state of every user.
    pub(crate) fn states(&self) -> BTreeMap<String, UserState> {
        let users = self.users.borrow();
        let current = users.iter().filter_map(|(user_id, items)| Some((user_id, items.last()?)));
        current.map(|(user_id, stored)| (user_id.clone(), stored.state.clone())).collect()
    }

    /// Reads a user's item; a stale read returns the item from before the last write.
    pub(crate) fn read(&self, user_id: &str) -> Loaded {
        let users = self.users.borrow();
        let items = users.get(user_id).map(Vec::as_slice).unwrap_or_default();
        let item = if self.dice.fails() { items.first() } else { items.last() };
        item.map_or(Loaded::Absent, |user| Loaded::Present(Box::new(user.clone())))
    }

    /// The conditional write.
    pub(crate) fn commit(&self, user_id: &str, user: &StoredUser, replaced: Option<u64>) -> Result<(), CommitError> {
        let mut users = self.users.borrow_mut();
        let items = users.entry(user_id.to_owned()).or_default();
        let held = items.last();
        if held.and_then(|stored| stored.version) != replaced {
            let held = held.map_or(Loaded::Absent, |stored| Loaded::Present(Box::new(stored.clone())));
            return Err(CommitError::Conflict(held));
        }
        self.advance_if(true);
        items.push(user.clone());
        if items.len() > 2 {
            items.remove(0);
        }
        Ok(())
    }

    /// The conditional update: it leaves an outbox that the item has.
    pub(crate) fn update(&self, user_id: &str, user: &StoredUser, replaced: u64) -> Result<(), CommitError> {
        let held = self.users.borrow().get(user_id).and_then(|items| items.last().map(|held| held.outbox.clone()));
        let updated = StoredUser { outbox: held.unwrap_or_default(), ..user.clone() };
        self.written_together.set(self.written_together.get() + 1);
        self.commit(user_id, &updated, Some(replaced))
    }
}
