//! List prices in dollars, us-east-1, as of November 2026, and the model of a month. No free tier, no savings plan.

/// A month, as in AWS's own examples.
pub(super) const HOURS_PER_MONTH: f64 = 730.0;
pub(super) const MILLION: f64 = 1e6;

/// The Flink baseline, the old Managed Flink job: 2 KPU and one for orchestration at $0.11 an hour, and 50 GB of running application
/// storage for each of the 2 at $0.10 (aws.amazon.com/managed-service-apache-flink/pricing, examples). The baseline's stream, function
/// and topic cost extra, as does the stream on our side.
pub(super) const FLINK_DOLLARS: f64 = 3.0 * 0.11 * HOURS_PER_MONTH + 2.0 * 50.0 * 0.10;

/// aws.amazon.com/dynamodb/pricing/on-demand, standard table class, since 1 November 2024.
pub(super) const WRITE_UNITS_MILLION: f64 = 0.625;
const READ_UNITS_MILLION: f64 = 0.125;
/// aws.amazon.com/lambda/pricing, x86.
const CALLS_MILLION: f64 = 0.20;
const GIGABYTE_SECOND: f64 = 0.000_016_666_7;
/// aws.amazon.com/sqs/pricing, standard queues.
const SQS_MILLION: f64 = 0.40;
/// aws.amazon.com/sns/pricing, publishes to standard topics, per 64 KB.
const SNS_MILLION: f64 = 0.50;
/// aws.amazon.com/cloudwatch/pricing: API requests, and log ingestion.
const PUT_METRIC_DATA_THOUSAND: f64 = 0.01;
const LOG_GIGABYTE: f64 = 0.50;

/// The template's default of `DetectorMemoryMegabytes`.
pub(super) const MEMORY_MEGABYTES: f64 = 256.0;
/// A function of 1,769 MB has one CPU (AWS Lambda Developer Guide, "Configure Lambda function memory").
const MEGABYTES_PER_CPU: f64 = 1_769.0;
/// The round trip of one conditional write: assumed.
pub(super) const ROUND_TRIP_MS: f64 = 5.0;
/// The template's default of `CommitsConcurrentMax`.
const COMMITS_CONCURRENT: f64 = 32.0;

/// Maximum calls of the alerter per second, by its batching window.
const ALERTER_CALLS_PER_SECOND_MAX: f64 = 1.0;
/// Time of one call: the ledger and SNS, one after the other, and CPU: assumed.
const ALERTER_CALL_MS: f64 = 50.0;
/// The alerts of a batch that are published one by one, and the digest.
const PUBLICATIONS_PER_CALL_MAX: f64 = 4.0;
const LEDGER_WRITES_PER_ANOMALY: f64 = 2.0;
/// Lambda polls an idle queue with five pollers, each for 20 s.
const IDLE_POLLS_PER_SECOND: f64 = 5.0 / 20.0;
/// The size of our two lines and Lambda's three: see part (d).
const LOG_BYTES_PER_CALL: f64 = 1_500.0;

/// Billed time of one call.
pub(super) fn call_ms(cpu_ms: f64, users: f64) -> f64 {
    let waits = (users / COMMITS_CONCURRENT).ceil() * ROUND_TRIP_MS;
    (cpu_ms * MEGABYTES_PER_CPU / MEMORY_MEGABYTES + waits).ceil()
}

/// The charged quantities of a month.
#[derive(Debug, Clone, Copy)]
pub(super) struct Month {
    pub(super) calls: f64,
    pub(super) call_ms: f64,
    pub(super) write_units: f64,
    pub(super) items_read: f64,
    pub(super) sqs_sends: f64,
    pub(super) anomalies: f64,
}

impl Month {
    pub(super) fn total(&self) -> f64 {
        self.detector_dollars() + self.anomalies_dollars()
    }

    fn detector_dollars(&self) -> f64 {
        calls(self.calls, self.call_ms, MEMORY_MEGABYTES)
            + self.write_units * WRITE_UNITS_MILLION / MILLION
            + self.items_read / 2.0 * READ_UNITS_MILLION / MILLION
    }

    /// The queue, the alerter, the ledger, the topic and the metric.
    pub(super) fn anomalies_dollars(&self) -> f64 {
        let seconds = HOURS_PER_MONTH * 3_600.0;
        let alerter_calls = self.anomalies.min(seconds * ALERTER_CALLS_PER_SECOND_MAX);
        let publications = self.anomalies.min(alerter_calls * PUBLICATIONS_PER_CALL_MAX);
        let receives = alerter_calls.max(seconds * IDLE_POLLS_PER_SECOND);
        let queue = (self.sqs_sends + receives + alerter_calls) * SQS_MILLION / MILLION;
        let ledger = self.anomalies * LEDGER_WRITES_PER_ANOMALY * WRITE_UNITS_MILLION / MILLION;
        let metric = alerter_calls * PUT_METRIC_DATA_THOUSAND / 1_000.0;
        let topic = publications * SNS_MILLION / MILLION;
        calls(alerter_calls, ALERTER_CALL_MS, MEMORY_MEGABYTES) + queue + ledger + metric + topic
    }
}

/// Calls of a function, their time and their logs.
fn calls(calls: f64, ms: f64, megabytes: f64) -> f64 {
    let gigabyte_seconds = calls * ms / 1e3 * megabytes / 1_024.0;
    calls * CALLS_MILLION / MILLION
        + gigabyte_seconds * GIGABYTE_SECOND
        + calls * LOG_BYTES_PER_CALL / 1e9 * LOG_GIGABYTE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flink_baseline_costs_250_dollars_90() {
        assert!((FLINK_DOLLARS - 250.90).abs() < 0.005);
    }

    #[test]
    fn an_idle_stream_costs_only_the_idle_polls() {
        let idle =
            Month { calls: 0.0, call_ms: 0.0, write_units: 0.0, items_read: 0.0, sqs_sends: 0.0, anomalies: 0.0 };
        assert!(idle.total() < 0.30, "{}", idle.total());
    }
}
