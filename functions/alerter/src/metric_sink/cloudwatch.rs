//! AnomalyCount as a CloudWatch metric: namespace, name and dimension are a contract. Each call sends one datum without a time:
//! CloudWatch then uses the time of arrival, which is never too old.

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};
use aws_types::SdkConfig;
use lambda_kit::retries::{OnlyIfRefused, patient};

use super::{MetricError, MetricSink};

/// The metric's name.
pub const METRIC: &str = "AnomalyCount";
/// The name of its one dimension.
pub const DIMENSION: &str = "Source";

/// One PutMetricData a call.
#[derive(Debug, Clone)]
pub struct CloudWatchSink {
    client: Client,
    namespace: String,
    source: String,
}

impl CloudWatchSink {
    /// The metric in a namespace, on a connection that repeats nothing that CloudWatch may have accepted.
    #[must_use]
    pub fn connect(aws: &SdkConfig, namespace: String, source: String) -> Self {
        let config = aws_sdk_cloudwatch::config::Builder::from(&patient(aws)).retry_classifier(OnlyIfRefused);
        Self::new(Client::from_conf(config.build()), namespace, source)
    }

    /// The metric in a namespace, with `source` as the value of its one dimension.
    #[must_use]
    pub const fn new(client: Client, namespace: String, source: String) -> Self {
        Self { client, namespace, source }
    }
}

impl MetricSink for CloudWatchSink {
    async fn add(&self, anomalies: u32) -> Result<(), MetricError> {
        let datum = MetricDatum::builder()
            .metric_name(METRIC)
            .dimensions(Dimension::builder().name(DIMENSION).value(&self.source).build())
            .unit(StandardUnit::Count)
            .value(f64::from(anomalies))
            .build();
        let call = self.client.put_metric_data().namespace(&self.namespace).metric_data(datum);
        call.send().await.map(drop).map_err(|error| MetricError(error.into()))
    }
}
