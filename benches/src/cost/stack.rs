//! The deployed stack as far as it costs something: the template's parameters and its counts.

use std::collections::BTreeSet;

use super::prices::BAND_ALARM_METRICS;
use super::template::Template;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum StreamMode {
    OnDemand,
    Provisioned { shards: f64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Billing {
    OnDemand,
    AutoScaled,
}

/// What is deployed. Counts are floats, because they are multiplied with prices.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stack {
    pub(super) stream: StreamMode,
    pub(super) state: Billing,
    /// What auto scaling keeps when nothing arrives.
    pub(super) write_capacity_min: f64,
    pub(super) read_capacity_min: f64,
    /// 1 with the archive, else 0.
    pub(super) archives: f64,
    pub(super) archive_days: f64,
    pub(super) ledger_days: f64,
    pub(super) detector_batch: f64,
    pub(super) detector_window_seconds: f64,
    pub(super) detector_megabytes: f64,
    pub(super) commits_concurrent: f64,
    pub(super) alerter_batch: f64,
    pub(super) alerter_window_seconds: f64,
    pub(super) alerter_megabytes: f64,
    pub(super) is_arm: bool,
    pub(super) logs_system_lines: bool,
    /// Metrics in alarms, an anomaly band's being three.
    pub(super) alarm_metrics: f64,
    pub(super) alarms: f64,
    pub(super) dashboards: f64,
    pub(super) keys: f64,
    pub(super) has_own_key: bool,
    /// Mappings with Lambda's metrics of their own.
    pub(super) metered_mappings: f64,
    /// The sets of dimensions under which AnomalyCount is put, each a metric.
    pub(super) anomaly_count_sets: f64,
}

/// Not a parameter: a dashboard that the template would not create.
pub(super) const DASHBOARD: &str = "Dashboard";
pub(super) const STATE_BILLING: &str = "StateBilling";

impl Stack {
    /// # Errors
    ///
    /// A parameter that should be a number is not one.
    pub(super) fn of(template: &Template) -> anyhow::Result<Self> {
        let stream = match template.text("StreamMode") {
            "PROVISIONED" => StreamMode::Provisioned { shards: template.number("ShardCount")? },
            _ => StreamMode::OnDemand,
        };
        let state = if template.text(STATE_BILLING) == "PROVISIONED" { Billing::AutoScaled } else { Billing::OnDemand };
        let capacity_min = |parameter: &str| if template.has(parameter) { template.number(parameter) } else { Ok(1.0) };
        let has_dashboard = template.text(DASHBOARD) != "disabled";
        Ok(Self {
            stream,
            state,
            write_capacity_min: capacity_min("StateWriteUnitsMin")?,
            read_capacity_min: capacity_min("StateReadUnitsMin")?,
            archives: count(template, "AWS::KinesisFirehose::DeliveryStream"),
            archive_days: template.number("ArchiveRetentionDays")?,
            ledger_days: template.number("LedgerRetentionDays")?,
            detector_batch: template.number("DetectorBatchSize")?,
            detector_window_seconds: template.number("DetectorBatchingWindowSeconds")?,
            detector_megabytes: template.number("DetectorMemoryMegabytes")?,
            commits_concurrent: template.number("CommitsConcurrentMax")?,
            alerter_batch: template.number("AlerterBatchSize")?,
            alerter_window_seconds: template.number("AlerterBatchingWindowSeconds")?,
            alerter_megabytes: template.number("AlerterMemoryMegabytes")?,
            is_arm: template.text("Architecture") == "arm64",
            logs_system_lines: template.text("SystemLogLevel") != "WARN",
            alarm_metrics: template.deployed("AWS::CloudWatch::Alarm").map(metrics_of).sum(),
            alarms: count(template, "AWS::CloudWatch::Alarm"),
            dashboards: if has_dashboard { count(template, "AWS::CloudWatch::Dashboard") } else { 0.0 },
            keys: count(template, "AWS::KMS::Key"),
            has_own_key: template.text("KmsKey") != "aws-managed",
            metered_mappings: template.texts().filter(|text| text.contains("Metrics: [EventCount]")).map(|_| 1.0).sum(),
            anomaly_count_sets: anomaly_count_sets(template),
        })
    }
}

fn count(template: &Template, kind: &str) -> f64 {
    template.deployed(kind).map(|_| 1.0).sum()
}

/// The alarms and the anomaly band read AnomalyCount under every set that the alerter puts.
fn anomaly_count_sets(template: &Template) -> f64 {
    let lines = template.texts().flat_map(str::lines).map(|line| line.trim().trim_end_matches(','));
    let sets: BTreeSet<&str> = lines.filter(|line| line.starts_with("Dimensions: [{Name: Source,")).collect();
    sets.iter().map(|_| 1.0).sum()
}

/// The metrics that an alarm is billed for.
fn metrics_of(alarm: &str) -> f64 {
    let in_math: f64 = alarm.matches("MetricStat:").map(|_| 1.0).sum();
    if alarm.contains("ANOMALY_DETECTION_BAND") { BAND_ALARM_METRICS } else { in_math.max(1.0) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A stack like the template's, with one shard.
    pub(in crate::cost) fn provisioned() -> Stack {
        Stack {
            stream: StreamMode::Provisioned { shards: 1.0 },
            state: Billing::OnDemand,
            write_capacity_min: 1.0,
            read_capacity_min: 1.0,
            archives: 1.0,
            archive_days: 365.0,
            ledger_days: 125.0,
            detector_batch: 1_000.0,
            detector_window_seconds: 1.0,
            detector_megabytes: 256.0,
            commits_concurrent: 32.0,
            alerter_batch: 10.0,
            alerter_window_seconds: 0.0,
            alerter_megabytes: 128.0,
            is_arm: false,
            logs_system_lines: false,
            alarm_metrics: 14.0,
            alarms: 12.0,
            dashboards: 1.0,
            keys: 1.0,
            has_own_key: true,
            metered_mappings: 1.0,
            anomaly_count_sets: 1.0,
        }
    }

    #[test]
    fn the_template_has_a_bill() {
        let stack = Stack::of(&Template::read(&crate::venv::root().join("template.yaml")).unwrap()).unwrap();
        assert!(stack.alarm_metrics > stack.alarms, "{stack:?}");
        assert_eq!((stack.archives, stack.dashboards, stack.keys, stack.metered_mappings), (1.0, 1.0, 1.0, 1.0));
    }
}
