//! Publishes claimed alerts: the few most urgent alone, the rest in bundles, no faster than people's mail can take.

use std::collections::BTreeMap;
use std::time::Duration;

use lambda_kit::Clock;
use lambda_kit::batch::{Limits, chunks};

use crate::case::Case;
use crate::handler::{Alerter, BEGIN_RESERVE_MS, PUBLISH_RESERVE_MS, Run, count};
use crate::ledger::LedgerTable;
use crate::metric_sink::MetricSink;
use crate::pace::MESSAGES_TOGETHER_MAX;
use crate::publication::{self, MESSAGE_BYTES_MAX, Publication};
use crate::publisher::Publisher;

/// Limits of one PublishBatch. Messages that one call confirmed stay confirmed if time runs out in the next.
const CALL_LIMITS: Limits = Limits { entries_max: MESSAGES_TOGETHER_MAX, bytes_max: MESSAGE_BYTES_MAX };

/// What SNS confirmed, and when, in ms since the epoch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Confirmed<'p> {
    publication: &'p Publication,
    at_ms: i64,
}

impl<'p> Confirmed<'p> {
    /// The alerts in it, each with the time.
    fn times(&self) -> impl Iterator<Item = (&'p str, i64)> + use<'p> {
        let Self { publication, at_ms } = *self;
        publication.alert_ids.iter().map(move |id| (id.as_str(), at_ms))
    }
}

impl<L: LedgerTable, P: Publisher, M: MetricSink, C: Clock> Run<'_, L, P, M, C> {
    /// Publishes those that are told. Returns them, as far as SNS confirmed them, and those that are not told.
    pub(crate) async fn publish(&mut self, fresh: Vec<Case>) -> Vec<Case> {
        let (told, mut done): (Vec<Case>, Vec<Case>) =
            fresh.into_iter().partition(|case| case.decision.disposition.is_published());
        done.extend(self.publish_told(told).await);
        done
    }

    async fn publish_told(&mut self, told: Vec<Case>) -> Vec<Case> {
        let publications = publication::plan(&told.iter().collect::<Vec<_>>(), self.singles_left);
        let singles = publications.iter().filter(|publication| publication.alert_ids.len() == 1).count();
        self.singles_left = self.singles_left.saturating_sub(singles);
        let confirmed = self.publish_each(&publications).await;
        self.progress.summary.publications += count(confirmed.len());
        let times: BTreeMap<&str, i64> = confirmed.iter().flat_map(Confirmed::times).collect();
        let told = told.into_iter().map(|case| {
            let published_at_ms = times.get(case.alert.id.as_str()).copied();
            Case { published_at_ms, ..case }
        });
        let (published, failed): (Vec<Case>, Vec<Case>) = told.partition(|case| case.published_at_ms.is_some());
        self.progress.fail_all(&failed);
        self.progress.summary.alerts += count(published.len());
        published
    }

    /// Makes the calls, each when it is its turn. Returns what SNS confirmed.
    pub(crate) async fn publish_each<'p>(&self, publications: &'p [Publication]) -> Vec<Confirmed<'p>> {
        let mut confirmed = Vec::with_capacity(publications.len());
        for call in chunks(publications, CALL_LIMITS, |publication| publication.message().len()) {
            if !self.has_its_turn(call.len()).await {
                break;
            }
            let publishing = self.alerter.publisher.publish(call);
            let answers = self.invocation.within(&self.alerter.clock, PUBLISH_RESERVE_MS, publishing).await;
            let Some(answers) = answers else { break };
            debug_assert_eq!(answers.len(), call.len(), "the publisher has to answer for each publication");
            let at_ms = self.alerter.clock.now_ms();
            let of_call = call.iter().zip(answers).filter(|(_, is_confirmed)| *is_confirmed);
            confirmed.extend(of_call.map(|(publication, _)| Confirmed { publication, at_ms }));
        }
        confirmed
    }

    /// Waits until messages can be published together. Returns whether there is still time for the call then; if not, nobody waits.
    async fn has_its_turn(&self, messages: usize) -> bool {
        let Alerter { clock, pace, .. } = self.alerter;
        let wait_ms = pace.wait_ms(clock.now_ms(), messages);
        if !self.invocation.has_left(clock, BEGIN_RESERVE_MS.saturating_add(wait_ms)) {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(wait_ms.unsigned_abs())).await;
        pace.take(clock.now_ms(), messages);
        true
    }
}
