//! From the queue of anomalies to published alerts: Lambda's SQS mapping, the alerter, the embedded DynamoDB.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use alert_policy::Decision;
use alerter::ledger::{DynamoDbLedger, PolicyStore};
use alerter::metric_sink::MemorySink;
use alerter::publication::Publication;
use alerter::publisher::MemoryPublisher;
use alerter::{Alerter, AlerterSettings, AlerterSummary};
use aws_sdk_dynamodb::Client;
use event_source::sqs::{MemorySqs, SqsMapping, SqsMappingSettings, Step};
use event_source::{Invoke, Invoked};
use lambda_kit::{Clock, Fault};

use crate::dynamodb::{EmbeddedDynamoDb, counter::RequestCounter, create_ledger_table, delete_expired};
use crate::function::{invocation, responded, until_polled};

const QUEUE_ARN: &str = "arn:aws:sqs:us-east-1:000000000000:anomalies";
/// The table of the ledger.
pub const LEDGER_TABLE: &str = "alert-ledger";
/// What the schedule of summaries sends.
const DIGEST_DUE: &str = r#"{"digest":"due"}"#;
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
    ledger: DynamoDbLedger,
    /// Of the database, without the count of requests.
    client: Client,
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
    /// The warm container. A crash or a deployment replaces it.
    alerter: RefCell<Rc<LocalAlerter<C>>>,
    clock: C,
    totals: RefCell<AlerterSummary>,
    /// After how many polls of its future the next invocation dies.
    dies_after: Cell<Option<u32>>,
    deaths: Cell<u64>,
}

type LocalAlerter<C> = Alerter<DynamoDbLedger, MemoryPublisher, MemorySink, C>;

impl<C: Clock> Invoke for AlerterFunction<C> {
    async fn invoke(&self, event: &str) -> Invoked {
        let alerter = Rc::clone(&self.alerter.borrow());
        let invocation = invocation(&self.clock);
        let handled = alerter.handle(event, &invocation);
        let outcome = match self.dies_after.take() {
            Some(polls) => until_polled(handled, polls).await,
            None => Some(handled.await),
        };
        match outcome {
            Some(Ok(outcome)) => {
                *self.totals.borrow_mut() += outcome.summary;
                responded(&outcome.response)
            }
            Some(Err(error)) => Invoked::Failed(error.to_string()),
            None => {
                self.deaths.set(self.deaths.get() + 1);
                Invoked::Failed("the container died".to_owned())
            }
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
        let alerter = Alerter::new(ledger.clone(), publisher.clone(), metric.clone(), clock.clone(), settings);
        let function = AlerterFunction {
            alerter: RefCell::new(Rc::new(alerter)),
            clock: clock.clone(),
            totals: RefCell::default(),
            dies_after: Cell::default(),
            deaths: Cell::default(),
        };
        let QueueOptions { mapping, receive_count_max, delivered_twice_every } = queue;
        let source = MemorySqs::new(VISIBILITY_TIMEOUT_MS, receive_count_max);
        let mapping = SqsMapping::new(QUEUE_ARN.to_owned(), source, function, mapping);
        let (sent, copies) = (Cell::default(), RefCell::default());
        let client = dynamodb.client(&RequestCounter::default());
        Ok(Self { clock, mapping, ledger, client, publisher, metric, requests, delivered_twice_every, sent, copies })
    }

    /// Starts a new container with these settings, as a deployment or a cold start does.
    pub fn restart(&self, settings: AlerterSettings) {
        let (ledger, publisher, metric) = (self.ledger.clone(), self.publisher.clone(), self.metric.clone());
        let alerter = Alerter::new(ledger, publisher, metric, self.clock.clone(), settings);
        *self.mapping.function().alerter.borrow_mut() = Rc::new(alerter);
    }

    /// Lets the next invocation die in the middle: after so many polls of its future, if it has not ended by then.
    pub fn die_after(&self, polls: u32) {
        self.mapping.function().dies_after.set(Some(polls));
    }

    /// Invocations that died.
    #[must_use]
    pub fn deaths(&self) -> u64 {
        self.mapping.function().deaths.get()
    }

    /// Plans what becomes of the next publications, instead of what was planned before.
    pub fn plan_publications(&self, faults: impl IntoIterator<Item = Fault>) {
        self.publisher.faults.replace(faults);
    }

    /// Calls the alerter as the schedule of summaries does. Returns whether it succeeded.
    pub async fn summarise(&self) -> bool {
        matches!(self.mapping.function().invoke(DIGEST_DUE).await, Invoked::Responded(_))
    }

    /// What was decided about these alerts, at most a hundred, by id.
    ///
    /// # Errors
    /// If the database does not respond.
    pub async fn decisions(&self, alert_ids: &[&str]) -> anyhow::Result<BTreeMap<String, Decision>> {
        Ok(self.ledger.read(&[], alert_ids).await?.decided)
    }

    /// Deletes what has expired, as DynamoDB does by itself.
    ///
    /// # Errors
    /// If the database does not respond.
    pub async fn delete_expired(&self) -> anyhow::Result<()> {
        delete_expired(&self.client, LEDGER_TABLE, self.clock.now_ms() / 1_000).await
    }

    /// A client of the ledger's table, whose requests are not counted.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Messages that wait, hidden ones and copies included.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.mapping.source().len() + self.copies.borrow().len()
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
        self.waiting() == 0
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
