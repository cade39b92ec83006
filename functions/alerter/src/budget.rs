//! The pages of a day (UTC). A page takes one before it is published; if none is left, the alert waits for the summary.

use std::sync::{Mutex, PoisonError};

use alert_policy::utc_day;
use lambda_kit::{Clock, telemetry::chain};

use crate::case::Case;
use crate::handler::{BEGIN_RESERVE_MS, Run};
use crate::ledger::{LedgerTable, PageOfDay};
use crate::metric_sink::MetricSink;
use crate::publisher::Publisher;

/// How long a day's count is kept, in seconds.
const COUNT_KEPT_SECONDS: i64 = 7 * 86_400;

/// The day whose pages are used up, and how many it had: no need to ask the table again.
#[derive(Debug, Default)]
pub(crate) struct UsedUp(Mutex<Option<(String, u32)>>);

impl UsedUp {
    fn is(&self, day: &str, pages_max: u32) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().is_some_and(|(known_day, known_max)| known_day == day && *known_max == pages_max)
    }

    fn note(&self, day: &str, pages_max: u32) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((day.to_owned(), pages_max));
    }
}

impl<L: LedgerTable, P: Publisher, M: MetricSink, C: Clock> Run<'_, L, P, M, C> {
    /// Takes a page for each alert that needs one, in order. An alert of which it is not known whether it got one is redelivered.
    pub(crate) async fn take_pages(&mut self, cases: Vec<Case>) -> Vec<Case> {
        let mut kept = Vec::with_capacity(cases.len());
        for case in cases {
            if !case.decision.is_budgeted() {
                kept.push(case);
            } else if let Some(case) = self.take_page(case).await {
                kept.push(case);
            }
        }
        kept
    }

    async fn take_page(&mut self, case: Case) -> Option<Case> {
        let now_ms = self.alerter.clock.now_ms();
        let (day, pages_max) = (utc_day(now_ms), case.decision.pages_per_day_max);
        if self.alerter.used_up.is(&day, pages_max) {
            return Some(self.over_budget(case));
        }
        let expires_at_seconds = now_ms / 1_000 + COUNT_KEPT_SECONDS;
        let page = PageOfDay { day: &day, id: &case.alert.id, pages_max, expires_at_seconds };
        let taking = self.alerter.ledger.take_page(page);
        match self.invocation.within(&self.alerter.clock, BEGIN_RESERVE_MS, taking).await {
            Some(Ok(Some(taken))) => return Some(Case { pages_taken: Some(taken), ..case }),
            Some(Ok(None)) => {
                self.alerter.used_up.note(&day, pages_max);
                return Some(self.over_budget(case));
            }
            Some(Err(error)) => tracing::warn!(error = %chain(&error), "A page of the day could not be taken."),
            // The deadline was too near.
            None => {}
        }
        self.progress.fail(&case.messages);
        None
    }

    fn over_budget(&mut self, case: Case) -> Case {
        self.progress.summary.over_budget += 1;
        Case { decision: case.decision.over_budget(), ..case }
    }
}
