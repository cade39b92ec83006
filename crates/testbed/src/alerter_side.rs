//! From the queue of anomalies to published alerts: Lambda's SQS mapping, the alerter, the embedded DynamoDB.

use std::cell::{Cell, RefCell};

use alerter::ledger::DynamoDbLedger;
use alerter::metric_sink::MemorySink;
use alerter::publication::Publication;
use alerter::publisher::MemoryPublisher;
use alerter::{Alerter, AlerterSettings, AlerterSummary};
use event_source::sqs::{MemorySqs, SqsMapping, SqsMappingSettings, Step};
use event_source::{Invoke, Invoked};
use lambda_kit::Clock;

use crate::dynamodb::{EmbeddedDynamoDb, counter::RequestCounter, create_ledger_table};
use crate::function::{invocation, responded};

const QUEUE_ARN: &str = "arn:aws:sqs:us-east-1:000000000000:anomalies";
const LEDGER_TABLE: &str = "alert-ledger";
/// Visibility time-out of the queue, in ms.
const VISIBILITY_TIMEOUT_MS: i64 = 60_000;

/// The queue and its mapping.
#[derive(Debug, Clone, Default)]
pub struct QueueOptions {
    /// Settings of the mapping.
    pub mapping: SqsMappingSettings,
    /// Deliveries after which a message goes to the dead-letter queue; `None` is never.
    pub receive_count_max: Option<u32>,
    /// Delivers every n-th message twice, as a standard queue may.
    pub delivered_twice_every: Option<u64>,
}

/// The second half of the pipeline. `C` is the clock of queue and alerter.
#[derive(Debug)]
pub struct AlerterSide<C> {
    clock: C,
    mapping: SqsMapping<MemorySqs, AlerterFunction<C>>,
    publisher: MemoryPublisher,
    metric: MemorySink,
    requests: RequestCounter,
    delivered_twice_every: Option<u64>,
    sent: Cell<u64>,
    /// Messages that are delivered a second time, with the next messages that are sent.
    copies: RefCell<Vec<String>>,
}

#[derive(Debug)]
struct AlerterFunction<C> {
    alerter: Alerter<DynamoDbLedger, MemoryPublisher, MemorySink, C>,
    clock: C,
    totals: RefCell<AlerterSummary>,
}

impl<C: Clock> Invoke for AlerterFunction<C> {
    async fn invoke(&self, event: &str) -> Invoked {
        match self.alerter.handle(event, &invocation(&self.clock)).await {
            Ok(outcome) => {
                *self.totals.borrow_mut() += outcome.summary;
                responded(&outcome.response)
            }
            Err(error) => Invoked::Failed(error.to_string()),
        }
    }
}

impl<C: Clock + Clone> AlerterSide<C> {
    /// Creates the table of the ledger and connects everything. The database has to live longer than the result is used.
    ///
    /// # Errors
    /// If the table cannot be created.
    pub async fn start(
        dynamodb: &EmbeddedDynamoDb,
        clock: C,
        settings: AlerterSettings,
        queue: QueueOptions,
    ) -> anyhow::Result<Self> {
        let requests = RequestCounter::default();
        let client = dynamodb.client(&requests);
        create_ledger_table(&client, LEDGER_TABLE).await?;
        let (publisher, metric) = (MemoryPublisher::default(), MemorySink::default());
        let ledger = DynamoDbLedger::new(client, LEDGER_TABLE.to_owned());
        let alerter = Alerter::new(ledger, publisher.clone(), metric.clone(), clock.clone(), settings);
        let function = AlerterFunction { alerter, clock: clock.clone(), totals: RefCell::default() };
        let QueueOptions { mapping, receive_count_max, delivered_twice_every } = queue;
        let source = MemorySqs::new(VISIBILITY_TIMEOUT_MS, receive_count_max);
        let mapping = SqsMapping::new(QUEUE_ARN.to_owned(), source, function, mapping);
        let (sent, copies) = (Cell::default(), RefCell::default());
        Ok(Self { clock, mapping, publisher, metric, requests, delivered_twice_every, sent, copies })
    }

    /// Sends messages to the queue. Second copies of earlier ones follow.
    pub fn send(&self, bodies: Vec<String>) {
        let earlier = self.copies.take();
        for body in bodies {
            self.sent.set(self.sent.get() + 1);
            if self.delivered_twice_every.is_some_and(|every| self.sent.get().is_multiple_of(every)) {
                self.copies.borrow_mut().push(body.clone());
            }
            self.mapping.source().send(body, self.clock.now_ms());
        }
        for body in earlier {
            self.mapping.source().send(body, self.clock.now_ms());
        }
    }

    /// One step of the mapping: at most one invocation.
    ///
    /// # Errors
    /// If the queue does not respond.
    pub async fn step(&self) -> anyhow::Result<Step> {
        Ok(self.mapping.step(self.clock.now_ms()).await?)
    }

    /// Whether no message waits, hidden ones and copies included.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.mapping.source().is_empty() && self.copies.borrow().is_empty()
    }

    /// When the next message becomes visible, in ms since the epoch; `None` if none waits.
    #[must_use]
    pub fn next_visible_ms(&self) -> Option<i64> {
        self.mapping.source().next_visible_ms()
    }

    /// Takes the SNS messages published since the last call, in order.
    #[must_use]
    pub fn take_publications(&self) -> Vec<Publication> {
        self.publisher.take()
    }

    /// AnomalyCount.
    #[must_use]
    pub fn anomaly_count(&self) -> u32 {
        self.metric.sum()
    }

    /// The sum of the summaries of all batches so far.
    #[must_use]
    pub fn totals(&self) -> AlerterSummary {
        *self.mapping.function().totals.borrow()
    }

    /// Requests for the ledger so far.
    #[must_use]
    pub const fn requests(&self) -> &RequestCounter {
        &self.requests
    }
}
