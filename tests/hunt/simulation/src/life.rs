//! One container's life: every effect that its function has on the world goes through here, and may fail.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use alerter::ledger::Entry;
use alerter::metric_sink::Tally;
use alerter::publication::Audience;
use anomaly_core::AnomalyMessage;
use notifier::Channel;

use super::dice::Mishap;
use super::world::{Service, World};

/// Duration of an effect without a mishap, in ms: long enough for calls to overlap.
const LATENCY_MS: (u32, u32) = (1, 20);
/// Every call has to make progress while the calls to a service take this long.
pub(crate) const SLOW_MS_MAX: u32 = 200;
/// Share of the failed calls that the SDK repeats with success; the others stand for those of which every attempt failed.
const SDK_REPEATS: f64 = 0.5;

/// A container. What it records about one call is reset at the next.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) world: World,
    name: String,
    is_dead: Cell<bool>,
    /// Whether this call met a mishap after which it may not know what it published, or be unable to record it.
    has_excuse: Cell<bool>,
    /// Alerts that this call published.
    published: RefCell<BTreeSet<String>>,
    /// Alerts that this call published and has not recorded in the ledger.
    unsettled: RefCell<BTreeSet<String>>,
    /// Alerts that this call told in a summary and has not taken off the list.
    untaken: RefCell<BTreeSet<String>>,
    /// What this call delivered to receivers of channels.
    delivered: RefCell<BTreeSet<(Channel, String)>>,
    /// The mishap of the effect under way, for the first of several users.
    of_the_first: Cell<Mishap>,
    /// Whether this call has added to the metric and not recorded it for each alert.
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
            published: RefCell::default(),
            unsettled: RefCell::default(),
            untaken: RefCell::default(),
            delivered: RefCell::default(),
            of_the_first: Cell::new(Mishap::None),
            has_counted: Cell::default(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Begins a call. A near deadline counts as its first mishap: time may run out before a response arrives.
    pub(crate) fn begin(&self, is_deadline_near: bool) {
        self.has_excuse.set(is_deadline_near);
        self.unsettled.borrow_mut().clear();
        self.untaken.borrow_mut().clear();
        self.delivered.borrow_mut().clear();
        self.published.borrow_mut().clear();
        self.has_counted.set(false);
    }

    /// Applies an effect on the world; `None` if it failed as far as the function can know.
    pub(crate) async fn effect<T>(
        &self,
        service: Service,
        what: impl FnOnce() -> String,
        mut apply: impl FnMut() -> T,
    ) -> Option<T> {
        let dice = &self.world.dice;
        tokio::time::sleep(Duration::from_millis(self.latency_ms(service).into())).await;
        let mishap = dice.mishap();
        if mishap != Mishap::None {
            self.note_mishap();
        }
        self.world.note(|| format!("{}: {}{}", self.name, what(), describe(mishap)));
        self.of_the_first.set(mishap);
        let is_repeated = matches!(mishap, Mishap::Refused | Mishap::ResponseLost) && service.is_repeated();
        if is_repeated && dice.chance(SDK_REPEATS) {
            self.world.note(|| format!("{}: … and the SDK repeats it", self.name));
            if mishap == Mishap::ResponseLost {
                apply();
            }
            return Some(apply());
        }
        match mishap {
            Mishap::None | Mishap::OneRefused | Mishap::OneLost => Some(apply()),
            Mishap::Slow(ms) => {
                tokio::time::sleep(Duration::from_millis(ms.into())).await;
                self.world.note(|| format!("{}: … took place", self.name));
                Some(apply())
            }
            Mishap::Refused => None,
            Mishap::ResponseLost => {
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

    /// How long a call takes. What takes longer than a bad day of a service is a mishap.
    fn latency_ms(&self, service: Service) -> u32 {
        let usual_ms = self.world.dice.between(LATENCY_MS.0, LATENCY_MS.1);
        match self.world.slow.get() {
            Some((slow, ms)) if slow == service => {
                if ms > SLOW_MS_MAX {
                    self.note_mishap();
                }
                ms
            }
            _ => usual_ms,
        }
    }

    /// The mishap of one of several users' writes: the dice's, or for the first one the script's.
    pub(crate) fn mishap_of_one(&self) -> Mishap {
        match self.of_the_first.replace(Mishap::None) {
            scripted @ (Mishap::OneRefused | Mishap::OneLost) => scripted,
            _ if self.world.dice.fails() => Mishap::OneRefused,
            _ if self.world.dice.fails() => Mishap::OneLost,
            _ => Mishap::None,
        }
    }

    /// From here on the call has an excuse.
    pub(crate) fn note_mishap(&self) {
        self.has_excuse.set(true);
    }

    /// Whether the call has met a mishap.
    pub(crate) fn has_excuse(&self) -> bool {
        self.has_excuse.get()
    }

    async fn die<T>(&self) -> T {
        self.is_dead.set(true);
        pending().await
    }

    /// Runs a call until it ends or the container dies; a dead container's call never continues.
    pub(crate) async fn until_death<F: Future>(&self, call: F) -> Option<F::Output> {
        let mut call = pin!(call);
        poll_fn(|context| match call.as_mut().poll(context) {
            _ if self.is_dead.get() => Poll::Ready(None),
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Records the decision of an alert's first claim.
    pub(crate) fn record_decided(&self, entry: Entry<'_>) {
        let message: Option<AnomalyMessage> = serde_json::from_str(entry.body).ok();
        let user_id = message.map(|message| message.user_id).unwrap_or_default();
        let decision = entry.decision.clone();
        self.world.decided.borrow_mut().entry(entry.id.to_owned()).or_insert((user_id, decision));
    }

    /// Records that a summary is rid of an alert.
    pub(crate) fn record_removed(&self, id: &str) {
        self.untaken.borrow_mut().remove(id);
    }

    fn record_summarised(&self, id: &str) {
        *self.world.summarised.borrow_mut().entry(id.to_owned()).or_default() += 1;
        self.untaken.borrow_mut().insert(id.to_owned());
    }

    /// Records that this call published an alert. No call may do so twice, whatever happens to it.
    pub(crate) fn record_published(&self, id: &str, audience: Audience) {
        if audience == Audience::Summary {
            return self.record_summarised(id);
        }
        self.world.audiences.borrow_mut().entry(id.to_owned()).or_default().insert(audience);
        if !self.published.borrow_mut().insert(id.to_owned()) {
            self.world.report_broken(format!("I8: alert {id} was published twice by one call"));
        }
        *self.world.published.borrow_mut().entry(id.to_owned()).or_default() += 1;
        self.unsettled.borrow_mut().insert(id.to_owned());
    }

    /// Records that a receiver of a channel has something of this call.
    pub(crate) fn record_delivered(&self, channel: Channel, key: &str) {
        self.delivered.borrow_mut().insert((channel, key.to_owned()));
    }

    /// Adds to the metric. Once a call has any response from it, the metric is no excuse for publishing anything twice.
    pub(crate) async fn count(&self, tally: Tally) -> Option<()> {
        let had_excuse = self.has_excuse.get();
        let counted = self.effect(Service::Metric, || format!("adds {tally:?}"), || self.record_count(tally)).await;
        self.has_excuse.set(had_excuse);
        if counted.is_none() && self.has_counted.get() {
            self.world.is_count_excused.set(true);
        }
        counted
    }

    fn record_count(&self, tally: Tally) {
        self.world.anomaly_count.set(self.world.anomaly_count.get() + tally.anomalies);
        self.world.shadow_count.set(self.world.shadow_count.get() + tally.shadow);
        self.has_counted.set(true);
    }

    /// Records that the ledger now knows this alert as published.
    pub(crate) fn record_settled(&self, id: &str) {
        self.unsettled.borrow_mut().remove(id);
    }

    /// Ends a call. After a mishap, what the call did but could not record may happen again; without one there is no excuse.
    pub(crate) fn end(&self, has_responded: bool) {
        let unsettled = self.unsettled.take();
        let had_mishap = self.has_excuse.get() || !has_responded;
        self.world.is_count_excused.set(self.world.is_count_excused.get() || self.has_counted.get() && had_mishap);
        let untaken = self.untaken.take();
        if had_mishap {
            self.world.channels.excuse(self.delivered.take());
            self.world.summarised_again.borrow_mut().extend(untaken);
            self.world.excused.borrow_mut().extend(unsettled);
        } else if let Some(id) = untaken.first() {
            self.world.report_broken(format!("I13: alert {id} stays on the list after its summary, for no reason"));
        } else if let Some(id) = unsettled.first() {
            self.world.report_broken(format!("I8: alert {id} was published without a record of it, for no reason"));
        }
    }
}

pub(crate) fn describe(mishap: Mishap) -> String {
    match mishap {
        Mishap::None => String::new(),
        Mishap::Refused => ": refused".to_owned(),
        Mishap::ResponseLost => ": done, but the response says it failed".to_owned(),
        Mishap::CrashBefore => ": the container dies before it".to_owned(),
        Mishap::CrashAfter => ": done, then the container dies".to_owned(),
        Mishap::HangBefore => ": not done, and no response ever".to_owned(),
        Mishap::HangAfter => ": done, but no response ever".to_owned(),
        Mishap::Slow(ms) => format!(": takes {ms} ms …"),
        Mishap::OneRefused => ": the first of several is refused".to_owned(),
        Mishap::OneLost => ": done, but the response says that the first of several failed".to_owned(),
    }
}
