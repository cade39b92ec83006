//! The ports of both functions, backed by the simulated world.

use std::rc::Rc;

use alerter::ledger::{Claim, Lease, Ledger, LedgerError};
use alerter::metric_sink::{MetricError, MetricSink};
use alerter::publication::Publication;
use alerter::publisher::Publisher;
use detector::message_queue::MessageQueue;
use detector::window_store::{CommitError, Loaded, StoreError, StoredUser, WindowStore};
use futures_util::FutureExt;
use lambda_kit::Clock;

use super::life::Life;

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

impl WindowStore for Reach {
    async fn load(&self, user_ids: &[&str]) -> Vec<Result<Loaded, StoreError>> {
        let mut loaded = Vec::with_capacity(user_ids.len());
        for user_id in user_ids {
            let read = self.0.effect(|| format!("reads {user_id}"), || self.0.world.read(user_id)).await;
            loaded.push(read.ok_or_else(|| failed("read")));
        }
        loaded
    }

    async fn commit(&self, user_id: &str, user: &StoredUser, replaced: Option<u64>) -> Result<(), CommitError> {
        let what = || {
            let (version, unsent) = (user.version.unwrap_or_default(), user.outbox.len());
            format!("writes {user_id} as version {version} with {unsent} anomalies in the outbox")
        };
        let apply = || {
            let written = self.0.world.commit(user_id, user, replaced);
            if written.is_err() {
                self.0.world.note(|| format!("{}: … conflict on {user_id}", self.0.name()));
            }
            written
        };
        let written = self.0.effect(what, apply).await;
        written.unwrap_or_else(|| Err(CommitError::Failed(failed("write"))))
    }
}

impl MessageQueue for Anomalies {
    async fn send(&self, bodies: &[String]) -> Vec<bool> {
        let world = &self.0.world;
        let mut confirmed = Vec::with_capacity(bodies.len());
        for body in bodies {
            let send = || {
                world.anomalies.send(body.clone(), world.clock.now_ms());
                // A standard queue may deliver a message twice.
                if world.dice.fails() {
                    world.anomalies.send(body.clone(), world.clock.now_ms());
                }
            };
            confirmed.push(self.0.effect(|| format!("sends anomaly {}", id_of(body)), send).await.is_some());
        }
        confirmed
    }
}

impl MessageQueue for Quarantine {
    async fn send(&self, bodies: &[String]) -> Vec<bool> {
        let mut confirmed = Vec::with_capacity(bodies.len());
        for body in bodies {
            let send = || self.0.world.quarantine.borrow_mut().push(body.clone());
            confirmed.push(self.0.effect(|| "sends a record to quarantine".to_owned(), send).await.is_some());
        }
        confirmed
    }
}

/// The id in an anomaly message, for the trace.
fn id_of(body: &str) -> String {
    let message: Option<anomaly_core::AnomalyMessage> = serde_json::from_str(body).ok();
    message.map(|message| message.id.as_str().to_owned()).unwrap_or_default()
}

fn ledger_failed(action: &'static str) -> LedgerError {
    LedgerError::new(action, "the dice")
}

impl Ledger for Reach {
    async fn claim(&self, id: &str, lease: Lease<'_>) -> Result<Claim, LedgerError> {
        let claim = || self.0.world.ledger.claim(id, lease).now_or_never();
        let claimed = self.0.effect(|| format!("claims {id}"), claim).await.flatten();
        claimed.unwrap_or_else(|| Err(ledger_failed("claim")))
    }

    async fn mark_published(&self, id: &str, lease: Lease<'_>) -> Result<(), LedgerError> {
        let mark = || {
            self.0.record_settled(id);
            self.0.world.ledger.mark_published(id, lease).now_or_never()
        };
        let marked = self.0.effect(|| format!("marks {id} as published"), mark).await.flatten();
        marked.unwrap_or_else(|| Err(ledger_failed("mark as published")))
    }

    async fn complete(&self, id: &str, lease: Lease<'_>) -> Result<(), LedgerError> {
        let complete = || {
            self.0.record_settled(id);
            self.0.world.ledger.complete(id, lease).now_or_never()
        };
        let completed = self.0.effect(|| format!("completes {id}"), complete).await.flatten();
        completed.unwrap_or_else(|| Err(ledger_failed("complete")))
    }
}

impl Publisher for Reach {
    async fn publish(&self, publications: &[Publication]) -> Vec<bool> {
        let mut confirmed = Vec::with_capacity(publications.len());
        for publication in publications {
            let publish = || publication.alert_ids.iter().for_each(|id| self.0.record_published(id));
            let what = || format!("publishes {}", publication.alert_ids.join(", "));
            confirmed.push(self.0.effect(what, publish).await.is_some());
        }
        confirmed
    }
}

impl MetricSink for Reach {
    async fn add(&self, anomalies: u32) -> Result<(), MetricError> {
        let added = self.0.count(anomalies).await;
        added.ok_or_else(|| MetricError("the dice".into()))
    }
}
