//! What each channel sends for a document, in files: whoever changes a body sees the whole of the change.

use notifier::Channel;
use notifier::body::{pagerduty, slack, teams, webhook};
use notifier::document::Document;
use serde_json::{Value, json};

fn read(name: &str) -> String {
    std::fs::read_to_string(format!("{}/data/channels/{name}.json", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The bodies for a document: one for people, one for each alert for systems.
fn bodies(channel: Channel, document: &str) -> Value {
    let read = || Document::read(Some(document)).unwrap();
    match channel {
        Channel::Slack => slack::message(&read()),
        Channel::Teams => teams::message(&read()),
        Channel::PagerDuty => channel.alerts_for(read()).iter().map(|alert| pagerduty::event(alert, "key")).collect(),
        _ => channel.alerts_for(read()).iter().map(webhook_event).collect(),
    }
}

fn webhook_event(alert: &notifier::document::Alert) -> Value {
    serde_json::from_str(&webhook::event(alert)).unwrap()
}

#[test]
fn bodies_are_those_of_the_files() {
    for document in ["alert", "shared", "summary"] {
        for channel in [Channel::Slack, Channel::Teams, Channel::PagerDuty, Channel::Webhook] {
            let expected: Value = serde_json::from_str(&read(&format!("{document}.{}", channel.as_str()))).unwrap();
            assert_eq!(bodies(channel, &read(document)), expected, "{document} for {}", channel.as_str());
        }
    }
    assert_eq!(read("summary.webhook").trim(), json!([]).to_string(), "a summary tells programs nothing new");
}
