//! List prices in dollars, us-east-1, as of November 2026. No free tier, no savings plan, no reserved capacity, no tax. Each has the page
//! that states it; pages without a path are those of <https://aws.amazon.com>.

/// A month, as in AWS's own examples.
pub(super) const HOURS_PER_MONTH: f64 = 730.0;
pub(super) const SECONDS_PER_MONTH: f64 = HOURS_PER_MONTH * 3_600.0;
pub(super) const MILLION: f64 = 1e6;
/// AWS bills data by GB of 2^30 bytes.
pub(super) const GIGABYTE: f64 = 1_073_741_824.0;

/// The Flink baseline, the old Managed Flink job: 2 KPU and one for orchestration at $0.11 an hour, and 50 GB of running application
/// storage for each of the 2 at $0.10 (/managed-service-apache-flink/pricing, examples). Its stream, archive, function, topic and alarms
/// cost extra.
pub(super) const FLINK_DOLLARS: f64 = 3.0 * 0.11 * HOURS_PER_MONTH + 2.0 * 50.0 * 0.10;

/// /kinesis/data-streams/pricing, provisioned mode: a shard's hour, and a million PUT payload units of 25 KB each.
pub(super) const SHARD_HOUR: f64 = 0.015;
pub(super) const PUT_UNITS_MILLION: f64 = 0.014;
/// /kinesis/data-streams/pricing, on-demand mode: a stream's hour, a GB written (each record rounded up to 1 KB), a GB read.
pub(super) const STREAM_HOUR: f64 = 0.04;
pub(super) const STREAM_GIGABYTE_IN: f64 = 0.08;
pub(super) const STREAM_GIGABYTE_OUT: f64 = 0.04;
pub(super) const STREAM_ROUNDED_TO_BYTES: f64 = 1_024.0;
/// /firehose/pricing: a GB from a data stream, each record rounded up to 5 KB. Appending a delimiter is free.
pub(super) const FIREHOSE_GIGABYTE: f64 = 0.029;
pub(super) const FIREHOSE_ROUNDED_TO_BYTES: f64 = 5.0 * 1_024.0;
/// /s3/pricing, S3 Standard: a GB for a month, and a thousand PUTs.
pub(super) const S3_GIGABYTE: f64 = 0.023;
pub(super) const S3_PUTS_THOUSAND: f64 = 0.005;

/// /dynamodb/pricing/on-demand, standard table class, since 1 November 2024.
pub(super) const WRITE_UNITS_MILLION: f64 = 0.625;
pub(super) const READ_UNITS_MILLION: f64 = 0.125;
/// /dynamodb/pricing/provisioned, standard table class: a unit of capacity for an hour.
pub(super) const WRITE_CAPACITY_HOUR: f64 = 0.000_65;
pub(super) const READ_CAPACITY_HOUR: f64 = 0.000_13;
/// /dynamodb/pricing: a GB of a table for a month, and of its point-in-time recovery.
pub(super) const TABLE_GIGABYTE: f64 = 0.25;
pub(super) const RECOVERY_GIGABYTE: f64 = 0.20;

/// /lambda/pricing: a million requests, and a GB-second of each architecture.
pub(super) const CALLS_MILLION: f64 = 0.20;
pub(super) const GIGABYTE_SECOND_X86: f64 = 0.000_016_666_7;
pub(super) const GIGABYTE_SECOND_ARM: f64 = 0.000_013_333_4;
/// /sqs/pricing, standard queues. A batch of up to 64 KB is one request.
pub(super) const SQS_MILLION: f64 = 0.40;
/// /sns/pricing, publishes to standard topics, per 64 KB.
pub(super) const SNS_MILLION: f64 = 0.50;

/// /cloudwatch/pricing: API requests, log ingestion, a custom metric, a standard-resolution alarm for each metric in it, a dashboard.
/// Metrics are prorated by the hour and only metered in hours with a value.
pub(super) const PUT_METRIC_DATA_THOUSAND: f64 = 0.01;
pub(super) const LOG_GIGABYTE: f64 = 0.50;
pub(super) const METRIC: f64 = 0.30;
pub(super) const ALARM_METRIC: f64 = 0.10;
pub(super) const DASHBOARD: f64 = 3.0;
/// /cloudwatch/pricing: an alarm on an anomaly detector has three metrics: the metric itself and the two bounds of its band.
pub(super) const BAND_ALARM_METRICS: f64 = 3.0;

/// /kms/pricing: a key for a month (the first and second rotation add one each, capped there), and ten thousand requests.
pub(super) const KEY: f64 = 1.0;
pub(super) const KEY_REQUESTS_TEN_THOUSAND: f64 = 0.03;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flink_baseline_costs_250_dollars_90() {
        assert!((FLINK_DOLLARS - 250.90).abs() < 0.005);
    }
}
