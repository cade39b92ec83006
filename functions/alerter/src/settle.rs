//! Counts and completes published alerts.

use futures_util::{StreamExt, stream};
use lambda_kit::{Clock, telemetry::chain};

use crate::handler::{Alerts, LEDGER_CALLS_CONCURRENT_MAX, Run};
use crate::ledger::{Ledger, LedgerError};
use crate::message::Alert;
use crate::metric_sink::MetricSink;
use crate::publisher::Publisher;

/// The metric has to respond two seconds before the end. If it does not, the ledger can still record what was published.
const METRIC_RESERVE_MS: i64 = 2_000;

impl<L: Ledger, P: Publisher, M: MetricSink, C: Clock> Run<'_, L, P, M, C> {
    /// Counts and completes published alerts. If only the counting fails, the ledger records them as published, so that the next
    /// attempt counts them without publishing again.
    pub(crate) async fn settle(&mut self, new: &Alerts, old: &Alerts) {
        let total = u32::try_from(new.len() + old.len()).unwrap_or(u32::MAX);
        if total == 0 {
            return;
        }
        let (alerter, lease) = (self.alerter, self.lease());
        let counting = self.invocation.within(&alerter.clock, METRIC_RESERVE_MS, alerter.metric.add(total)).await;
        if let Some(Ok(())) = counting {
            let failed = on_each(new.iter().chain(old), |id| alerter.ledger.complete(id, lease)).await;
            return self.progress.fail_all(failed);
        }
        if let Some(Err(error)) = counting {
            tracing::warn!(error = %chain(&error), "Alerts are published but not counted; they are redelivered to be counted.");
        }
        on_each(new.iter().chain(old), |id| alerter.ledger.mark_published(id, lease)).await;
        self.progress.fail_all(new.iter().chain(old).map(|(_, messages)| messages.as_slice()));
    }
}

/// Makes a ledger call for each alert. Returns the messages of those that failed.
async fn on_each<'a, F: Future<Output = Result<(), LedgerError>>>(
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
