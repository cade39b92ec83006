//! One container's life: every effect that its function has on the world passes here, and may go wrong.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::dice::Mishap;
use super::world::World;

/// How long an effect takes if nothing is the matter, in ms: enough for calls to overlap.
const LATENCY_MS: (u32, u32) = (1, 20);

/// A container. What it keeps of one call is forgotten with the next.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) world: World,
    name: String,
    is_dead: Cell<bool>,
    /// Whether this call met a mishap after which it may not know what it published, or be unable to note it.
    has_excuse: Cell<bool>,
    /// Alerts that this call published and has not noted in the ledger.
    unsettled: RefCell<BTreeSet<String>>,
    /// Whether this call has added to the metric and not noted it for each alert.
    has_counted: Cell<bool>,
}

impl Life {
    pub(crate) fn new(world: World, name: String) -> Self {
        world.note(|| format!("{name} starts"));
        Self {
            world,
            name,
            is_dead: Cell::default(),
            has_excuse: Cell::default(),
            unsettled: RefCell::default(),
            has_counted: Cell::default(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A call begins. One whose deadline is near has met its first mishap: time may run out while an answer is on its way.
    pub(crate) fn begin(&self, is_deadline_near: bool) {
        self.has_excuse.set(is_deadline_near);
        self.unsettled.borrow_mut().clear();
        self.has_counted.set(false);
    }

    /// An effect on the world; `None` if it failed as far as the function can know.
    pub(crate) async fn effect<T>(&self, what: impl FnOnce() -> String, apply: impl FnOnce() -> T) -> Option<T> {
        let dice = &self.world.dice;
        tokio::time::sleep(Duration::from_millis(dice.between(LATENCY_MS.0, LATENCY_MS.1).into())).await;
        let mishap = dice.mishap();
        self.has_excuse.set(self.has_excuse.get() || mishap != Mishap::None);
        self.world.note(|| format!("{}: {}{}", self.name, what(), described(mishap)));
        match mishap {
            Mishap::None => Some(apply()),
            Mishap::Slow(ms) => {
                tokio::time::sleep(Duration::from_millis(ms.into())).await;
                self.world.note(|| format!("{}: … took place", self.name));
                Some(apply())
            }
            Mishap::Refused => None,
            Mishap::AnswerLost => {
                apply();
                None
            }
            Mishap::CrashBefore => self.die().await,
            Mishap::CrashAfter => {
                apply();
                self.die().await
            }
            Mishap::HangBefore => pending().await,
            Mishap::HangAfter => {
                apply();
                pending().await
            }
        }
    }

    async fn die<T>(&self) -> T {
        self.is_dead.set(true);
        pending().await
    }

    /// Runs a call until it ends, or the container dies: then nothing more of it happens.
    pub(crate) async fn until_death<F: Future>(&self, call: F) -> Option<F::Output> {
        let mut call = pin!(call);
        poll_fn(|context| match call.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.is_dead.get() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// An alert was published by this call.
    pub(crate) fn published(&self, id: &str) {
        *self.world.published.borrow_mut().entry(id.to_owned()).or_default() += 1;
        self.unsettled.borrow_mut().insert(id.to_owned());
    }

    /// Adds to the metric. A call that got an answer, whatever it is, has no excuse for publishing anything twice.
    pub(crate) async fn count(&self, anomalies: u32) -> Option<()> {
        let had_excuse = self.has_excuse.get();
        let counted = self.effect(|| format!("adds {anomalies} to AnomalyCount"), || self.counted(anomalies)).await;
        self.has_excuse.set(had_excuse);
        if counted.is_none() && self.has_counted.get() {
            self.world.is_count_excused.set(true);
        }
        counted
    }

    fn counted(&self, anomalies: u32) {
        self.world.anomaly_count.set(self.world.anomaly_count.get() + anomalies);
        self.has_counted.set(true);
    }

    /// The ledger knows now that this alert is published.
    pub(crate) fn settled(&self, id: &str) {
        self.unsettled.borrow_mut().remove(id);
    }

    /// A call is over, one way or the other. What it did and could not note may happen again; without a mishap there is no
    /// such excuse.
    pub(crate) fn end(&self, has_answered: bool) {
        let unsettled = self.unsettled.take();
        let had_mishap = self.has_excuse.get() || !has_answered;
        self.world.is_count_excused.set(self.world.is_count_excused.get() || self.has_counted.get() && had_mishap);
        if had_mishap {
            self.world.excused.borrow_mut().extend(unsettled);
        } else if let Some(id) = unsettled.first() {
            self.world.broken(format!("I8: alert {id} was published and nobody noted it, for no reason"));
        }
    }
}

fn described(mishap: Mishap) -> String {
    match mishap {
        Mishap::None => String::new(),
        Mishap::Refused => ": refused".to_owned(),
        Mishap::AnswerLost => ": done, the answer says it failed".to_owned(),
        Mishap::CrashBefore => ": the container dies before it".to_owned(),
        Mishap::CrashAfter => ": done, then the container dies".to_owned(),
        Mishap::HangBefore => ": not done, and no answer comes".to_owned(),
        Mishap::HangAfter => ": done, and no answer comes".to_owned(),
        Mishap::Slow(ms) => format!(": takes {ms} ms …"),
    }
}
