//! Counts and completes alerts, and remembers them for the next ones of their users.

use std::collections::BTreeMap;

use alert_policy::{Disposition, History, REPEAT_SPAN_MS};
use futures_util::{StreamExt, stream};
use lambda_kit::{Clock, telemetry::chain};

use crate::case::Case;
use crate::decide::Desk;
use crate::handler::{LEDGER_CALLS_CONCURRENT_MAX, Run};
use crate::ledger::{LedgerError, LedgerTable};
use crate::metric_sink::{MetricSink, Tally};
use crate::publisher::Publisher;

/// The metric has to respond two seconds before the end. If it does not, the ledger can still record what was published.
const METRIC_RESERVE_MS: i64 = 2_000;
/// Histories are written until three seconds before the end. Without them an alert is told that need not be.
const HISTORY_RESERVE_MS: i64 = 3_000;
/// How long a history is kept after its last alert, in ms: as long as it says anything, and a day.
const HISTORY_KEPT_MS: i64 = REPEAT_SPAN_MS + 86_400_000;

impl<L: LedgerTable, P: Publisher, M: MetricSink, C: Clock> Run<'_, L, P, M, C> {
    /// Remembers alerts for the next ones of their users. What fails here is only logged: the next alert is then told as a first one.
    pub(crate) async fn remember(&self, desk: &Desk, done: &[Case]) {
        let (alerter, now_ms) = (self.alerter, self.alerter.clock.now_ms());
        let histories: BTreeMap<&str, History> = desk.histories(done.iter(), now_ms);
        let expires_at_seconds = (now_ms + HISTORY_KEPT_MS) / 1_000;
        let writes = stream::iter(&histories).map(async |(user_id, history)| {
            let json = serde_json::to_string(history).map_err(|error| LedgerError::new("write a history", error))?;
            alerter.ledger.write_history(user_id, &json, expires_at_seconds).await
        });
        let writing = writes.buffer_unordered(LEDGER_CALLS_CONCURRENT_MAX).collect::<Vec<_>>();
        let written = self.invocation.within(&alerter.clock, HISTORY_RESERVE_MS, writing).await;
        for error in written.into_iter().flatten().filter_map(Result::err) {
            tracing::warn!(error = %chain(&error), "An alert could not be remembered.");
        }
    }

    /// Counts and completes. If only the counting fails, the ledger records them as published, so that the next attempt counts them
    /// without publishing again.
    pub(crate) async fn settle(&mut self, new: &[Case], old: &[Case]) {
        let tally = tally(new.iter().chain(old));
        if tally == Tally::default() {
            return;
        }
        let (alerter, lease) = (self.alerter, self.lease());
        let counting = self.invocation.within(&alerter.clock, METRIC_RESERVE_MS, alerter.metric.add(tally)).await;
        if let Some(Ok(())) = counting {
            let failed = on_each(new.iter().chain(old), |case| alerter.ledger.complete(case.ending(), lease)).await;
            self.progress.fail_all(failed);
            return new.iter().chain(old).for_each(|case| self.progress.summary.note(case.decision.disposition));
        }
        if let Some(Err(error)) = counting {
            tracing::warn!(error = %chain(&error), "Alerts are published but not counted; they are redelivered to be counted.");
        }
        on_each(new.iter().chain(old), |case| alerter.ledger.mark_published(case.ending(), lease)).await;
        self.progress.fail_all(new.iter().chain(old));
    }
}

fn tally<'c>(cases: impl Iterator<Item = &'c Case>) -> Tally {
    cases.fold(Tally::default(), |tally, case| match case.decision.disposition {
        Disposition::Shadow => Tally { shadow: tally.shadow.saturating_add(1), ..tally },
        _ => Tally { anomalies: tally.anomalies.saturating_add(1), ..tally },
    })
}

/// Makes a ledger call for each alert. Returns those of which it failed.
async fn on_each<'a, F: Future<Output = Result<(), LedgerError>>>(
    cases: impl Iterator<Item = &'a Case>,
    call: impl Fn(&'a Case) -> F,
) -> Vec<&'a Case> {
    let calls = stream::iter(cases.map(|case| {
        let calling = call(case);
        async move { (calling.await, case) }
    }));
    let answers: Vec<_> = calls.buffered(LEDGER_CALLS_CONCURRENT_MAX).collect().await;
    let failed = answers.into_iter().filter_map(|(answer, case)| {
        let error = answer.err()?;
        tracing::warn!(error = %chain(&error), "The ledger could not record a published alert.");
        Some(case)
    });
    failed.collect()
}
