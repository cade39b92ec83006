//! Publishes claimed alerts: the few most severe alone, the rest in digests, no faster than people's mail can take.

use std::collections::BTreeSet;
use std::time::Duration;

use lambda_kit::Clock;
use lambda_kit::batch::{Limits, chunks};

use crate::handler::{Alerts, PUBLISH_RESERVE_MS, Run, count};
use crate::ledger::Ledger;
use crate::message::Alert;
use crate::metric_sink::MetricSink;
use crate::publication::{self, MESSAGE_BYTES_MAX, Publication};
use crate::publisher::Publisher;

/// SNS messages of one PublishBatch. SNS allows ten; with four in a second, two instances of the alerter stay below the ten messages a
/// second at which SNS suspends an email subscription.
const ENTRIES_PER_CALL: usize = 4;
/// Limits of one PublishBatch. Messages that one call confirmed stay confirmed if time runs out in the next.
const CALL_LIMITS: Limits = Limits { entries_max: ENTRIES_PER_CALL, bytes_max: MESSAGE_BYTES_MAX };

impl<L: Ledger, P: Publisher, M: MetricSink, C: Clock> Run<'_, L, P, M, C> {
    /// Publishes. Returns the alerts that SNS confirmed.
    pub(crate) async fn publish(&mut self, fresh: Alerts) -> Alerts {
        let alerts: Vec<&Alert> = fresh.iter().map(|(alert, _)| alert).collect();
        let publications = publication::plan(&alerts, self.singles_left);
        let singles = publications.iter().filter(|publication| publication.alert_ids.len() == 1).count();
        self.singles_left = self.singles_left.saturating_sub(singles);
        let confirmed = self.publish_each(&publications).await;
        self.progress.summary.publications += count(confirmed.len());
        let ids: BTreeSet<&str> = confirmed.iter().flat_map(|p| &p.alert_ids).map(String::as_str).collect();
        let (published, failed): (Alerts, Alerts) =
            fresh.into_iter().partition(|(alert, _)| ids.contains(alert.id.as_str()));
        self.progress.fail_all(failed.iter().map(|(_, messages)| messages.as_slice()));
        self.progress.summary.alerts += count(published.len());
        published
    }

    /// Makes the calls, each when it is its turn. Returns what SNS confirmed.
    async fn publish_each<'p>(&self, publications: &'p [Publication]) -> Vec<&'p Publication> {
        let mut confirmed = Vec::with_capacity(publications.len());
        for call in chunks(publications, CALL_LIMITS, |publication| publication.message().len()) {
            let publishing = async {
                let wait_ms = self.alerter.pace.take(self.alerter.clock.now_ms(), call.len());
                tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                self.alerter.publisher.publish(call).await
            };
            let answers = self.invocation.within(&self.alerter.clock, PUBLISH_RESERVE_MS, publishing).await;
            let Some(answers) = answers else { break };
            debug_assert_eq!(answers.len(), call.len(), "the publisher has to answer for each publication");
            let of_call = call.iter().zip(answers).filter(|(_, is_confirmed)| *is_confirmed);
            confirmed.extend(of_call.map(|(publication, _)| publication));
        }
        confirmed
    }
}
