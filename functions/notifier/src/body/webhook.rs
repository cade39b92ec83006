//! The payload of a signed webhook, in the form that Standard Webhooks recommends: type, time, data.

use serde::Serialize;
use serde_json::value::RawValue;

use super::time;
use crate::document::Alert;

/// The type of every event.
pub const TYPE: &str = "anomaly.alert";

#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    data: &'a RawValue,
}

/// The document of the alert as it is, with the time of the transaction.
#[must_use]
pub fn event(alert: &Alert) -> String {
    let data: &RawValue = serde_json::from_str(&alert.json).unwrap_or(RawValue::NULL);
    let event = Event { kind: TYPE, timestamp: alert.fields.event_time_ms.map(time), data };
    let text = serde_json::to_string(&event);
    debug_assert!(text.is_ok(), "JSON can hold strings and JSON: {text:?}");
    text.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

    #[test]
    fn the_document_is_sent_as_it_arrived() {
        let json = r#"{"text":"A","eventTimeMs":1760000100000,"amount":1.50}"#;
        let Document::Alerts(alerts) = Document::read(Some(json)).unwrap() else { panic!("alerts") };
        let expected = format!(r#"{{"type":"anomaly.alert","timestamp":"2025-10-09T08:55:00Z","data":{json}}}"#);
        assert_eq!(event(&alerts[0]), expected);
    }
}
