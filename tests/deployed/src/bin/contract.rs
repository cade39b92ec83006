//! What the code declares and template.yaml has to match, as JSON: every environment variable and every metric of the functions. The
//! tests of the template read it from here, not from the source.

use alerter::AlerterSummary;
use alerter::metric_sink::cloudwatch;
use anomaly_core::{KnobRow, RejectReason, VerdictCounts};
use detector::DetectorSummary;
use lambda_kit::metrics::{Counts, STACK};
use notifier::NotifierSummary;
use serde::Serialize;

#[derive(Serialize)]
struct Contract {
    alerter: Function,
    detector: Function,
    notifier: Function,
    /// Metric and dimensions that the alerter puts by an API call. Without the last one it is the contract's.
    anomaly_count: [&'static str; 3],
    /// The metric of anomalies in shadow, with the same dimensions.
    shadow_count: &'static str,
    /// The dimension that every metric of a deployed function also has.
    stack: &'static str,
}

#[derive(Serialize)]
struct Function {
    variables: Vec<KnobRow>,
    /// The value of the metrics' dimension `Function`.
    dimension: &'static str,
    metrics: Vec<&'static str>,
}

fn main() -> Result<(), serde_json::Error> {
    let contract = Contract {
        alerter: function(alerter::config::variables(), &alerter_summary().counts()),
        detector: function(detector::config::variables(), &detector_summary().counts()),
        notifier: function(notifier::config::variables(), &notifier_summary().counts()),
        anomaly_count: [cloudwatch::METRIC, cloudwatch::DIMENSION, STACK],
        shadow_count: cloudwatch::SHADOW_METRIC,
        stack: STACK,
    };
    println!("{}", serde_json::to_string(&contract)?);
    Ok(())
}

fn function(variables: Vec<KnobRow>, counts: &Counts) -> Function {
    Function { variables, dimension: counts.function(), metrics: counts.names().collect() }
}

/// A summary in which nothing is zero, since zeros are not written.
fn detector_summary() -> DetectorSummary {
    let verdicts = VerdictCounts { warming_up: 1, normal: 1, warning: 1, high: 1, critical: 1, duplicates: 1, late: 1 };
    DetectorSummary {
        records: 1,
        users: 1,
        verdicts,
        rejected: RejectReason::ALL.map(|reason| (reason, 1)).into(),
        without_id: 1,
        cache_hits: 1,
        cache_misses: 1,
        state_conflicts: 1,
        sent: verdicts,
        outboxes_cleared: 1,
        users_failed: 1,
        quarantine_failed: 1,
    }
}

fn alerter_summary() -> AlerterSummary {
    AlerterSummary {
        messages: 1,
        poison: 1,
        suppressed: 1,
        held: 1,
        publications: 1,
        alerts: 1,
        failed: 1,
        pages: 1,
        digest: 1,
        silent: 1,
        shadow: 1,
        over_budget: 1,
        policy_unusable: 1,
        summarised: 1,
    }
}

fn notifier_summary() -> NotifierSummary {
    NotifierSummary {
        messages: 1,
        poison: 1,
        delivered: 1,
        taken_apart: 1,
        skipped: 1,
        refused: 1,
        unavailable: 1,
        held: 1,
        gone: 1,
        secret_unusable: 1,
        stuck: [1; 5],
    }
}
