//! The ranked summary: one message on the alerts that wait, and then they wait no longer.
//!
//! The message is published before its alerts are taken off the list. A crash in between tells them again in the next summary; the
//! other order would lose them. One invocation at a time has the turn.

use futures_util::{StreamExt, stream};
use lambda_kit::{Clock, Invocation, telemetry::chain};

use crate::case::Case;
use crate::decide::Desk;
use crate::handler::{Alerter, BEGIN_RESERVE_MS, LEDGER_CALLS_CONCURRENT_MAX, Outcome, Progress, Run, count};
use crate::ledger::{Lease, LedgerError, LedgerTable, Turn, Waiting};
use crate::message::{Alert, QueueMessage};
use crate::metric_sink::MetricSink;
use crate::publication::{Publication, summary};
use crate::publisher::Publisher;

/// Alerts of one summary. What waits beyond them is in the next one.
const ALERTS_MAX: usize = 20_000;
/// The next turn begins at least this long after one that told something: by then the index knows what is off the list.
const TURN_PAUSE_MS: i64 = 60_000;
/// The next turn may begin in the same millisecond.
const AT_ONCE_MS: i64 = 0;
/// Alerts are taken off the list until a second and a half before the end.
const REMOVE_RESERVE_MS: i64 = 1_500;
/// The turn is ended until half a second before the end. If it is not, its lease runs out.
const END_RESERVE_MS: i64 = 500;

/// Why there is no summary. Lambda runs the schedule's event again, and after that there is the next one: what waits keeps waiting.
#[derive(Debug, thiserror::Error)]
pub enum DigestError {
    /// The table did not respond.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Another invocation makes one, or crashed and its lease has not run out.
    #[error("another summary is being made")]
    Held,
    /// SNS did not confirm it.
    #[error("SNS did not confirm the summary")]
    NotConfirmed,
    /// The deadline came first.
    #[error("there was no time left for the summary")]
    OutOfTime,
    /// More wait than one summary has time for. The repeated event makes another one.
    #[error("more alerts wait than one summary has time for")]
    MoreWaits,
}

impl<L: LedgerTable, P: Publisher, M: MetricSink, C: Clock> Alerter<L, P, M, C> {
    /// Publishes one summary of all alerts that wait, if any do.
    ///
    /// # Errors
    /// [`DigestError`]; the alerts wait for the next summary.
    pub async fn summarise(&self, invocation: &Invocation) -> Result<Outcome, DigestError> {
        let mut run = Run { alerter: self, invocation, progress: Progress::default(), singles_left: 0 };
        // Lambda may run one asynchronous event twice at once, under the same request id.
        let owner = format!("{}#{}", invocation.request_id, self.clock.now_ms());
        match run.in_time(self.ledger.begin_summary(Lease { owner: &owner, ..run.lease() })).await? {
            Turn::Ours => run.summarise_and_end(&owner).await?,
            Turn::Held => return Err(DigestError::Held),
            Turn::JustEnded => {
                tracing::info!("There was a summary within the last minute. What waits now is in the next one.");
            }
        }
        Ok(Outcome { response: lambda_kit::failures::sqs(Vec::new()), summary: run.progress.summary })
    }
}

impl<L: LedgerTable, P: Publisher, M: MetricSink, C: Clock> Run<'_, L, P, M, C> {
    async fn summarise_and_end(&mut self, owner: &str) -> Result<(), DigestError> {
        let summarised = self.summarise().await;
        let Alerter { ledger, clock, .. } = self.alerter;
        // What is left, the repeated event tells without a pause.
        let has_told_all = summarised.is_ok() && self.progress.summary.summarised > 0;
        let next_ms = if has_told_all { clock.now_ms().saturating_add(TURN_PAUSE_MS) } else { AT_ONCE_MS };
        let lease = Lease { owner, ..self.lease() };
        let ended = self.invocation.within(clock, END_RESERVE_MS, ledger.end_summary(lease, next_ms)).await;
        if let Some(Err(error)) = ended {
            tracing::warn!(error = %chain(&error), "The turn to make a summary ends with its lease.");
        }
        summarised
    }

    async fn summarise(&mut self) -> Result<(), DigestError> {
        let mut waiting = self.in_time(self.alerter.ledger.waiting(ALERTS_MAX)).await?;
        if waiting.is_empty() {
            return Ok(());
        }
        waiting.sort_by(|a, b| b.rank.partial_cmp(&a.rank).unwrap_or(std::cmp::Ordering::Equal));
        let top = self.top(&waiting).await?;
        let publication = summary(&waiting, &top);
        self.publish_summary(&publication).await?;
        self.progress.summary.publications += 1;
        self.progress.summary.summarised += count(waiting.len());
        let is_taken_off = self.take_off_the_list(&waiting).await;
        if !is_taken_off || waiting.len() >= ALERTS_MAX { Err(DigestError::MoreWaits) } else { Ok(()) }
    }

    /// The most urgent alerts, as they were stored.
    async fn top(&mut self, waiting: &[Waiting]) -> Result<Vec<Case>, DigestError> {
        let desk: Desk = self.desk(&[]).await.ok_or(DigestError::OutOfTime)?;
        let ids: Vec<&str> = waiting.iter().take(desk.top()).map(|waiting| waiting.id.as_str()).collect();
        let mut stored = self.in_time(self.alerter.ledger.alerts(&ids)).await?;
        let case = |id: &&str| {
            let stored = stored.remove(*id)?;
            let message = QueueMessage { message_id: Some((*id).to_owned()), body: Some(stored.body) };
            Some(Case::new(Alert::read(&message).ok()?, stored.decision))
        };
        Ok(ids.iter().filter_map(case).collect())
    }

    async fn publish_summary(&self, publication: &Publication) -> Result<(), DigestError> {
        let confirmed = self.publish_each(std::slice::from_ref(publication)).await;
        if confirmed.is_empty() { Err(DigestError::NotConfirmed) } else { Ok(()) }
    }

    /// What stays on the list because of a fault is told again in the next summary. Returns whether there was time for all of them.
    async fn take_off_the_list(&self, waiting: &[Waiting]) -> bool {
        let ledger = &self.alerter.ledger;
        let removals = stream::iter(waiting).map(|waiting| ledger.remove(&waiting.id));
        let removing = removals.buffer_unordered(LEDGER_CALLS_CONCURRENT_MAX).filter_map(async |removed| removed.err());
        let removing = removing.collect::<Vec<LedgerError>>();
        let Some(errors) = self.invocation.within(&self.alerter.clock, REMOVE_RESERVE_MS, removing).await else {
            tracing::warn!("Time ran out; the next summary has some alerts again.");
            return false;
        };
        for error in errors {
            tracing::warn!(error = %chain(&error), "An alert stays on the list; the next summary has it again.");
        }
        true
    }

    async fn in_time<T>(&self, call: impl Future<Output = Result<T, LedgerError>>) -> Result<T, DigestError> {
        let called = self.invocation.within(&self.alerter.clock, BEGIN_RESERVE_MS, call).await;
        Ok(called.ok_or(DigestError::OutOfTime)??)
    }
}
