//! Claims alerts in the ledger, so that no other invocation publishes them meanwhile, and so that nothing is decided twice.

use futures_util::{StreamExt, stream};
use lambda_kit::{Clock, telemetry::chain};

use crate::case::Case;
use crate::handler::{BEGIN_RESERVE_MS, LEDGER_CALLS_CONCURRENT_MAX, Run, count};
use crate::ledger::{Claim, LedgerTable};
use crate::metric_sink::MetricSink;
use crate::publisher::Publisher;

impl<L: LedgerTable, P: Publisher, M: MetricSink, C: Clock> Run<'_, L, P, M, C> {
    /// Claims every alert. Returns those to publish, and those that only have to be counted, with the decisions that count.
    pub(crate) async fn claim(&mut self, cases: Vec<Case>) -> (Vec<Case>, Vec<Case>) {
        let lease = self.lease();
        let alerter = self.alerter;
        let claims = stream::iter(&cases).map(|case| {
            self.invocation.within(&alerter.clock, BEGIN_RESERVE_MS, alerter.ledger.claim(case.entry(), lease))
        });
        let claims: Vec<_> = claims.buffered(LEDGER_CALLS_CONCURRENT_MAX).collect().await;
        let (mut fresh, mut published) = (Vec::new(), Vec::new());
        for (case, claim) in cases.into_iter().zip(claims) {
            match claim {
                Some(Ok(Claim::Granted(decision))) => fresh.push(Case { decision, ..case }),
                Some(Ok(Claim::GrantedPublished(decision))) => published.push(Case { decision, ..case }),
                Some(Ok(Claim::Completed)) => self.progress.summary.suppressed += count(case.messages.len()),
                Some(Ok(Claim::Held)) => {
                    self.progress.summary.held += 1;
                    self.progress.failed.extend(case.messages);
                }
                Some(Err(error)) => {
                    tracing::warn!(error = %chain(&error), "An alert could not be claimed.");
                    self.progress.fail(&case.messages);
                }
                // The deadline was too near.
                None => self.progress.fail(&case.messages),
            }
        }
        (fresh, published)
    }
}
