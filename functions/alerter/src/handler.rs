//! Claim, publish, count, complete.
//!
//! An alert is claimed in the ledger before it is published, and completed after it is counted. A crash in between leaves a claim
//! whose lease runs out, and SQS redelivers the message: nothing is lost. One gap remains. If SNS accepted an alert and its response
//! was lost, or a crash or the ledger keeps us from recording it, the alert is published twice. SNS has no idempotency for standard
//! topics, so nothing can close that gap.

use std::collections::{BTreeMap, BTreeSet};

use aws_lambda_events::event::sqs::SqsBatchResponse;
use futures_util::{StreamExt, stream};
use lambda_kit::{Clock, Invocation, failures, telemetry::chain};

use crate::config::AlerterSettings;
use crate::ledger::{Claim, Lease, Ledger, LedgerError};
use crate::message::{self, Alert, NotSqs, QueueMessage};
use crate::metric_sink::MetricSink;
use crate::publication;
use crate::publisher::Publisher;
use crate::summary::AlerterSummary;

/// Ledger calls in flight at once.
const LEDGER_CALLS_CONCURRENT_MAX: usize = 16;
/// SNS messages in one call to the publisher. Messages confirmed by one call stay confirmed if time runs out in the next.
const PUBLICATIONS_PER_CALL: usize = 10;
/// No alert is claimed or published in the last four seconds: published alerts have to be counted and completed.
const PUBLISH_RESERVE_MS: i64 = 4_000;
/// The metric has to respond two seconds before the end. If it does not, the ledger can still record what was published.
const METRIC_RESERVE_MS: i64 = 2_000;
/// A lease outlives the invocation by this much, and is far shorter than the queue's visibility time-out.
const LEASE_MARGIN_MS: i64 = 1_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// Why a whole batch fails.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The function's trigger is not an SQS queue.
    #[error(transparent)]
    NotSqs(#[from] NotSqs),
    /// A message failed that has no id to report.
    #[error("a message without an id failed; the whole batch has to be redelivered")]
    Unreportable,
}

/// The function's response, and what happened.
#[derive(Debug)]
pub struct Outcome {
    /// For Lambda.
    pub response: SqsBatchResponse,
    /// For logs and metrics.
    pub summary: AlerterSummary,
}

/// The handler over its ports: ledger `L`, publisher `P`, metric `M`, time `C`.
#[derive(Debug)]
pub struct Alerter<L, P, M, C> {
    ledger: L,
    publisher: P,
    metric: M,
    clock: C,
    settings: AlerterSettings,
}

/// The alerts of a batch, each once, with the indices of the messages it came in.
type Alerts = Vec<(Alert, Vec<usize>)>;

/// What is known so far of one invocation.
#[derive(Default)]
struct Progress {
    summary: AlerterSummary,
    /// Indices of the messages that SQS has to redeliver.
    failed: BTreeSet<usize>,
}

impl Progress {
    fn fail(&mut self, messages: &[usize]) {
        self.summary.failed += 1;
        self.failed.extend(messages);
    }

    fn fail_all<'a>(&mut self, alerts: impl IntoIterator<Item = &'a [usize]>) {
        for messages in alerts {
            self.fail(messages);
        }
    }
}

impl<L: Ledger, P: Publisher, M: MetricSink, C: Clock> Alerter<L, P, M, C> {
    /// The handler over these ports.
    pub const fn new(ledger: L, publisher: P, metric: M, clock: C, settings: AlerterSettings) -> Self {
        Self { ledger, publisher, metric, clock, settings }
    }

    /// Handles one batch: `event` is Lambda's SQS event as JSON.
    ///
    /// # Errors
    /// [`HandlerError`] if `event` is not a batch, or if SQS has to redeliver the whole batch.
    pub async fn handle(&self, event: &str, invocation: &Invocation) -> Result<Outcome, HandlerError> {
        let messages = message::parse(event)?;
        let mut progress = Progress::default();
        progress.summary.messages = count(messages.len());
        let alerts = read(&messages, &mut progress);
        let (fresh, published) = self.claim(alerts, invocation, &mut progress).await;
        let newly_published = self.publish(fresh, invocation, &mut progress).await;
        self.settle(&newly_published, &published, invocation, &mut progress).await;
        let failed: Option<Vec<String>> =
            progress.failed.iter().map(|index| messages.get(*index)?.message_id.clone()).collect();
        let response = failures::sqs(failed.ok_or(HandlerError::Unreportable)?);
        Ok(Outcome { response, summary: progress.summary })
    }

    /// Claims every alert. Returns those to publish, and those that only have to be counted.
    async fn claim(&self, alerts: Alerts, invocation: &Invocation, progress: &mut Progress) -> (Alerts, Alerts) {
        let lease = self.lease(invocation);
        let claims = stream::iter(&alerts)
            .map(|(alert, _)| invocation.within(&self.clock, PUBLISH_RESERVE_MS, self.ledger.claim(&alert.id, lease)));
        let claims: Vec<_> = claims.buffered(LEDGER_CALLS_CONCURRENT_MAX).collect().await;
        let (mut fresh, mut published) = (Vec::new(), Vec::new());
        for ((alert, messages), claim) in alerts.into_iter().zip(claims) {
            match claim {
                Some(Ok(Claim::Granted)) => fresh.push((alert, messages)),
                Some(Ok(Claim::GrantedPublished)) => published.push((alert, messages)),
                Some(Ok(Claim::Completed)) => progress.summary.suppressed += count(messages.len()),
                Some(Ok(Claim::Held)) => {
                    progress.summary.held += 1;
                    progress.failed.extend(messages);
                }
                Some(Err(error)) => {
                    tracing::warn!(error = %chain(&error), "An alert could not be claimed.");
                    progress.fail(&messages);
                }
                None => progress.fail(&messages),
            }
        }
        (fresh, published)
    }

    /// Publishes. Returns the alerts that SNS confirmed.
    async fn publish(&self, fresh: Alerts, invocation: &Invocation, progress: &mut Progress) -> Alerts {
        if fresh.is_empty() {
            return fresh;
        }
        let alerts: Vec<&Alert> = fresh.iter().map(|(alert, _)| alert).collect();
        let publications = publication::plan(&alerts, self.settings.singles_max);
        let mut confirmed = Vec::with_capacity(publications.len());
        for call in publications.chunks(PUBLICATIONS_PER_CALL) {
            let answered = invocation.within(&self.clock, PUBLISH_RESERVE_MS, self.publisher.publish(call)).await;
            confirmed.extend(answered.unwrap_or_else(|| vec![false; call.len()]));
        }
        debug_assert_eq!(confirmed.len(), publications.len(), "the publisher has to answer for each publication");
        let confirmed: Vec<_> = publications.iter().zip(confirmed).filter(|(_, is_confirmed)| *is_confirmed).collect();
        progress.summary.publications = count(confirmed.len());
        let ids: BTreeSet<&str> =
            confirmed.iter().flat_map(|(publication, _)| &publication.alert_ids).map(String::as_str).collect();
        let (published, failed): (Alerts, Alerts) =
            fresh.into_iter().partition(|(alert, _)| ids.contains(alert.id.as_str()));
        progress.fail_all(failed.iter().map(|(_, messages)| messages.as_slice()));
        progress.summary.alerts = count(published.len());
        published
    }

    /// Counts and completes published alerts. If only the counting fails, the ledger records them as published, so that the next
    /// attempt counts them without publishing again.
    async fn settle(&self, new: &Alerts, old: &Alerts, invocation: &Invocation, progress: &mut Progress) {
        let total = u32::try_from(new.len() + old.len()).unwrap_or(u32::MAX);
        if total == 0 {
            return;
        }
        let counting = invocation.within(&self.clock, METRIC_RESERVE_MS, self.metric.add(total)).await;
        let lease = self.lease(invocation);
        if let Some(Ok(())) = counting {
            let failed = self.on_each(new.iter().chain(old), |id| self.ledger.complete(id, lease)).await;
            progress.fail_all(failed);
            return;
        }
        if let Some(Err(error)) = counting {
            tracing::warn!(error = %chain(&error), "Alerts are published but not counted; they are redelivered to be counted.");
        }
        self.on_each(new.iter().chain(old), |id| self.ledger.mark_published(id, lease)).await;
        progress.fail_all(new.iter().chain(old).map(|(_, messages)| messages.as_slice()));
    }

    /// Makes a ledger call for each alert. Returns the messages of those that failed.
    async fn on_each<'a, F: Future<Output = Result<(), LedgerError>>>(
        &self,
        alerts: impl Iterator<Item = &'a (Alert, Vec<usize>)>,
        call: impl Fn(&'a str) -> F,
    ) -> Vec<&'a [usize]> {
        let calls = stream::iter(alerts.map(|(alert, messages)| {
            let calling = call(&alert.id);
            async move { (calling.await, messages.as_slice()) }
        }));
        let answers: Vec<_> = calls.buffered(LEDGER_CALLS_CONCURRENT_MAX).collect().await;
        let failed = answers.into_iter().filter_map(|(answer, messages)| {
            let error = answer.err()?;
            tracing::warn!(error = %chain(&error), "The ledger could not record a published alert.");
            Some(messages)
        });
        failed.collect()
    }

    fn lease(&self, invocation: &Invocation) -> Lease {
        let now_ms = self.clock.now_ms();
        Lease {
            now_ms,
            until_ms: invocation.deadline_ms.saturating_add(LEASE_MARGIN_MS),
            expires_at_seconds: now_ms / 1_000 + i64::from(self.settings.ledger_retention_days) * SECONDS_PER_DAY,
        }
    }
}

/// Reads every message. Messages with the same id are one alert.
fn read(messages: &[QueueMessage], progress: &mut Progress) -> Alerts {
    let mut alerts: Alerts = Vec::new();
    let mut index_of: BTreeMap<String, usize> = BTreeMap::new();
    for (index, message) in messages.iter().enumerate() {
        let alert = match Alert::read(message) {
            Ok(alert) => alert,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "A message is not an alert; it goes to the dead-letter queue.");
                progress.summary.poison += 1;
                progress.failed.insert(index);
                continue;
            }
        };
        if let Some((_, messages)) = index_of.get(&alert.id).and_then(|known| alerts.get_mut(*known)) {
            messages.push(index);
            progress.summary.suppressed += 1;
        } else {
            index_of.insert(alert.id.clone(), alerts.len());
            alerts.push((alert, vec![index]));
        }
    }
    alerts
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
