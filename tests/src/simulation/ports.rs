//! The world outside the functions: stores, queues, topic and metric that fail by dice.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use alerter::ledger::{Claim, Lease, Ledger, LedgerError, MemoryLedger};
use alerter::metric_sink::{MetricError, MetricSink};
use alerter::publication::Publication;
use alerter::publisher::Publisher;
use detector::message_queue::MessageQueue;
use detector::window_store::{CommitError, Loaded, StoreError, StoredUser, WindowStore};
use event_source::sqs;
use lambda_kit::{Clock, Fault, ManualClock};

use super::dice::Dice;

/// Everything outside. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) clock: ManualClock,
    /// Each user's items, oldest first: stale reads see an earlier one.
    pub(super) users: Rc<RefCell<BTreeMap<String, Vec<StoredUser>>>>,
    pub(super) queue: Rc<sqs::MemoryQueue>,
    pub(super) quarantine: Rc<RefCell<Vec<String>>>,
    pub(super) ledger: Rc<MemoryLedger>,
    /// How often each alert was published.
    pub(super) published: Rc<RefCell<BTreeMap<String, u32>>>,
    /// Alerts after whose publication an answer or a ledger write got lost: these may be published and counted twice.
    pub(super) ambiguous: Rc<RefCell<BTreeSet<String>>>,
    pub(super) anomaly_count: Rc<Cell<u32>>,
    /// Whether an addition to the metric took effect and its answer got lost.
    pub(super) is_count_ambiguous: Rc<Cell<bool>>,
}

impl World {
    pub(super) fn new(dice: Dice, clock: ManualClock, queue: Rc<sqs::MemoryQueue>) -> Self {
        Self {
            dice,
            clock,
            users: Rc::default(),
            queue,
            quarantine: Rc::default(),
            ledger: Rc::default(),
            published: Rc::default(),
            ambiguous: Rc::default(),
            anomaly_count: Rc::default(),
            is_count_ambiguous: Rc::default(),
        }
    }
}

fn refused(action: &'static str) -> StoreError {
    StoreError { action, reason: "the dice".to_owned() }
}

fn latest(items: Option<&Vec<StoredUser>>) -> Loaded {
    items.and_then(|items| items.last()).map_or(Loaded::Absent, |user| Loaded::Present(Box::new(user.clone())))
}

impl WindowStore for World {
    async fn load(&self, user_ids: &[&str]) -> Vec<Result<Loaded, StoreError>> {
        let users = self.users.borrow();
        let load = |user_id: &&str| {
            if self.dice.fault() != Fault::None {
                return Err(refused("read"));
            }
            let items = users.get(*user_id);
            let is_stale = self.dice.fails();
            let stale = items.filter(|items| is_stale && items.len() > 1).and_then(|items| items.get(items.len() - 2));
            Ok(stale.map_or_else(|| latest(items), |user| Loaded::Present(Box::new(user.clone()))))
        };
        user_ids.iter().map(load).collect()
    }

    async fn commit(&self, user_id: &str, user: &StoredUser, replaced: Option<u64>) -> Result<(), CommitError> {
        let fault = self.dice.fault();
        if fault == Fault::Refused {
            return Err(CommitError::Failed(refused("write")));
        }
        let mut users = self.users.borrow_mut();
        let items = users.entry(user_id.to_owned()).or_default();
        if items.last().and_then(|stored| stored.version) != replaced {
            return Err(CommitError::Conflict(latest(Some(items))));
        }
        items.push(user.clone());
        if fault == Fault::None { Ok(()) } else { Err(CommitError::Failed(refused("write"))) }
    }
}

/// The detector's queue of anomalies.
#[derive(Debug, Clone)]
pub(super) struct Anomalies(pub(super) World);

impl MessageQueue for Anomalies {
    async fn send(&self, bodies: &[String]) -> Vec<bool> {
        let World { dice, queue, clock, .. } = &self.0;
        let send = |body: &String| {
            let fault = dice.fault();
            if fault != Fault::Refused {
                queue.send(body.clone(), clock.now_ms());
            }
            // A standard queue may deliver a message twice.
            if fault == Fault::None && dice.fails() {
                queue.send(body.clone(), clock.now_ms());
            }
            fault == Fault::None
        };
        bodies.iter().map(send).collect()
    }
}

/// The detector's quarantine.
#[derive(Debug, Clone)]
pub(super) struct Quarantine(pub(super) World);

impl MessageQueue for Quarantine {
    async fn send(&self, bodies: &[String]) -> Vec<bool> {
        let send = |body: &String| {
            let fault = self.0.dice.fault();
            if fault != Fault::Refused {
                self.0.quarantine.borrow_mut().push(body.clone());
            }
            fault == Fault::None
        };
        bodies.iter().map(send).collect()
    }
}

impl World {
    /// A ledger write that is not known to have happened, for an alert that may be published.
    async fn ledger_write<F: Future<Output = Result<(), LedgerError>>>(
        &self,
        id: &str,
        write: F,
    ) -> Result<(), LedgerError> {
        let fault = self.dice.fault();
        if fault != Fault::Refused {
            write.await?;
        }
        if fault == Fault::None {
            return Ok(());
        }
        self.ambiguous.borrow_mut().insert(id.to_owned());
        Err(LedgerError { action: "write", reason: "the dice".to_owned() })
    }
}

impl Ledger for World {
    async fn claim(&self, id: &str, lease: Lease) -> Result<Claim, LedgerError> {
        let fault = self.dice.fault();
        if fault == Fault::Refused {
            return Err(LedgerError { action: "claim", reason: "the dice".to_owned() });
        }
        let claim = self.ledger.claim(id, lease).await?;
        if fault == Fault::None {
            Ok(claim)
        } else {
            Err(LedgerError { action: "claim", reason: "the dice".to_owned() })
        }
    }

    async fn mark_published(&self, id: &str, lease: Lease) -> Result<(), LedgerError> {
        self.ledger_write(id, self.ledger.mark_published(id, lease)).await
    }

    async fn complete(&self, id: &str, lease: Lease) -> Result<(), LedgerError> {
        self.ledger_write(id, self.ledger.complete(id, lease)).await
    }
}

impl Publisher for World {
    async fn publish(&self, publications: &[Publication]) -> Vec<bool> {
        let publish = |publication: &Publication| {
            let fault = self.dice.fault();
            if fault == Fault::Refused {
                return false;
            }
            for id in &publication.alert_ids {
                *self.published.borrow_mut().entry(id.clone()).or_default() += 1;
                if fault == Fault::AppliedButFailed {
                    self.ambiguous.borrow_mut().insert(id.clone());
                }
            }
            fault == Fault::None
        };
        publications.iter().map(publish).collect()
    }
}

impl MetricSink for World {
    async fn add(&self, anomalies: u32) -> Result<(), MetricError> {
        let fault = self.dice.fault();
        if fault == Fault::Refused {
            return Err(MetricError("the dice".to_owned()));
        }
        self.anomaly_count.set(self.anomaly_count.get() + anomalies);
        if fault == Fault::None {
            return Ok(());
        }
        self.is_count_ambiguous.set(true);
        Err(MetricError("the dice".to_owned()))
    }
}
