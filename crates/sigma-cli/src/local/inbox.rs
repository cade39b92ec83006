//! What the functions send, as whoever gets it sees it.

use serde_json::Value;
use testbed::{Endpoint, Sent};

use super::functions::Functions;
use super::queue::AnomalyQueue;
use crate::output::say;

/// The dispositions that a person's subscription lets through, as the template subscribes `AlertEmail`.
const OF_PEOPLE: [&str; 2] = ["page", "summary"];
const RULER: &str = "────────────────────────────────────────────────────────────────────────";

/// The receiving end.
pub(super) struct Inbox<'a> {
    anomaly_queue_url: String,
    endpoint: Endpoint,
    queue: &'a AnomalyQueue,
}

impl<'a> Inbox<'a> {
    pub(super) fn new(functions: &Functions, endpoint: Endpoint, queue: &'a AnomalyQueue) -> Self {
        Self { anomaly_queue_url: functions.anomaly_queue_url(), endpoint, queue }
    }

    /// Passes anomalies to the queue and prints the rest, until nothing serves any more.
    pub(super) async fn receive(&mut self) {
        while let Some(sent) = self.endpoint.sent().await {
            match sent {
                Sent::Message { queue_url, body } if queue_url == self.anomaly_queue_url => self.queue.send(body),
                Sent::Message { body, .. } => say(quarantined(&body)),
                Sent::Mail { subject, text, disposition } => say(mail(&subject, &text, &disposition)),
            }
        }
    }
}

/// A mail, or what is in place of it if people read the alert in the next summary.
fn mail(subject: &str, text: &str, disposition: &str) -> String {
    let text = text.trim_end();
    if OF_PEOPLE.contains(&disposition) {
        format!("{RULER}\nSubject: {subject}\n\n{text}\n{RULER}")
    } else {
        format!("{RULER}\nNo mail ({disposition}): people read this in the next summary.\n\n{text}\n{RULER}")
    }
}

/// A rejected record, by its reason and its place. The payload may be anything, and stays where it is.
fn quarantined(body: &str) -> String {
    let record: Value = serde_json::from_str(body).unwrap_or_default();
    let text = |name: &str| record.get(name).and_then(Value::as_str);
    let reason = text("reason").unwrap_or("for an unknown reason");
    match text("sequenceNumber") {
        Some(sequence_number) => format!("In quarantine: {reason}, record {sequence_number}"),
        None => format!("In quarantine: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_a_mail_with_subject_and_text() {
        let mail = mail("Transaction Anomaly Alert", "ANOMALY DETECTED: User bob\n\nSeverity\n", "page");
        assert!(
            mail.contains("\nSubject: Transaction Anomaly Alert\n\nANOMALY DETECTED: User bob\n\nSeverity\n─"),
            "{mail}"
        );
    }

    #[test]
    fn an_alert_that_waits_for_the_summary_is_shown_as_no_mail() {
        let shown = mail("Transaction Anomaly Alert", "ANOMALY DETECTED: User bob", "digest");
        assert!(shown.contains("No mail (digest)") && !shown.contains("Subject:"), "{shown}");
    }

    #[test]
    fn a_quarantined_record_is_shown_without_its_payload() {
        let body = r#"{"reason":"not-json","sequenceNumber":"49","payload":"c2VjcmV0"}"#;
        assert_eq!(quarantined(body), "In quarantine: not-json, record 49");
        assert_eq!(quarantined(r#"{"reason":"envelope-invalid"}"#), "In quarantine: envelope-invalid");
    }
}
