//! A month's bill: charged quantities and the deployed stack on one side, list prices on the other.
//!
//! Left out, because it depends on what others do: deliveries to subscribers, data transfer, dead-letter queues and failure bucket (empty
//! when all is well), X-Ray (off by default), and looking at logs and metrics.

use super::prices::{
    ALARM_METRIC, CALLS_MILLION, DASHBOARD, FIREHOSE_GIGABYTE, FIREHOSE_ROUNDED_TO_BYTES, FLINK_DOLLARS, GIGABYTE,
    GIGABYTE_SECOND_ARM, GIGABYTE_SECOND_X86, HOURS_PER_MONTH, KEY, KEY_REQUESTS_TEN_THOUSAND, LOG_GIGABYTE, METRIC,
    MILLION, PUT_METRIC_DATA_THOUSAND, PUT_UNITS_MILLION, READ_CAPACITY_HOUR, READ_UNITS_MILLION, RECOVERY_GIGABYTE,
    S3_GIGABYTE, S3_PUTS_THOUSAND, SECONDS_PER_MONTH, SHARD_HOUR, SNS_MILLION, SQS_MILLION, STREAM_GIGABYTE_IN,
    STREAM_GIGABYTE_OUT, STREAM_HOUR, STREAM_ROUNDED_TO_BYTES, TABLE_GIGABYTE, WRITE_CAPACITY_HOUR,
    WRITE_UNITS_MILLION,
};
use super::stack::{Billing, Stack, StreamMode};

/// The round trip of one conditional write: assumed.
pub(super) const ROUND_TRIP_MS: f64 = 5.0;
/// A function of 1,769 MB has one CPU (AWS Lambda Developer Guide, "Configure Lambda function memory").
const MEGABYTES_PER_CPU: f64 = 1_769.0;
/// Time of one call of the alerter: the ledger and SNS, one after the other, and CPU: assumed.
const ALERTER_CALL_MS: f64 = 65.0;
/// The alerts of a batch that are published one by one, and the message that the others share.
const PUBLICATIONS_PER_CALL_MAX: f64 = 4.0;
/// Claim, completion, history, index and summary of an alert that waits: part (e). What is read: the policy, the user's entries and
/// history, and the alert itself. A batch of several messages reads the policy once.
const LEDGER_WRITE_UNITS_PER_ANOMALY: f64 = 6.0;
const LEDGER_READ_UNITS_PER_ANOMALY: f64 = 4.0;
/// An entry of the ledger with DynamoDB's 100 bytes of overhead: assumed.
const LEDGER_ENTRY_BYTES: f64 = 1_200.0;
/// A warm state with that overhead: part (e).
const STATE_BYTES: f64 = 880.0;
/// Lambda polls an idle queue with five pollers, and a long poll of an empty queue takes 20 s (AWS Lambda Developer Guide, "Using Lambda
/// with Amazon SQS"; Amazon SQS Developer Guide, "Amazon SQS short and long polling"). Polling an idle Kinesis stream is free.
const IDLE_POLLS_PER_SECOND: f64 = 5.0 / 20.0;
/// Our line, the line of metrics, and 26 bytes that CloudWatch adds to each: part (d).
const DETECTOR_LOG_BYTES: f64 = 909.0;
const ALERTER_LOG_BYTES: f64 = 793.0;
/// Lambda's own lines of a call at `SystemLogLevel` INFO: assumed.
const SYSTEM_LOG_BYTES: f64 = 3.0 * 300.0;
/// The alerter's metrics of calls without faults: `Messages`, `AlertsPublished`, `AlertsPaged`, `AlertsDigest` and `Publications`.
const ALERTER_METRICS: f64 = 5.0;
/// Lambda's metrics of a stream's mapping with `EventCount`: polled, invoked, filtered out, failed, dropped and delivered to the failure
/// destination (AWS Lambda Developer Guide, "Event source mapping metrics"). Billed as custom metrics, here while there is traffic.
const MAPPING_METRICS: f64 = 6.0;
/// Auto scaling keeps four alarms for a table's reads and four for its writes (Amazon DynamoDB Developer Guide, "Managing throughput
/// capacity automatically with auto scaling").
const AUTO_SCALING_ALARMS: f64 = 8.0;
/// Share of the capacity that auto scaling aims to use.
const CAPACITY_USED: f64 = 0.7;
/// Services reuse a data key for five minutes for each caller (Amazon SQS Developer Guide, "Key management": R = B / D × (2 P + C);
/// Amazon SNS, the same with 2 P; Kinesis and DynamoDB, about every five minutes for each caller).
const DATA_KEYS_PER_MONTH: f64 = SECONDS_PER_MONTH / 300.0;
/// Firehose writes an object every five minutes: less than 64 MiB arrives meanwhile.
const ARCHIVE_OBJECTS: f64 = SECONDS_PER_MONTH / 300.0;

/// The charged quantities of a month. All zero: the stack is idle.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Traffic {
    pub(super) users: f64,
    pub(super) records: f64,
    /// A record as its producer puts it, and in the compressed archive.
    pub(super) record_bytes: f64,
    pub(super) archived_bytes: f64,
    pub(super) calls: f64,
    /// CPU time of a call, and its requests that write.
    pub(super) call_cpu_ms: f64,
    pub(super) call_writes: f64,
    pub(super) write_units: f64,
    pub(super) items_read: f64,
    /// SendMessageBatch requests of anomaly messages, up to ten messages each.
    pub(super) sends: f64,
    pub(super) anomalies: f64,
    /// The detector's metrics that have a value.
    pub(super) detector_metrics: f64,
}

/// The dollars of each component.
#[derive(Debug, Clone)]
pub(super) struct Bill(pub(super) Vec<(&'static str, f64)>);

impl Bill {
    pub(super) fn of(stack: &Stack, traffic: &Traffic) -> Self {
        let alerter = Alerter::of(stack, traffic);
        Self(vec![
            (STREAM, stream(stack, traffic)),
            (ARCHIVE, archive(stack, traffic)),
            ("DynamoDB: state", state(stack, traffic)),
            ("DynamoDB: ledger", ledger(stack, traffic)),
            ("Lambda: detector", lambda(stack, traffic.calls, detector_ms(stack, traffic), stack.detector_megabytes)),
            ("Lambda: alerter", lambda(stack, alerter.calls, ALERTER_CALL_MS, stack.alerter_megabytes)),
            ("SQS, with Lambda's polling", alerter.queue_requests * SQS_MILLION / MILLION),
            ("SNS, without deliveries", alerter.publications * SNS_MILLION / MILLION),
            ("CloudWatch: logs", logs(stack, traffic, &alerter)),
            ("CloudWatch: PutMetricData of AnomalyCount", alerter.calls * PUT_METRIC_DATA_THOUSAND / 1_000.0),
            ("CloudWatch: custom metrics", custom_metrics(stack, traffic)),
            ("CloudWatch: alarms", alarms(stack)),
            ("CloudWatch: dashboard", stack.dashboards * DASHBOARD),
            ("KMS: key and its requests", key(stack, traffic)),
        ])
    }

    pub(super) fn total(&self) -> f64 {
        self.0.iter().map(|(_, dollars)| dollars).sum()
    }

    pub(super) fn dollars(&self, component: &str) -> f64 {
        self.0.iter().filter(|(name, _)| *name == component).map(|(_, dollars)| dollars).sum()
    }

    /// The Flink baseline with the same stream and the same archive, and nothing else: no function, no topic, no alarms, no key.
    pub(super) fn flink(&self) -> f64 {
        FLINK_DOLLARS + self.dollars(STREAM) + self.dollars(ARCHIVE)
    }
}

const STREAM: &str = "Kinesis stream";
const ARCHIVE: &str = "Archive: Firehose and S3";

/// The alerter's month.
struct Alerter {
    calls: f64,
    publications: f64,
    queue_requests: f64,
}

impl Alerter {
    /// An upper bound. Without a batching window, one call a message: Lambda does not wait for a second one, though it takes those that
    /// are there. With a window, one call in each, and no more messages in a call than its batch size. Nearly every anomaly has a message
    /// of its own.
    fn of(stack: &Stack, traffic: &Traffic) -> Self {
        let windows = SECONDS_PER_MONTH / stack.alerter_window_seconds;
        let calls = traffic.anomalies.min(windows.max(traffic.anomalies / stack.alerter_batch));
        let receives = calls.max(SECONDS_PER_MONTH * IDLE_POLLS_PER_SECOND);
        Self {
            calls,
            publications: traffic.anomalies.min(calls * PUBLICATIONS_PER_CALL_MAX),
            queue_requests: traffic.sends + receives + calls,
        }
    }
}

fn stream(stack: &Stack, traffic: &Traffic) -> f64 {
    match stack.stream {
        StreamMode::Provisioned { shards } => {
            shards * SHARD_HOUR * HOURS_PER_MONTH + traffic.records * PUT_UNITS_MILLION / MILLION
        }
        StreamMode::OnDemand => {
            let written = traffic.records * STREAM_ROUNDED_TO_BYTES / GIGABYTE;
            let read = traffic.records * traffic.record_bytes / GIGABYTE * (1.0 + stack.archives);
            STREAM_HOUR * HOURS_PER_MONTH + written * STREAM_GIGABYTE_IN + read * STREAM_GIGABYTE_OUT
        }
    }
}

/// Firehose, and the objects of a whole retention, as it is once the first expire.
fn archive(stack: &Stack, traffic: &Traffic) -> f64 {
    if traffic.records == 0.0 {
        return 0.0;
    }
    let delivered = traffic.records * FIREHOSE_ROUNDED_TO_BYTES / GIGABYTE * FIREHOSE_GIGABYTE;
    let months = stack.archive_days * 24.0 / HOURS_PER_MONTH;
    let stored = traffic.records * traffic.archived_bytes * months / GIGABYTE * S3_GIGABYTE;
    stack.archives * (delivered + stored + ARCHIVE_OBJECTS * S3_PUTS_THOUSAND / 1_000.0)
}

fn state(stack: &Stack, traffic: &Traffic) -> f64 {
    let read_units = traffic.items_read / 2.0;
    let requests = match stack.state {
        Billing::OnDemand => (traffic.write_units * WRITE_UNITS_MILLION + read_units * READ_UNITS_MILLION) / MILLION,
        Billing::AutoScaled => {
            let capacity = |units: f64, min: f64| (units / SECONDS_PER_MONTH / CAPACITY_USED).ceil().max(min);
            let hour = capacity(traffic.write_units, stack.write_capacity_min) * WRITE_CAPACITY_HOUR
                + capacity(read_units, stack.read_capacity_min) * READ_CAPACITY_HOUR;
            hour * HOURS_PER_MONTH
        }
    };
    requests + stored(traffic.users * STATE_BYTES)
}

/// Writes and reads of each anomaly, and the entries of a whole retention.
fn ledger(stack: &Stack, traffic: &Traffic) -> f64 {
    let writes = LEDGER_WRITE_UNITS_PER_ANOMALY * WRITE_UNITS_MILLION;
    let reads = LEDGER_READ_UNITS_PER_ANOMALY * READ_UNITS_MILLION;
    traffic.anomalies * (writes + reads) / MILLION
        + stored(traffic.anomalies * stack.ledger_days * 24.0 / HOURS_PER_MONTH * LEDGER_ENTRY_BYTES)
}

/// A table with point-in-time recovery.
fn stored(bytes: f64) -> f64 {
    bytes / GIGABYTE * (TABLE_GIGABYTE + RECOVERY_GIGABYTE)
}

/// Billed time of one call of the detector.
fn detector_ms(stack: &Stack, traffic: &Traffic) -> f64 {
    let waits = (traffic.call_writes / stack.commits_concurrent).ceil() * ROUND_TRIP_MS;
    (traffic.call_cpu_ms * MEGABYTES_PER_CPU / stack.detector_megabytes + waits).ceil()
}

fn lambda(stack: &Stack, calls: f64, call_ms: f64, megabytes: f64) -> f64 {
    let price = if stack.is_arm { GIGABYTE_SECOND_ARM } else { GIGABYTE_SECOND_X86 };
    calls * (CALLS_MILLION / MILLION + call_ms / 1e3 * megabytes / 1_024.0 * price)
}

fn logs(stack: &Stack, traffic: &Traffic, alerter: &Alerter) -> f64 {
    let system = if stack.logs_system_lines { SYSTEM_LOG_BYTES } else { 0.0 };
    let bytes = traffic.calls * (DETECTOR_LOG_BYTES + system) + alerter.calls * (ALERTER_LOG_BYTES + system);
    bytes / GIGABYTE * LOG_GIGABYTE
}

/// The number of custom metrics that have a value.
pub(super) fn custom_metric_count(stack: &Stack, traffic: &Traffic) -> f64 {
    if traffic.records == 0.0 {
        return 0.0;
    }
    let alerts = if traffic.anomalies > 0.0 { ALERTER_METRICS + stack.anomaly_count_sets } else { 0.0 };
    traffic.detector_metrics + alerts + stack.metered_mappings * MAPPING_METRICS
}

fn custom_metrics(stack: &Stack, traffic: &Traffic) -> f64 {
    custom_metric_count(stack, traffic) * METRIC
}

fn alarms(stack: &Stack) -> f64 {
    let scaling = if stack.state == Billing::AutoScaled { AUTO_SCALING_ALARMS } else { 0.0 };
    (stack.alarm_metrics + scaling) * ALARM_METRIC
}

/// The key, and a data key every five minutes for each service and caller that uses one. AWS's own keys of Kinesis and DynamoDB are free,
/// their requests are not; without a key of ours, SQS, the topic and the logs use none.
fn key(stack: &Stack, traffic: &Traffic) -> f64 {
    // Whether or not anything arrives: the stream's own rotation, and its readers.
    let stream = 2.0 + stack.archives;
    let (producer, tables) = if traffic.records == 0.0 { (0.0, 0.0) } else { (1.0, 2.0) };
    // The queue 2 P + C, the topic 2 P, two log groups, the archive's bucket key.
    let ours = if stack.has_own_key && traffic.records > 0.0 { 3.0 + 2.0 + 2.0 + stack.archives } else { 0.0 };
    let requests = (stream + producer + tables + ours) * DATA_KEYS_PER_MONTH;
    stack.keys * KEY + requests * KEY_REQUESTS_TEN_THOUSAND / 1e4
}

#[cfg(test)]
mod tests {
    use super::super::stack::tests::provisioned;
    use super::*;

    /// 5,000 records a minute for 730 hours.
    const RECORDS: f64 = 219e6;

    fn busy() -> Traffic {
        Traffic {
            records: RECORDS,
            record_bytes: 150.0,
            archived_bytes: 40.0,
            write_units: RECORDS,
            ..Traffic::default()
        }
    }

    fn near(actual: f64, expected: f64) {
        assert!((actual - expected).abs() < 0.05, "{actual} and not {expected}");
    }

    #[test]
    fn a_stream_of_one_shard_costs_10_95_idle_and_14_02_busy() {
        let stack = provisioned();
        near(stream(&stack, &Traffic::default()), 10.95);
        near(stream(&stack, &busy()), 14.02);
    }

    #[test]
    fn an_on_demand_stream_costs_29_20_idle() {
        let stack = Stack { stream: StreamMode::OnDemand, ..provisioned() };
        near(stream(&stack, &Traffic::default()), 29.20);
        let read = RECORDS * 150.0 / GIGABYTE * 2.0 * 0.04;
        near(stream(&stack, &busy()), 29.20 + 16.71 + read);
    }

    #[test]
    fn firehose_bills_5_kib_a_record() {
        let stack = Stack { archive_days: 0.0, ..provisioned() };
        near(archive(&stack, &busy()), 30.28 + 0.04);
    }

    #[test]
    fn a_write_each_second_costs_more_on_demand_than_with_auto_scaling() {
        let (on_demand, scaled) = (provisioned(), Stack { state: Billing::AutoScaled, ..provisioned() });
        near(state(&on_demand, &busy()), 136.88);
        // 83.3 units a second at 70 %: 120 of writes and 1 of reads.
        near(state(&scaled, &busy()), 56.94 + 0.095);
    }

    #[test]
    fn an_idle_stack_still_pays_for_polls_alarms_dashboard_and_key() {
        let bill = Bill::of(&provisioned(), &Traffic::default());
        near(bill.dollars("SQS, with Lambda's polling"), 0.26);
        near(bill.dollars("CloudWatch: alarms"), 1.4);
        near(bill.dollars("CloudWatch: dashboard"), 3.0);
        near(bill.dollars("CloudWatch: custom metrics"), 0.0);
        near(bill.dollars("Lambda: alerter"), 0.0);
        near(bill.flink(), 250.90 + 10.95);
    }

    #[test]
    fn without_a_window_the_alerter_is_called_for_each_message() {
        let traffic = Traffic { sends: 2e6, anomalies: 4.2e6, records: RECORDS, ..Traffic::default() };
        let immediate = Stack { alerter_window_seconds: 0.0, ..provisioned() };
        let each_second = Stack { alerter_window_seconds: 1.0, alerter_batch: 100.0, ..provisioned() };
        near(Alerter::of(&immediate, &traffic).calls, 4.2e6);
        near(Alerter::of(&each_second, &traffic).calls, SECONDS_PER_MONTH);
    }
}
