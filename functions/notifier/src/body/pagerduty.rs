//! An event of PagerDuty's Events API v2 (<https://developer.pagerduty.com/docs/send-alert-event>).
//!
//! Alerts of one episode are one incident: they have its id as their key of deduplication.

use anomaly_core::Severity;
use serde_json::{Value, json};

use super::{cut, plain, time};
use crate::document::Alert;

const SUMMARY_BYTES_MAX: usize = 1_024;
const DEDUP_KEY_BYTES_MAX: usize = 255;
/// Where an alert is from, in PagerDuty's words.
const SOURCE: &str = "sigma";

/// The event that opens an incident, or adds to one that is open.
#[must_use]
pub fn event(alert: &Alert, routing_key: &str) -> Value {
    let fields = &alert.fields;
    let mut payload = json!({
        "summary": cut(fields.words(), SUMMARY_BYTES_MAX, plain),
        "source": SOURCE,
        "severity": severity(fields.urgency()),
        "component": fields.user_id,
        "custom_details": serde_json::from_str::<Value>(&alert.json).unwrap_or_default(),
    });
    if let (Some(payload), Some(event_time_ms)) = (payload.as_object_mut(), fields.event_time_ms) {
        payload.insert("timestamp".to_owned(), json!(time(event_time_ms)));
    }
    let dedup_key = fields.episode.clone().unwrap_or_else(|| fields.id());
    json!({
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": cut(&dedup_key, DEDUP_KEY_BYTES_MAX, plain),
        "payload": payload,
    })
}

const fn severity(urgency: Severity) -> &'static str {
    match urgency {
        Severity::Critical => "critical",
        Severity::High => "error",
        Severity::Warning => "warning",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{alert, read};
    use super::*;
    use crate::document::Document;

    fn event_of(changes: &Value) -> Value {
        let Document::Alerts(alerts) = read(&alert(changes)) else { panic!("alerts") };
        event(&alerts[0], "key")
    }

    #[test]
    fn an_episode_is_one_incident() {
        let event = event_of(&json!({}));
        assert_eq!(event["dedup_key"], "fedcba9876543210fedcba9876543210");
        assert_eq!((&event["event_action"], &event["routing_key"]), (&json!("trigger"), &json!("key")));
        assert_eq!(event["payload"]["severity"], "critical");
        assert_eq!(event["payload"]["timestamp"], "2025-10-09T08:55:00Z");
        assert_eq!(event["payload"]["custom_details"]["amount"], 9120.0);
    }

    #[test]
    fn the_longest_alert_fits() {
        let event = event_of(&json!({ "because": "\u{1F600}".repeat(2_000), "episode": "e".repeat(300) }));
        assert!(event["payload"]["summary"].as_str().unwrap().len() <= 1_024);
        assert!(event["dedup_key"].as_str().unwrap().len() <= 255);
    }
}
