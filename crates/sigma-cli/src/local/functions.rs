//! What both functions need: names, tables, and the one environment that they share. The only variables that both read mean the same
//! in both.

use aws_sdk_dynamodb::Client;
use testbed::{EmbeddedDynamoDb, RequestCounter, create_ledger_table, create_table};

pub(super) const REGION: &str = "us-east-1";
/// Lambda has credentials for each function. The local AWS does not look at them.
pub(super) const KEY: &str = "local";
/// The names that the sample events have too.
const ANOMALY_QUEUE: &str = "anomalies";
const QUARANTINE_QUEUE: &str = "quarantine";
const STATE_TABLE: &str = "user-state";
const LEDGER_TABLE: &str = "alert-ledger";
const TOPIC_ARN: &str = "arn:aws:sns:us-east-1:000000000000:alerts";

/// Where the functions find what they use.
#[derive(Debug)]
pub(super) struct Functions {
    endpoint_url: String,
}

impl Functions {
    pub(super) fn new(endpoint_url: &str) -> Self {
        Self { endpoint_url: endpoint_url.to_owned() }
    }

    pub(super) fn anomaly_queue_url(&self) -> String {
        self.queue_url(ANOMALY_QUEUE)
    }

    pub(super) fn anomaly_queue_arn() -> String {
        format!("arn:aws:sqs:{REGION}:000000000000:{ANOMALY_QUEUE}")
    }

    fn queue_url(&self, name: &str) -> String {
        format!("{}/000000000000/{name}", self.endpoint_url)
    }

    /// Both tables, as the template has them.
    pub(super) async fn create_tables(&self, dynamodb: &EmbeddedDynamoDb) -> anyhow::Result<()> {
        let client: Client = dynamodb.client(&RequestCounter::default());
        create_table(&client, STATE_TABLE, "userId").await?;
        create_ledger_table(&client, LEDGER_TABLE).await
    }

    /// The variables that have no default, and those that Lambda sets.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.endpoint_url.clone()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", KEY.to_owned()),
            ("STATE_TABLE_NAME", STATE_TABLE.to_owned()),
            ("ANOMALY_QUEUE_URL", self.anomaly_queue_url()),
            ("QUARANTINE_QUEUE_URL", self.queue_url(QUARANTINE_QUEUE)),
            ("LEDGER_TABLE_NAME", LEDGER_TABLE.to_owned()),
            ("ALERT_TOPIC_ARN", TOPIC_ARN.to_owned()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use anomaly_core::KnobRow;
    use lambda_kit::{AwsSettings, Env};

    use super::*;

    #[test]
    fn both_functions_start_with_the_one_environment() {
        let env = Env::from_pairs(Functions::new("http://127.0.0.1:1").environment());
        assert!(detector::Config::from_env(&env).is_ok());
        assert!(alerter::Config::from_env(&env).is_ok());
        assert!(AwsSettings::from_env(&env).is_ok());
    }

    #[test]
    fn the_variables_that_both_functions_read_mean_the_same_in_both() {
        let names = |rows: Vec<KnobRow>| rows.iter().map(|row| row.name).collect::<BTreeSet<_>>();
        let (detector, alerter) = (names(detector::config::variables()), names(alerter::config::variables()));
        let shared: Vec<&str> = detector.intersection(&alerter).copied().collect();
        assert_eq!(shared, ["METRIC_NAMESPACE", "STACK_NAME", "STATE_RETENTION_DAYS"]);
    }
}
