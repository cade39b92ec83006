//! A synthetic user: usual transactions, then one loud outlier, whose alert has to arrive at a temporary queue.

use std::collections::BTreeSet;
use std::time::Duration;

use anomaly_core::{AnomalyId, Origin, Position, SequenceNumber, ShardId};
use anyhow::Context;
use aws_sdk_kinesis::operation::put_record::PutRecordOutput;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_sqs::types::QueueAttributeName;
use lambda_kit::{Clock, SystemClock};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::clients::{Clients, failed};
use super::stack::Stack;

/// Usual transactions beyond those that the rule needs, in case the stream's consumer starts late.
const USUAL_EXTRA: usize = 11;
/// Far beyond any threshold: the amounts before it are around 43, and a stack takes at most 6 standard deviations.
const OUTLIER_AMOUNT: f64 = 1_000_000.0;
/// Seconds of one long poll, below the time-out of one call.
const POLL_SECONDS: i32 = 2;
/// Wait after a poll that found nothing.
const PAUSE: Duration = Duration::from_millis(200);
/// Seconds for which a message that was looked at stays invisible: SQS's maximum is 12 hours.
const VISIBILITY_SECONDS: &str = "3600";

/// What was sent and created so far.
#[derive(Debug)]
pub(super) struct Probe<'a> {
    pub(super) clients: &'a Clients,
    pub(super) stack: &'a Stack,
    /// The synthetic user's id; the queue has the same name.
    pub(super) user: String,
    pub(super) queue_url: Option<String>,
    pub(super) subscription_arn: Option<String>,
    /// Whether the user may have a state.
    pub(super) has_sent: bool,
    /// Ids that the ledger may have.
    pub(super) alert_ids: BTreeSet<String>,
    /// Whether the alert arrived, so that the ledger has its id or soon will.
    pub(super) is_alerted: bool,
    outlier_sent: Option<Instant>,
}

impl<'a> Probe<'a> {
    pub(super) fn new(clients: &'a Clients, stack: &'a Stack, user: &str) -> Self {
        Self {
            clients,
            stack,
            user: user.to_owned(),
            queue_url: None,
            subscription_arn: None,
            has_sent: false,
            alert_ids: BTreeSet::new(),
            is_alerted: false,
            outlier_sent: None,
        }
    }

    /// Creates the queue and subscribes it. A queue with SQS's own encryption needs no key for the topic to write to it.
    pub(super) async fn subscribe(&mut self) -> anyhow::Result<String> {
        let queue_arn = queue_arn(&self.stack.topic_arn, &self.user)?;
        let call = self.clients.sqs.create_queue().queue_name(&self.user);
        let call = call
            .attributes(QueueAttributeName::Policy, policy(&queue_arn, &self.stack.topic_arn))
            .attributes(QueueAttributeName::SqsManagedSseEnabled, "true")
            .attributes(QueueAttributeName::VisibilityTimeout, VISIBILITY_SECONDS);
        let created = call.send().await.map_err(|error| failed("SQS cannot create a queue")(&error))?;
        self.queue_url = created.queue_url;
        let call = self.clients.sns.subscribe().topic_arn(&self.stack.topic_arn).protocol("sqs").endpoint(&queue_arn);
        let call = call.attributes("RawMessageDelivery", "true").return_subscription_arn(true);
        let subscribed = call.send().await.map_err(|error| failed("SNS cannot subscribe it")(&error))?;
        self.subscription_arn = subscribed.subscription_arn;
        Ok(self.user.clone())
    }

    /// Puts one record after the other, so that they keep their order.
    pub(super) async fn send(&mut self) -> anyhow::Result<String> {
        let usual = self.stack.observations_min + USUAL_EXTRA;
        self.has_sent = true;
        for (number, step) in (0..usual).zip([0.0, 3.0, 1.0, 5.0, 2.0, 6.0, 4.0].into_iter().cycle()) {
            self.put(number, 40.0 + step).await?;
        }
        self.outlier_sent = Some(Instant::now());
        let outlier = self.put(usual, OUTLIER_AMOUNT).await?;
        self.alert_ids.insert(self.alert_id(&outlier)?);
        Ok(format!("{usual} usual ones and an outlier of the user {}", self.user))
    }

    async fn put(&self, number: usize, amount: f64) -> anyhow::Result<PutRecordOutput> {
        let transaction = json!({
            "userId": self.user, "amount": amount, "timestamp": SystemClock.now_ms(),
            "transactionId": format!("{}-{number}", self.user), "merchantId": "sigma-verify",
        });
        let call = self.clients.kinesis.put_record().stream_name(&self.stack.stream_name).partition_key(&self.user);
        let call = call.data(Blob::new(transaction.to_string())).send().await;
        call.map_err(|error| {
            failed("the stream does not accept a record; may you put into it, and use its key?")(&error)
        })
    }

    /// The id that the detector gives the anomaly of this record.
    fn alert_id(&self, put: &PutRecordOutput) -> anyhow::Result<String> {
        let sequence_number: SequenceNumber = put.sequence_number().parse().context("the stream's sequence number")?;
        let shard: ShardId = put.shard_id().parse().context("the stream's shard")?;
        let position = Position { sequence_number, sub_sequence: 0 };
        Ok(AnomalyId::new(&Origin { stream: &self.stack.stream_arn, shard: &shard, position }).as_str().to_owned())
    }

    /// Waits for the outlier's alert. Returns how long it took since the outlier was put.
    pub(super) async fn wait(&mut self, timeout: Duration) -> anyhow::Result<Duration> {
        let started = self.outlier_sent.unwrap_or_else(Instant::now);
        while started.elapsed() < timeout {
            let alerts = self.receive().await?;
            for id in alerts.iter().filter_map(|alert| alert.get("id")?.as_str()) {
                self.alert_ids.insert(id.to_owned());
            }
            let is_outlier = |alert: &Value| alert.get("amount").and_then(Value::as_f64) >= Some(OUTLIER_AMOUNT);
            if alerts.iter().any(is_outlier) {
                self.is_alerted = true;
                return Ok(started.elapsed());
            }
            if alerts.is_empty() {
                sleep(PAUSE).await;
            }
        }
        anyhow::bail!(
            "not within {} s: look for the user's item in the state table (if there is none, the detector's log; output \
             DetectorLogGroupName), then at the anomaly queue and its dead-letter queue, then at the alerter's log \
             (AlerterLogGroupName); in shadow mode no alert arrives at all (`sigma policy show`)",
            timeout.as_secs()
        )
    }

    /// The documents of our user's alerts in one batch of messages.
    async fn receive(&self) -> anyhow::Result<Vec<Value>> {
        let queue_url = self.queue_url.as_deref().context("SQS returned no URL of the queue")?;
        let call = self.clients.sqs.receive_message().queue_url(queue_url).max_number_of_messages(10);
        let answer = call.wait_time_seconds(POLL_SECONDS).send().await;
        let answer = answer.map_err(|error| failed("SQS returns no messages of the temporary queue")(&error))?;
        let bodies = answer.messages().iter().filter_map(|message| message.body());
        Ok(bodies.flat_map(documents).filter(|alert| alert.get("userId") == Some(&json!(self.user))).collect())
    }
}

/// The alerts of a message: one, or those of a digest. Other messages of the topic, such as alarms, have none of our user.
fn documents(body: &str) -> Vec<Value> {
    let Ok(mut document) = serde_json::from_str::<Value>(body) else { return Vec::new() };
    match document.get_mut("digest").map(Value::take) {
        Some(Value::Array(alerts)) => alerts,
        _ => vec![document],
    }
}

/// `arn:partition:sns:region:account:topic` names the partition, region and account of the queue too.
fn queue_arn(topic_arn: &str, queue: &str) -> anyhow::Result<String> {
    let parts: Vec<&str> = topic_arn.split(':').collect();
    let [arn, partition, _, region, account, _] = parts.as_slice() else {
        anyhow::bail!("the output TopicArn is not an ARN: {topic_arn}")
    };
    Ok(format!("{arn}:{partition}:sqs:{region}:{account}:{queue}"))
}

/// Only the topic may send to the queue.
fn policy(queue_arn: &str, topic_arn: &str) -> String {
    let statement = json!({
        "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue_arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
    });
    json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
}
