//! Claims alerts in the ledger, so that no other invocation publishes them meanwhile.

use futures_util::{StreamExt, stream};
use lambda_kit::{Clock, telemetry::chain};

use crate::handler::{Alerts, BEGIN_RESERVE_MS, LEDGER_CALLS_CONCURRENT_MAX, Run, count};
use crate::ledger::{Claim, Ledger};
use crate::metric_sink::MetricSink;
use crate::publisher::Publisher;

impl<L: Ledger, P: Publisher, M: MetricSink, C: Clock> Run<'_, L, P, M, C> {
    /// Claims every alert. Returns those to publish, and those that only have to be counted.
    pub(crate) async fn claim(&mut self, alerts: Alerts) -> (Alerts, Alerts) {
        let lease = self.lease();
        let alerter = self.alerter;
        let claims = stream::iter(&alerts).map(|(alert, _)| {
            self.invocation.within(&alerter.clock, BEGIN_RESERVE_MS, alerter.ledger.claim(&alert.id, lease))
        });
        let claims: Vec<_> = claims.buffered(LEDGER_CALLS_CONCURRENT_MAX).collect().await;
        let (mut fresh, mut published) = (Vec::new(), Vec::new());
        for ((alert, messages), claim) in alerts.into_iter().zip(claims) {
            match claim {
                Some(Ok(Claim::Granted)) => fresh.push((alert, messages)),
                Some(Ok(Claim::GrantedPublished)) => published.push((alert, messages)),
                Some(Ok(Claim::Completed)) => self.progress.summary.suppressed += count(messages.len()),
                Some(Ok(Claim::Held)) => {
                    self.progress.summary.held += 1;
                    self.progress.failed.extend(messages);
                }
                Some(Err(error)) => {
                    tracing::warn!(error = %chain(&error), "An alert could not be claimed.");
                    self.progress.fail(&messages);
                }
                // The deadline was too near.
                None => self.progress.fail(&messages),
            }
        }
        (fresh, published)
    }
}
