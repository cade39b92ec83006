//! Bodies in the anomaly queue: each is an alert, or is redelivered until it is in the dead-letter queue.

use alerter::publication::MESSAGE_BYTES_MAX;
use serde_json::{Value, json};

use crate::fixtures::{AlerterBench, anomaly_body, invocation, sqs_event};

const INNOCENTS: [usize; 3] = [1, 2, 3];

/// An anomaly message with one field set; `null` removes it.
fn with(name: &str, value: Value) -> String {
    let mut body: Value = serde_json::from_str(&anomaly_body(9, 4.0)).unwrap();
    if value.is_null() {
        body.as_object_mut().unwrap().remove(name);
    } else {
        body[name] = value;
    }
    body.to_string()
}

fn raw(name: &str, json: &str) -> String {
    with(name, json!("VALUE")).replace("\"VALUE\"", json)
}

/// A plain text with `count` quotation marks, each of which takes six bytes in SNS's message.
fn quotes(count: usize) -> String {
    format!("ANOMALY DETECTED: {}", "\"".repeat(count))
}

/// A body, and whether it is alerted.
fn rows() -> Vec<(&'static str, String, bool)> {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    vec![
        ("nothing", String::new(), false),
        ("white space", " \n".to_owned(), false),
        ("a word", "hello".to_owned(), false),
        ("the plain-text contract", "ANOMALY DETECTED: User u".to_owned(), true),
        ("the plain-text contract in lower case", "anomaly detected".to_owned(), false),
        ("the plain-text contract in an object", r#"{"text":"ANOMALY DETECTED"}"#.to_owned(), false),
        ("the plain-text contract in half an object", r#"{"text":"ANOMALY DETECTED"#.to_owned(), false),
        ("half a message", anomaly_body(9, 4.0)[..100].to_owned(), false),
        ("two messages", anomaly_body(9, 4.0) + &anomaly_body(8, 4.0), false),
        ("a byte order mark", format!("\u{FEFF}{}", anomaly_body(9, 4.0)), false),
        ("a list of messages", format!("[{}]", anomaly_body(9, 4.0)), false),
        ("a deep list", deep.clone(), false),
        ("a deep list in an unknown field", raw("unknown", &deep[90_000..110_000]), true),
        ("an unknown field", with("unknown", json!({ "a": [1] })), true),
        ("no transaction id", with("transactionId", Value::Null), true),
        ("version 0", with("version", json!(0)), false),
        ("version 2", with("version", json!(2)), false),
        ("no version", with("version", Value::Null), false),
        ("no id", with("id", Value::Null), false),
        ("an empty id", with("id", json!("")), false),
        ("an id of another form", with("id", json!("sqs:m1")), false),
        ("an unknown severity", with("severity", json!("fatal")), false),
        ("an unknown rule", with("rule", json!("tumbling")), false),
        ("a negative count", with("count", json!(-1)), false),
        ("an amount that is not a number", raw("amount", "NaN"), false),
        ("an amount beyond the largest float", raw("amount", "1e999"), false),
        ("an amount of 1e308", raw("amount", "1e308"), true),
        ("a time after the last calendar date", with("eventTimeMs", json!(i64::MAX)), true),
        ("a time before the first calendar date", with("eventTimeMs", json!(i64::MIN)), true),
        ("a user id of control characters", with("userId", json!("\u{0}\u{1}\n\u{202E}\u{FFFF}")), true),
        ("a duplicate field", anomaly_body(9, 4.0).replacen('{', r#"{"version":1,"#, 1), false),
        ("a text that fits", quotes(32_000), true),
        ("a text that does not fit", quotes(33_000), false),
        ("a message that does not fit", with("userId", json!("u".repeat(100_000))), false),
    ]
}

#[tokio::test]
async fn every_body_is_accepted_or_rejected_on_its_own() {
    for (name, body, is_alert) in rows() {
        let bench = AlerterBench::new();
        let mut bodies: Vec<String> = INNOCENTS.iter().map(|number| anomaly_body(*number, 3.0)).collect();
        bodies.insert(1, body);
        let (failed, summary) = bench.handle(&sqs_event(&bodies)).await;
        let expected: &[&str] = if is_alert { &[] } else { &["m1"] };
        assert_eq!(failed, expected, "{name}");
        let alerts = INNOCENTS.len() + usize::from(is_alert);
        let sum = u32::try_from(alerts).unwrap();
        assert_eq!((summary.poison, bench.metric.sum()), (u64::from(!is_alert), sum), "{name}");
        let published = bench.publisher.take();
        assert_eq!(published.iter().map(|publication| publication.alert_ids.len()).sum::<usize>(), alerts, "{name}");
        assert!(published.iter().all(|publication| publication.message().len() <= MESSAGE_BYTES_MAX), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn many_of_the_longest_texts_are_published_in_messages_that_sns_accepts() {
    let bench = AlerterBench::new();
    let bodies: Vec<String> = (0..40).map(|n| quotes(32_000 - n)).chain((0..40).map(|n| quotes(300 - n))).collect();
    assert_eq!(bench.handle(&sqs_event(&bodies)).await.0, [""; 0]);
    let published = bench.publisher.take();
    assert!(published.iter().all(|publication| publication.message().len() <= MESSAGE_BYTES_MAX));
    assert_eq!(published.iter().map(|publication| publication.alert_ids.len()).sum::<usize>(), 80);
}

#[tokio::test]
async fn an_unreadable_message_fails_alone_or_fails_the_batch_if_it_has_no_id() {
    let bench = AlerterBench::new();
    let good = json!({ "messageId": "m1", "body": anomaly_body(1, 3.0) });
    let event = |bad: Value| json!({ "Records": [good, bad] }).to_string();
    assert_eq!(bench.handle(&event(json!({ "messageId": "m2" }))).await.0, ["m2"]);
    assert_eq!(bench.handle(&event(json!({ "messageId": "m2", "body": null }))).await.0, ["m2"]);
    for bad in [json!(null), json!(7), json!({ "body": anomaly_body(2, 3.0) })] {
        assert!(
            bench.alerter.handle(&event(bad), &invocation(&bench.clock)).await.is_err(),
            "there is no id to report it by"
        );
    }
    assert_eq!((bench.publisher.take().len(), bench.metric.sum()), (1, 1));
}
