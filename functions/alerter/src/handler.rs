//! Decide, claim, publish, count, complete.
//!
//! An alert is claimed in the ledger before it is published, and completed after it is counted. A crash in between leaves a claim
//! whose lease runs out, and SQS redelivers the message: nothing is lost. One gap remains. If SNS accepted an alert and its response
//! was lost, or a crash or the ledger keeps us from recording it, the alert is published twice. SNS has no idempotency for standard
//! topics, so nothing can close that gap.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use aws_lambda_events::event::sqs::SqsBatchResponse;
use lambda_kit::{Clock, Invocation, failures, telemetry::chain};

use crate::budget::UsedUp;
use crate::case::{Case, Incoming};
use crate::config::AlerterSettings;
use crate::decide::Desk;
use crate::digest::DigestError;
use crate::event::Event;
use crate::ledger::{Lease, LedgerTable};
use crate::message::{self, Alert, NotSqs, QueueMessage};
use crate::metric_sink::MetricSink;
use crate::pace::Pace;
use crate::publisher::Publisher;
use crate::summary::AlerterSummary;

/// Alerts that are claimed, published, counted and completed before the next ones are looked at: what is completed stays completed when
/// time runs out, so every delivery of a large batch makes progress.
const ALERTS_PER_SLICE: usize = 200;
/// Ledger calls in flight at once.
pub(crate) const LEDGER_CALLS_CONCURRENT_MAX: usize = 16;
/// No call to SNS lasts into the last four seconds: published alerts have to be counted and completed.
pub(crate) const PUBLISH_RESERVE_MS: i64 = 4_000;
/// No alert is claimed, and no call to SNS begun, in the last six seconds: a call that is cut off may have published its alerts.
pub(crate) const BEGIN_RESERVE_MS: i64 = PUBLISH_RESERVE_MS + 2_000;
/// A lease outlives the invocation by this much, and is far shorter than the queue's visibility time-out.
const LEASE_MARGIN_MS: i64 = 1_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// Why a whole batch fails.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The function's trigger is not an SQS queue.
    #[error(transparent)]
    NotSqs(#[from] NotSqs),
    /// There is no summary.
    #[error(transparent)]
    NoSummary(#[from] DigestError),
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
    pub(crate) ledger: L,
    pub(crate) publisher: P,
    pub(crate) metric: M,
    pub(crate) clock: C,
    pub(crate) settings: AlerterSettings,
    pub(crate) pace: Pace,
    pub(crate) used_up: UsedUp,
}

/// One invocation, under way.
pub(crate) struct Run<'r, L, P, M, C> {
    pub(crate) alerter: &'r Alerter<L, P, M, C>,
    pub(crate) invocation: &'r Invocation,
    pub(crate) progress: Progress,
    /// How many alerts may still be published alone.
    pub(crate) singles_left: usize,
}

/// What is known so far of one invocation.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) summary: AlerterSummary,
    /// Indices of the messages that SQS has to redeliver.
    pub(crate) failed: BTreeSet<usize>,
}

impl Progress {
    pub(crate) fn fail(&mut self, messages: &[usize]) {
        self.summary.failed += 1;
        self.failed.extend(messages);
    }

    pub(crate) fn fail_all<'a>(&mut self, cases: impl IntoIterator<Item = &'a Case>) {
        for case in cases {
            self.fail(&case.messages);
        }
    }
}

impl<L: LedgerTable, P: Publisher, M: MetricSink, C: Clock> Alerter<L, P, M, C> {
    /// The handler over these ports.
    #[must_use]
    pub fn new(ledger: L, publisher: P, metric: M, clock: C, settings: AlerterSettings) -> Self {
        let pace = Pace::new(settings.messages_per_second_max);
        Self { ledger, publisher, metric, clock, settings, pace, used_up: UsedUp::default() }
    }

    /// Handles one event, as JSON: a batch of messages, or that a summary is due.
    ///
    /// # Errors
    /// [`HandlerError`] if `event` is neither, if SQS has to redeliver the whole batch, or if there is no summary.
    pub async fn handle(&self, event: &str, invocation: &Invocation) -> Result<Outcome, HandlerError> {
        match Event::of(event) {
            Event::Messages => self.handle_messages(event, invocation).await,
            Event::DigestDue => Ok(self.summarise(invocation).await?),
        }
    }

    async fn handle_messages(&self, event: &str, invocation: &Invocation) -> Result<Outcome, HandlerError> {
        let messages = message::parse(event)?;
        let singles_left = self.singles_max(messages.len(), invocation);
        let mut run = Run { alerter: self, invocation, progress: Progress::default(), singles_left };
        run.progress.summary.messages = count(messages.len());
        let mut alerts = read(&messages, &mut run.progress);
        // The most severe first, if there are several slices.
        alerts.sort_by_key(|(alert, _)| Reverse(alert.severity()));
        run.alert(alerts).await;
        let Progress { summary, failed } = run.progress;
        let failed: Option<Vec<String>> = failed.iter().map(|index| messages.get(*index)?.message_id.clone()).collect();
        Ok(Outcome { response: failures::sqs(failed.ok_or(HandlerError::Unreportable)?), summary })
    }
}

impl<L: LedgerTable, P: Publisher, M: MetricSink, C: Clock> Alerter<L, P, M, C> {
    /// How many alerts of a batch are published alone. A full batch is one of many: people get bundles until the backlog is gone. Half of
    /// the messages that the pace allows are left for bundles, or those would wait for the next delivery each time.
    fn singles_max(&self, messages: usize, invocation: &Invocation) -> usize {
        if messages >= self.settings.batch_size {
            return 0;
        }
        let in_time = self.pace.messages_in(invocation.left_ms(&self.clock).saturating_sub(BEGIN_RESERVE_MS));
        self.settings.singles_max.min(in_time / 2)
    }
}

impl<L: LedgerTable, P: Publisher, M: MetricSink, C: Clock> Run<'_, L, P, M, C> {
    /// Alerts, a slice at a time.
    async fn alert(&mut self, alerts: Vec<Incoming>) {
        let mut alerts = alerts.into_iter();
        loop {
            let slice: Vec<Incoming> = alerts.by_ref().take(ALERTS_PER_SLICE).collect();
            if slice.is_empty() {
                return;
            }
            match self.desk(&slice).await {
                Some(desk) => self.alert_slice(slice, &desk).await,
                None => slice.iter().for_each(|(_, messages)| self.progress.fail(messages)),
            }
        }
    }

    async fn alert_slice(&mut self, slice: Vec<Incoming>, desk: &Desk) {
        let cases = desk.decide(slice, self.alerter.settings.policy, self.alerter.clock.now_ms());
        let (fresh, counted_later) = self.claim(cases).await;
        let fresh = self.take_pages(fresh).await;
        let done = self.publish(fresh).await;
        self.remember(desk, &done).await;
        self.settle(&done, &counted_later).await;
    }

    pub(crate) fn lease(&self) -> Lease<'_> {
        let now_ms = self.alerter.clock.now_ms();
        let retention_seconds = i64::from(self.alerter.settings.ledger_retention_days) * SECONDS_PER_DAY;
        Lease {
            owner: &self.invocation.request_id,
            now_ms,
            until_ms: self.invocation.deadline_ms.saturating_add(LEASE_MARGIN_MS),
            expires_at_seconds: now_ms / 1_000 + retention_seconds,
        }
    }
}

/// Reads every message. Messages with the same id are one alert.
fn read(messages: &[QueueMessage], progress: &mut Progress) -> Vec<Incoming> {
    let mut alerts: Vec<Incoming> = Vec::new();
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

pub(crate) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
