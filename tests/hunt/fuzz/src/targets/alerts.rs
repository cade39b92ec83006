//! The alerter over any bodies, one a line: each is alerted once or redelivered, and every publication fits SNS.

use alerter::Alerter;
use alerter::AlerterSettings;
use alerter::ledger::MemoryLedger;
use alerter::metric_sink::MemorySink;
use alerter::publication::{MESSAGE_BYTES_MAX, Publication};
use alerter::publisher::MemoryPublisher;
use lambda_kit::{Env, Invocation, ManualClock};
use serde_json::{Value, json};

use super::{ARRIVAL_MS, block_on, count};

pub(super) fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let bodies: Vec<&str> = text.split('\n').collect();
    let event = sqs_event(&bodies);
    let (topic, metric) = (MemoryPublisher::default(), MemorySink::default());
    let settings = AlerterSettings::from_env(&Env::from_pairs([("MAX_MESSAGES_PER_SECOND", "1000")])).unwrap();
    let clock = ManualClock::at(ARRIVAL_MS);
    let alerter = Alerter::new(MemoryLedger::default(), topic.clone(), metric.clone(), clock, settings);
    let invocation = Invocation { request_id: String::new(), deadline_ms: ARRIVAL_MS + 30_000 };

    let outcome = block_on(alerter.handle(&event, &invocation)).unwrap();
    let summary = outcome.summary;
    let failed = outcome.response.batch_item_failures.len();
    assert_eq!(count(failed), summary.poison, "only a body that is not an alert fails");
    assert_eq!(summary.poison + summary.alerts + summary.suppressed, summary.messages);
    let publications = topic.take();
    publications.iter().for_each(assert_fits);
    let ids: usize = publications.iter().map(|publication| publication.alert_ids.len()).sum();
    assert_eq!((count(ids), u64::from(metric.sum())), (summary.alerts, summary.alerts));

    let again = block_on(alerter.handle(&event, &invocation)).unwrap();
    assert_eq!(again.response.batch_item_failures.len(), failed);
    assert!(topic.take().is_empty(), "a redelivery publishes nothing");
}

fn sqs_event(bodies: &[&str]) -> String {
    let message = |(index, body): (usize, &&str)| json!({ "messageId": format!("m{index}"), "body": body });
    json!({ "Records": bodies.iter().enumerate().map(message).collect::<Vec<_>>() }).to_string()
}

fn assert_fits(publication: &Publication) {
    let message = publication.message();
    assert!(message.len() <= MESSAGE_BYTES_MAX, "{} bytes", message.len());
    let message: Value = serde_json::from_str(&message).unwrap();
    let document = message.get("default").and_then(Value::as_str).unwrap();
    assert!(serde_json::from_str::<Value>(document).unwrap().is_object());
    assert!(message.get("email").and_then(Value::as_str).is_some_and(|text| !text.is_empty()));
}
