//! The queue of anomalies and its mapping: Lambda's side of it, between the detector and the alerter.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use aws_credential_types::Credentials;
use event_source::sqs::{MemorySqs, SqsMapping, SqsMappingSettings};
use lambda_kit::{AwsSettings, Clock, SystemClock, sdk_config};
use tokio::sync::Notify;

use super::functions::{Functions, KEY, REGION};
use super::place::Place;
use crate::deliver::{RemoteFunction, patient};

/// How long a message is hidden after it was delivered, in ms: longer than an invocation takes.
const VISIBILITY_TIMEOUT_MS: i64 = 60_000;
/// Deliveries before a message goes to the dead-letter queue.
const RECEIVE_COUNT_MAX: u32 = 5;

/// The queue, and the mapping to the alerter.
#[derive(Debug)]
pub(super) struct AnomalyQueue {
    queue: Rc<MemorySqs>,
    mapping: SqsMapping<Rc<MemorySqs>, RemoteFunction>,
    arrived: Notify,
    dead: Cell<usize>,
}

impl AnomalyQueue {
    pub(super) fn new(place: Place) -> Self {
        let queue = Rc::new(MemorySqs::new(VISIBILITY_TIMEOUT_MS, Some(RECEIVE_COUNT_MAX)));
        let settings = AwsSettings {
            region: REGION.to_owned(),
            endpoint_url: Some(place.url()),
            credentials: Credentials::new(KEY, KEY, None, None, "local"),
        };
        let client = aws_sdk_lambda::Client::from_conf(patient(&sdk_config(settings)));
        let alerter = RemoteFunction::new(client, "alerter");
        let mapping =
            SqsMapping::new(Functions::anomaly_queue_arn(), Rc::clone(&queue), alerter, SqsMappingSettings::default());
        Self { queue, mapping, arrived: Notify::new(), dead: Cell::default() }
    }

    /// Sends a message.
    pub(super) fn send(&self, body: String) {
        self.queue.send(body, SystemClock.now_ms());
        self.arrived.notify_one();
    }

    /// Delivers what arrives, for ever.
    pub(super) async fn deliver(&self) -> anyhow::Result<()> {
        loop {
            self.mapping.step(SystemClock.now_ms()).await?;
            self.tell_failures();
            self.until_next().await;
        }
    }

    /// Waits for a message, or until one that failed is visible again.
    async fn until_next(&self) {
        let left_ms = self.queue.next_visible_ms().map(|visible_ms| visible_ms - SystemClock.now_ms());
        match left_ms.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0))) {
            Some(left) => drop(tokio::time::timeout(left, self.arrived.notified()).await),
            None => self.arrived.notified().await,
        }
    }

    fn tell_failures(&self) {
        if let Some((_, reason)) = self.mapping.function().seen().unreached {
            eprintln!("The alerter failed, and gets the anomalies again in a minute: {reason}");
        }
        let dead = self.queue.dead().len();
        if self.dead.replace(dead) < dead {
            eprintln!("An anomaly went to the dead-letter queue after {RECEIVE_COUNT_MAX} deliveries.");
        }
    }
}
