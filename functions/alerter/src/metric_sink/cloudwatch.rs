//! AnomalyCount as a CloudWatch metric: namespace, name and the dimension `Source` are a contract. If the stack is known, the same call
//! sends a second datum that also has the dimension `Stack`: two stacks with the same source then keep a metric of their own, and the
//! call is still one, so neither datum arrives without the other. No datum has a time: CloudWatch then uses the time of arrival, which
//! is never too old.

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};
use aws_types::SdkConfig;
use lambda_kit::metrics::STACK;
use lambda_kit::retries::{OnlyIfRefused, patient};

use super::{MetricError, MetricSink, Tally};

/// The metric's name.
pub const METRIC: &str = "AnomalyCount";
/// The metric of what is only recorded, in shadow mode.
pub const SHADOW_METRIC: &str = "AnomalyCountShadow";
/// The dimension of the contract.
pub const DIMENSION: &str = "Source";

/// One PutMetricData a call.
#[derive(Debug, Clone)]
pub struct CloudWatchSink {
    client: Client,
    namespace: String,
    source: String,
    stack: Option<String>,
}

impl CloudWatchSink {
    /// The metric in a namespace, on a connection that repeats nothing that CloudWatch may have accepted.
    #[must_use]
    pub fn connect(aws: &SdkConfig, namespace: String, source: String, stack: Option<String>) -> Self {
        let config = aws_sdk_cloudwatch::config::Builder::from(&patient(aws)).retry_classifier(OnlyIfRefused);
        Self::new(Client::from_conf(config.build()), namespace, source, stack)
    }

    /// The metric in a namespace, with the values of its dimensions.
    #[must_use]
    pub const fn new(client: Client, namespace: String, source: String, stack: Option<String>) -> Self {
        Self { client, namespace, source, stack }
    }

    /// One datum for each set of dimensions: CloudWatch does not aggregate over dimensions.
    fn data(&self, metric: &str, anomalies: u32) -> Vec<MetricDatum> {
        let dimension = |name: &str, value: &str| Dimension::builder().name(name).value(value).build();
        let datum = MetricDatum::builder()
            .metric_name(metric)
            .dimensions(dimension(DIMENSION, &self.source))
            .unit(StandardUnit::Count)
            .value(f64::from(anomalies));
        let of_the_stack = self.stack.as_ref().map(|stack| datum.clone().dimensions(dimension(STACK, stack)).build());
        [Some(datum.build()), of_the_stack].into_iter().flatten().collect()
    }
}

impl MetricSink for CloudWatchSink {
    async fn add(&self, tally: Tally) -> Result<(), MetricError> {
        let counts =
            [(METRIC, tally.anomalies), (SHADOW_METRIC, tally.shadow)].into_iter().filter(|(_, count)| *count > 0);
        let data: Vec<MetricDatum> = counts.flat_map(|(metric, count)| self.data(metric, count)).collect();
        let call = self.client.put_metric_data().namespace(&self.namespace).set_metric_data(Some(data));
        call.send().await.map(drop).map_err(|error| MetricError(error.into()))
    }
}
