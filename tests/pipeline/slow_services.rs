//! The alerter with services that are slow, break off or refuse: what people get is at most one mail for an alert and invocation. The
//! SDK's clients are the real ones; in the place of the network is a function. Time is tokio's paused clock.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use alerter::metric_sink::{CloudWatchSink, MemorySink, MetricSink, Tally};
use alerter::publisher::{Publisher, SnsPublisher};
use alerter::{Alerter, AlerterSettings};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use lambda_kit::{AwsSettings, Env, sdk_config};
use tokio::time::sleep;

use crate::fixtures::{PausedClock, SharedLedger, anomaly_body, invocation, publications, sqs_event};

/// What a service makes of one call: it answers with this status after this many ms, or its connection breaks.
#[derive(Debug, Clone, Copy)]
enum Answer {
    After(u64, u16),
    Breaks,
}

/// A service that has a plan for its calls, the last one for ever, and remembers the bodies it got.
#[derive(Debug, Clone)]
struct Service(Arc<(Vec<Answer>, Mutex<Vec<String>>)>);

impl Service {
    fn new(plan: &[Answer]) -> Self {
        Self(Arc::new((plan.to_vec(), Mutex::default())))
    }

    fn calls(&self) -> Vec<String> {
        self.0.1.lock().unwrap().clone()
    }

    /// The next call's answer.
    fn take(&self, body: &str) -> Answer {
        let mut calls = self.0.1.lock().unwrap();
        calls.push(body.to_owned());
        self.0.0[(calls.len() - 1).min(self.0.0.len() - 1)]
    }

    /// The configuration of the functions, with this service at the other end.
    fn connected(&self) -> SdkConfig {
        let service = self.clone();
        aws("http://127.0.0.1:9")
            .to_builder()
            .http_client(http_client_fn(move |_, _| SharedHttpConnector::new(service.clone())))
            .build()
    }
}

impl HttpConnector for Service {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let protocol = request.headers().get("smithy-protocol").map(str::to_owned);
        let answer = self.take(&body);
        HttpConnectorFuture::new(async move {
            let Answer::After(ms, status) = answer else { return Err(ConnectorError::io("reset".into())) };
            sleep(Duration::from_millis(ms)).await;
            let text = if status == 200 { accepted(&body) } else { refused() };
            let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(text));
            if let Some(cbor) = protocol {
                // CloudWatch's protocol is CBOR: an empty map.
                response.headers_mut().insert("smithy-protocol", cbor);
                *response.body_mut() = SdkBody::from(vec![0xA0]);
            }
            Ok(response)
        })
    }
}

/// SNS's answer that it has taken every entry of a request.
fn accepted(request: &str) -> String {
    let ids = request.split('&').filter_map(|field| field.split_once(".Id=")).map(|(_, id)| id);
    let members: Vec<String> =
        ids.map(|id| format!("<member><Id>{id}</Id><MessageId>m</MessageId></member>")).collect();
    let members = members.concat();
    format!(
        r#"<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishBatchResult><Failed/><Successful>{members}</Successful></PublishBatchResult></PublishBatchResponse>"#
    )
}

fn refused() -> String {
    "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>later</Message></Error></ErrorResponse>"
        .to_owned()
}

fn aws(endpoint: &str) -> SdkConfig {
    let env = Env::from_pairs([
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "b"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", endpoint),
    ]);
    sdk_config(AwsSettings::from_env(&env).unwrap())
}

pub(crate) fn settings() -> AlerterSettings {
    AlerterSettings::from_env(&Env::default()).unwrap()
}

/// Delivers one alert once, to an SNS with this plan. Returns the calls that SNS got, and whether the alert has to be redelivered.
async fn publish_one(plan: &[Answer]) -> (usize, bool) {
    let (service, clock) = (Service::new(plan), PausedClock::start());
    let publisher = SnsPublisher::connect(&service.connected(), "arn:aws:sns:us-east-1:000000000000:t".to_owned());
    let alerter = Alerter::new(SharedLedger::default(), publisher, MemorySink::default(), clock, settings());
    let outcome = alerter.handle(&sqs_event(&[anomaly_body(1, 3.0)]), &invocation(&clock)).await.unwrap();
    (service.calls().len(), !outcome.response.batch_item_failures.is_empty())
}

#[tokio::test(start_paused = true)]
async fn a_slow_sns_gets_an_alert_once_an_invocation() {
    assert_eq!(publish_one(&[Answer::After(3_500, 200)]).await, (1, false), "it is worth waiting");
    assert_eq!(publish_one(&[Answer::After(20_000, 200)]).await, (1, true), "nobody knows what became of it");
    assert_eq!(publish_one(&[Answer::Breaks]).await, (1, true), "the same");
    assert_eq!(publish_one(&[Answer::After(5, 502)]).await, (1, true), "a gateway does not know either");
}

#[tokio::test(start_paused = true)]
async fn what_sns_refused_is_tried_again() {
    assert_eq!(publish_one(&[Answer::After(5, 400), Answer::After(5, 503), Answer::After(5, 200)]).await, (3, false));
    assert_eq!(publish_one(&[Answer::After(5, 500)]).await, (3, true), "three attempts");
}

/// The SDK's own client, counted.
#[derive(Debug, Clone)]
struct Counted(SharedHttpConnector, Arc<Mutex<u32>>);

impl HttpConnector for Counted {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        *self.1.lock().unwrap() += 1;
        self.0.call(request)
    }
}

#[tokio::test]
async fn a_call_that_found_no_connection_is_tried_again() {
    // A port that was free a moment ago, and that nothing listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let aws = aws(&format!("http://127.0.0.1:{port}"));
    let (real, calls) = (aws.http_client().unwrap(), Arc::new(Mutex::new(0)));
    let counted = Arc::clone(&calls);
    let client = http_client_fn(move |settings, components| {
        SharedHttpConnector::new(Counted(real.http_connector(settings, components), Arc::clone(&counted)))
    });
    let retries = RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(1));
    let aws = aws.to_builder().http_client(client).retry_config(retries).build();
    let publisher = SnsPublisher::connect(&aws, "arn:aws:sns:us-east-1:000000000000:t".to_owned());
    assert_eq!(publisher.publish(&publications(1)).await, [false]);
    assert_eq!(*calls.lock().unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_slow_cloudwatch_gets_a_datum_once() {
    for (plan, is_added) in
        [(Answer::After(3_500, 200), true), (Answer::After(20_000, 200), false), (Answer::Breaks, false)]
    {
        let service = Service::new(&[plan]);
        let sink = CloudWatchSink::connect(&service.connected(), "n".to_owned(), "s".to_owned(), None);
        let added = sink.add(Tally { anomalies: 7, shadow: 0 }).await;
        assert_eq!((service.calls().len(), added.is_ok()), (1, is_added), "{plan:?}: {added:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_sns_confirmed_is_published_whatever_becomes_of_the_next_call() {
    let service = Service::new(&[Answer::After(5, 200), Answer::After(5, 200), Answer::After(20_000, 200)]);
    let clock = PausedClock::start();
    let publisher = SnsPublisher::connect(&service.connected(), "arn:aws:sns:us-east-1:000000000000:t".to_owned());
    let settings = AlerterSettings { singles_max: 9, ..settings() };
    let alerter = Alerter::new(SharedLedger::default(), publisher, MemorySink::default(), clock, settings);
    let bodies: Vec<String> = (0..9).map(|number| anomaly_body(number, 3.0)).collect();
    let outcome = alerter.handle(&sqs_event(&bodies), &invocation(&clock)).await.unwrap();
    // Four a call.
    assert_eq!((outcome.summary.alerts, outcome.response.batch_item_failures.len()), (8, 1));
}
