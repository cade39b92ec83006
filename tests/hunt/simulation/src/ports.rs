//! The ports of both functions, backed by the simulated world.

use std::collections::BTreeMap;
use std::rc::Rc;

use alerter::ledger::{
    Claim, Ending, Entry, Lease, Ledger, LedgerError, PageOfDay, PolicyStore, StoredAlert, StoredPolicy, Turn, Waiting,
    WaitingList,
};
use alerter::metric_sink::{MetricError, MetricSink, Tally};
use alerter::publication::Publication;
use alerter::publisher::Publisher;
use anomaly_core::ShardId;
use detector::shard_ranges::ShardRanges;
use detector::window_store::{CommitError, Loaded, StoreError, StoredUser, Update, WindowStore};
use futures_util::{FutureExt, StreamExt, stream};
use intake::aggregate::HashRange;
use message_queue::MessageQueue;

use super::dice::Mishap;
use super::life::{Life, describe};
use super::world::Service;

/// The services that a container reaches.
#[derive(Debug, Clone)]
pub(crate) struct Reach(pub(crate) Rc<Life>);

/// The queue of anomalies, as seen from a container.
#[derive(Debug)]
pub(crate) struct Anomalies(pub(crate) Rc<Life>);

/// The quarantine, as seen from a container.
#[derive(Debug)]
pub(crate) struct Quarantine(pub(crate) Rc<Life>);

fn failed(action: &'static str) -> StoreError {
    StoreError::new(action, "the dice")
}

/// Entries of a batch call to a queue, and calls at once, as the adapter has them.
const ENTRIES_PER_CALL: usize = 10;
const CALLS_CONCURRENT_MAX: usize = 4;
/// Keys of a batch read.
const KEYS_PER_CALL: usize = 100;

impl Life {
    /// Makes batch calls. A call may fail as a whole, and it may refuse any of its entries.
    pub(crate) async fn send_all(&self, service: Service, bodies: &[String], take: impl Fn(&str)) -> Vec<bool> {
        let call = async |entries: &[String]| {
            let take_each = || entries.iter().map(|body| self.take_one(|| take(body))).collect();
            let sent =
                self.effect(service, || format!("sends {} messages to {service:?}", entries.len()), take_each).await;
            sent.unwrap_or_else(|| vec![false; entries.len()])
        };
        stream::iter(bodies.chunks(ENTRIES_PER_CALL)).map(call).buffered(CALLS_CONCURRENT_MAX).concat().await
    }

    /// Takes an entry of a batch call, unless it is refused.
    fn take_one(&self, take: impl FnOnce()) -> bool {
        if self.world.dice.fails() {
            self.note_mishap();
            return false;
        }
        take();
        true
    }
}

impl ShardRanges for Reach {
    async fn range(&self, _stream_arn: &str, shard: &ShardId) -> Option<HashRange> {
        self.0.world.ranges.borrow().get(shard.as_str()).copied()
    }
}

impl WindowStore for Reach {
    async fn load(&self, user_ids: &[&str]) -> Vec<Result<Loaded, StoreError>> {
        let mut loaded = Vec::with_capacity(user_ids.len());
        for keys in user_ids.chunks(KEYS_PER_CALL) {
            let read_each = || keys.iter().map(|user_id| self.0.world.read(user_id)).collect::<Vec<_>>();
            let read = self.0.effect(Service::Store, || format!("reads {}", keys.join(", ")), read_each).await;
            match read {
                Some(users) => loaded.extend(users.into_iter().map(|user| {
                    let mut is_read = false;
                    self.0.take_one(|| is_read = true);
                    if is_read { Ok(user) } else { Err(failed("read")) }
                })),
                None => loaded.extend(keys.iter().map(|_| Err(failed("read")))),
            }
        }
        loaded
    }

    async fn commit(&self, user_id: &str, user: &StoredUser, replaced: Option<u64>) -> Result<(), CommitError> {
        let what = || {
            let (version, unsent) = (user.version.unwrap_or_default(), user.outbox.len());
            format!("writes {user_id} as version {version} with {unsent} anomalies in the outbox")
        };
        let apply = || self.0.note_conflict(user_id, self.0.world.commit(user_id, user, replaced));
        let written = self.0.effect(Service::Store, what, apply).await;
        written.unwrap_or_else(|| Err(CommitError::Failed(failed("write"))))
    }

    async fn update(&self, updates: &[Update<'_>]) -> Vec<Result<(), CommitError>> {
        let what = || {
            let named =
                |one: &Update<'_>| format!("{} as version {}", one.user_id, one.user.version.unwrap_or_default());
            format!("updates {}", updates.iter().map(named).collect::<Vec<_>>().join(", "))
        };
        let apply_each = || updates.iter().map(|one| self.0.apply_statement(*one)).collect();
        let written = self.0.effect(Service::Store, what, apply_each).await;
        written.unwrap_or_else(|| updates.iter().map(|_| Err(CommitError::Failed(failed("write")))).collect())
    }
}

impl Life {
    /// One statement of a request: it may be refused for lack of capacity, or be done although its answer says that it failed.
    fn apply_statement(&self, Update { user_id, user, replaced }: Update<'_>) -> Result<(), CommitError> {
        let mishap = self.mishap_of_one();
        if mishap == Mishap::None {
            return self.note_conflict(user_id, self.world.update(user_id, user, replaced));
        }
        self.note_mishap();
        self.world.note(|| format!("{}: … {user_id}{}", self.name(), describe(mishap)));
        if mishap == Mishap::OneLost {
            // Written or in conflict: nobody gets to know.
            let _ = self.world.update(user_id, user, replaced);
        }
        Err(CommitError::Failed(failed("write")))
    }

    fn note_conflict(&self, user_id: &str, written: Result<(), CommitError>) -> Result<(), CommitError> {
        if written.is_err() {
            self.world.note(|| format!("{}: … conflict on {user_id}", self.name()));
        }
        written
    }
}

impl MessageQueue for Anomalies {
    async fn send(&self, bodies: &[String]) -> Vec<bool> {
        let world = &self.0.world;
        let take = |body: &str| {
            world.note(|| format!("… anomaly {}", id_of(body)));
            world.send(id_of(body), body);
            // A standard queue may deliver a message twice.
            if world.dice.fails() {
                world.send(id_of(body), body);
            }
        };
        self.0.send_all(Service::Anomalies, bodies, take).await
    }
}

impl MessageQueue for Quarantine {
    async fn send(&self, bodies: &[String]) -> Vec<bool> {
        self.0.send_all(Service::Quarantine, bodies, |body| self.0.world.quarantine(body)).await
    }
}

/// The id in an anomaly message.
fn id_of(body: &str) -> String {
    let message: Option<anomaly_core::AnomalyMessage> = serde_json::from_str(body).ok();
    message.map(|message| message.id.as_str().to_owned()).unwrap_or_default()
}

impl Life {
    /// A call to the ledger's table.
    async fn in_ledger<T, F: Future<Output = Result<T, LedgerError>>>(
        &self,
        what: impl FnOnce() -> String,
        apply: impl FnMut() -> F,
    ) -> Result<T, LedgerError> {
        let mut apply = apply;
        let called = self.effect(Service::Ledger, what, || apply().now_or_never()).await.flatten();
        called.unwrap_or_else(|| Err(LedgerError::new("respond", "the dice")))
    }
}

impl Ledger for Reach {
    async fn claim(&self, entry: Entry<'_>, lease: Lease<'_>) -> Result<Claim, LedgerError> {
        let claim = async || {
            let claim = self.0.world.ledger.claim(entry, lease).await;
            if matches!(claim, Ok(Claim::Granted(_))) {
                self.0.record_decided(entry);
            }
            claim
        };
        self.0.in_ledger(|| format!("claims {} as {}", entry.id, entry.decision.disposition.as_str()), claim).await
    }

    async fn mark_published(&self, ending: Ending<'_>, lease: Lease<'_>) -> Result<(), LedgerError> {
        let mark = async || {
            self.0.record_settled(ending.id);
            self.0.world.ledger.mark_published(ending, lease).await
        };
        self.0.in_ledger(|| format!("marks {} as published", ending.id), mark).await
    }

    async fn complete(&self, ending: Ending<'_>, lease: Lease<'_>) -> Result<(), LedgerError> {
        let complete = async || {
            self.0.record_settled(ending.id);
            self.0.world.ledger.complete(ending, lease).await
        };
        self.0
            .in_ledger(|| format!("completes {} as {}", ending.id, ending.decision.disposition.as_str()), complete)
            .await
    }
}

impl PolicyStore for Reach {
    async fn read(&self, user_ids: &[&str], alert_ids: &[&str]) -> Result<StoredPolicy, LedgerError> {
        let read = || self.0.world.ledger.read(user_ids, alert_ids);
        self.0.in_ledger(|| format!("reads the policy and {}", user_ids.join(", ")), read).await
    }

    async fn write_history(&self, user_id: &str, history: &str, expires_at_seconds: i64) -> Result<(), LedgerError> {
        let write = || self.0.world.ledger.write_history(user_id, history, expires_at_seconds);
        self.0.in_ledger(|| format!("writes the history of {user_id}"), write).await
    }

    async fn take_page(&self, page: PageOfDay<'_>) -> Result<Option<u32>, LedgerError> {
        self.0.in_ledger(|| format!("takes a page for {}", page.id), || self.0.world.ledger.take_page(page)).await
    }
}

impl WaitingList for Reach {
    async fn begin_summary(&self, lease: Lease<'_>) -> Result<Turn, LedgerError> {
        self.0.in_ledger(|| "begins a summary".to_owned(), || self.0.world.ledger.begin_summary(lease)).await
    }

    async fn waiting(&self, limit: usize) -> Result<Vec<Waiting>, LedgerError> {
        self.0.in_ledger(|| "lists what waits".to_owned(), || self.0.world.ledger.waiting(limit)).await
    }

    async fn alerts(&self, ids: &[&str]) -> Result<BTreeMap<String, StoredAlert>, LedgerError> {
        self.0.in_ledger(|| format!("reads {} alerts", ids.len()), || self.0.world.ledger.alerts(ids)).await
    }

    async fn remove(&self, id: &str) -> Result<(), LedgerError> {
        let remove = async || {
            self.0.record_removed(id);
            self.0.world.ledger.remove(id).await
        };
        self.0.in_ledger(|| format!("takes {id} off the list"), remove).await
    }

    async fn end_summary(&self, lease: Lease<'_>, next_ms: i64) -> Result<(), LedgerError> {
        self.0.in_ledger(|| "ends the summary".to_owned(), || self.0.world.ledger.end_summary(lease, next_ms)).await
    }
}

impl Publisher for Reach {
    async fn publish(&self, publications: &[Publication]) -> Vec<bool> {
        let publish = |one: &Publication| {
            self.0.world.channels.publish(one);
            one.alert_ids.iter().for_each(|id| self.0.record_published(id, one.audience));
        };
        let publish_each = || publications.iter().map(|one| self.0.take_one(|| publish(one))).collect();
        let what = || {
            let named = |one: &Publication| format!("{} {}", one.audience.as_str(), one.alert_ids.join("+"));
            format!("publishes {}", publications.iter().map(named).collect::<Vec<_>>().join(", "))
        };
        let published = self.0.effect(Service::Topic, what, publish_each).await;
        published.unwrap_or_else(|| vec![false; publications.len()])
    }
}

impl MetricSink for Reach {
    async fn add(&self, tally: Tally) -> Result<(), MetricError> {
        let added = self.0.count(tally).await;
        added.ok_or_else(|| MetricError("the dice".into()))
    }
}
