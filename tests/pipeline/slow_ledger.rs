//! Large batches with a slow ledger and a slow topic: each delivery makes progress, nobody is told twice, and people get no more than their
//! mail takes. Time is tokio's paused clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alerter::ledger::{
    Claim, Ending, Entry, Lease, Ledger, LedgerError, PageOfDay, PolicyStore, StoredAlert, StoredPolicy, Turn, Waiting,
    WaitingList,
};
use alerter::metric_sink::MemorySink;
use alerter::publication::Publication;
use alerter::publisher::{MemoryPublisher, Publisher};
use alerter::{Alerter, AlerterSettings};
use lambda_kit::{Clock, Invocation};
use tokio::time::sleep;

use crate::fixtures::{PausedClock, SharedLedger, anomaly_body, invocation, sqs_event};
use crate::slow_services::settings;

/// A ledger whose every call is slow.
#[derive(Debug, Clone, Default)]
struct SlowLedger(SharedLedger);

/// Duration of a call.
const SLOW: Duration = Duration::from_millis(45);

impl Ledger for SlowLedger {
    async fn claim(&self, entry: Entry<'_>, lease: Lease<'_>) -> Result<Claim, LedgerError> {
        sleep(SLOW).await;
        self.0.claim(entry, lease).await
    }

    async fn mark_published(&self, ending: Ending<'_>, lease: Lease<'_>) -> Result<(), LedgerError> {
        sleep(SLOW).await;
        self.0.mark_published(ending, lease).await
    }

    async fn complete(&self, ending: Ending<'_>, lease: Lease<'_>) -> Result<(), LedgerError> {
        sleep(SLOW).await;
        self.0.complete(ending, lease).await
    }
}

impl PolicyStore for SlowLedger {
    async fn read(&self, user_ids: &[&str], alert_ids: &[&str]) -> Result<StoredPolicy, LedgerError> {
        sleep(SLOW).await;
        self.0.read(user_ids, alert_ids).await
    }

    async fn write_history(&self, user_id: &str, history: &str, expires_at_seconds: i64) -> Result<(), LedgerError> {
        sleep(SLOW).await;
        self.0.write_history(user_id, history, expires_at_seconds).await
    }

    async fn take_page(&self, page: PageOfDay<'_>) -> Result<Option<u32>, LedgerError> {
        sleep(SLOW).await;
        self.0.take_page(page).await
    }
}

impl WaitingList for SlowLedger {
    async fn begin_summary(&self, lease: Lease<'_>) -> Result<Turn, LedgerError> {
        sleep(SLOW).await;
        self.0.begin_summary(lease).await
    }

    async fn waiting(&self, limit: usize) -> Result<Vec<Waiting>, LedgerError> {
        sleep(SLOW).await;
        self.0.waiting(limit).await
    }

    async fn alerts(&self, ids: &[&str]) -> Result<BTreeMap<String, StoredAlert>, LedgerError> {
        sleep(SLOW).await;
        self.0.alerts(ids).await
    }

    async fn remove(&self, id: &str) -> Result<(), LedgerError> {
        sleep(SLOW).await;
        self.0.remove(id).await
    }

    async fn end_summary(&self, lease: Lease<'_>, next_ms: i64) -> Result<(), LedgerError> {
        sleep(SLOW).await;
        self.0.end_summary(lease, next_ms).await
    }
}

#[tokio::test(start_paused = true)]
async fn the_largest_batch_makes_progress_on_a_slow_ledger() {
    let (clock, publisher, metric) = (PausedClock::start(), MemoryPublisher::default(), MemorySink::default());
    let alerter = Alerter::new(SlowLedger::default(), publisher.clone(), metric.clone(), clock, settings());
    let mut bodies: Vec<String> = (0..10_000).map(|number| anomaly_body(number, 3.0)).collect();
    let mut deliveries = 0;
    while !bodies.is_empty() {
        let invocation = invocation(&clock);
        let outcome = alerter.handle(&sqs_event(&bodies), &invocation).await.unwrap();
        assert!(clock.now_ms() < invocation.deadline_ms, "Lambda would have stopped it");
        let failed: BTreeSet<String> =
            outcome.response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
        let done = bodies.len() - failed.len();
        assert!(done >= bodies.len().min(2_000), "{done} of {}", bodies.len());
        retain_failed(&mut bodies, &failed);
        deliveries += 1;
        // The queue's visibility time-out: every lease has run out by then.
        tokio::time::advance(Duration::from_mins(4)).await;
    }
    assert!(deliveries <= 5, "{deliveries} deliveries");
    let ids: Vec<String> = publisher.take().into_iter().flat_map(|publication| publication.alert_ids).collect();
    assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), metric.sum()), (10_000, 10_000, 10_000));
}

/// A topic that takes a while, and has what it got whether or not anybody waits for its answer.
#[derive(Debug, Clone)]
struct Late(Duration, Arc<Mutex<Vec<String>>>);

impl Publisher for Late {
    async fn publish(&self, publications: &[Publication]) -> Vec<bool> {
        self.1.lock().unwrap().extend(publications.iter().flat_map(|publication| publication.alert_ids.clone()));
        sleep(self.0).await;
        vec![true; publications.len()]
    }
}

/// Keeps the messages that SQS redelivers.
fn retain_failed(bodies: &mut Vec<String>, failed: &BTreeSet<String>) {
    let mut index = 0;
    bodies.retain(|_| {
        index += 1;
        failed.contains(&format!("m{}", index - 1))
    });
}

/// Messages that are received this often go to the dead-letter queue.
const RECEIVES_MAX: usize = 10;

/// No call is cut off because the pace took the time before it, and singles leave time for the digests.
#[tokio::test(start_paused = true)]
async fn a_batch_that_takes_several_deliveries_doubles_and_loses_nothing() {
    for (singles_max, per_second, messages, sns_ms) in
        [(100, 4, 300, 80), (100, 4, 999, 50), (3, 4, 6_000, 119), (20, 1, 400, 200), (3, 1, 9, 1_900)]
    {
        let (clock, published) = (PausedClock::start(), Arc::<Mutex<Vec<String>>>::default());
        let settings =
            AlerterSettings { singles_max, batch_size: 10_000, messages_per_second_max: per_second, ..settings() };
        let topic = Late(Duration::from_millis(sns_ms), Arc::clone(&published));
        let alerter = Alerter::new(SlowLedger::default(), topic, MemorySink::default(), clock, settings);
        let mut bodies: Vec<String> = (0..messages).map(|number| anomaly_body(number, 3.0)).collect();
        let mut deliveries = 0;
        while !bodies.is_empty() && deliveries < RECEIVES_MAX {
            let outcome = alerter.handle(&sqs_event(&bodies), &invocation(&clock)).await.unwrap();
            let failed: BTreeSet<String> =
                outcome.response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
            retain_failed(&mut bodies, &failed);
            deliveries += 1;
            tokio::time::advance(Duration::from_mins(4)).await;
        }
        let ids = published.lock().unwrap().clone();
        let distinct: BTreeSet<&String> = ids.iter().collect();
        let case = (singles_max, per_second, messages, sns_ms);
        assert_eq!(
            (bodies.len(), ids.len(), distinct.len()),
            (0, messages, messages),
            "{case:?} in {deliveries} deliveries"
        );
    }
}

/// A topic that notes when it gets a message, in ms.
#[derive(Debug, Clone)]
struct Noting(PausedClock, Arc<Mutex<Vec<i64>>>);

impl Publisher for Noting {
    async fn publish(&self, publications: &[Publication]) -> Vec<bool> {
        self.1.lock().unwrap().extend(publications.iter().map(|_| self.0.now_ms()));
        vec![true; publications.len()]
    }
}

/// SNS suspends an email subscription above ten messages a second; the mapping runs two instances.
#[tokio::test(start_paused = true)]
async fn a_backlog_reaches_people_as_digests_and_no_faster_than_mail_can_take() {
    let clock = PausedClock::start();
    let times = Arc::default();
    let alerter = Alerter::new(
        SharedLedger::default(),
        Noting(clock, Arc::clone(&times)),
        MemorySink::default(),
        clock,
        settings(),
    );
    for batch in 0..40 {
        // Full batches, and in between others with four alerts.
        let size = if batch % 4 == 3 { 4 } else { 10 };
        let bodies: Vec<String> = (0..size).map(|index| anomaly_body(batch * 10 + index, 3.0)).collect();
        let invocation: Invocation = invocation(&clock);
        let outcome = alerter.handle(&sqs_event(&bodies), &invocation).await.unwrap();
        let expected = if size == 10 { 1 } else { 4 };
        assert_eq!((outcome.summary.failed, outcome.summary.publications), (0, expected), "batch {batch}");
    }
    let times = times.lock().unwrap();
    assert_eq!(times.len(), 30 + 4 * 10);
    let most =
        times.iter().map(|start| times.iter().filter(|time| (0..1_000).contains(&(**time - start))).count()).max();
    assert!(most <= Some(4), "{most:?} messages in a second");
}
