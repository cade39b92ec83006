//! What each channel expects in a request: a pure function each. Lengths are those that the receivers accept, and nothing of a record
//! becomes markup, a mention or a link.

pub mod pagerduty;
pub mod slack;
pub mod teams;
pub mod webhook;

use anomaly_core::Severity;
use aws_smithy_types::date_time::{DateTime, Format};

use crate::document::{Alert, Document, Fields};

/// What stands at the end of a text that was cut.
const ELLIPSIS: &str = "…";

/// A document as people read it: a title, and lines of which as many are shown as fit.
struct Story {
    title: String,
    lines: Vec<String>,
    /// Alerts that have no line.
    unnamed: u64,
}

fn story(document: &Document) -> Story {
    match document {
        Document::Alerts(alerts) => of_alerts(alerts),
        Document::Summary(summary) => {
            let (anomalies, counts) = (counted(summary.alerts), summary.by_priority.in_words());
            let title = format!("{anomalies} since the last summary: {counts}");
            let place = |(index, fields): (usize, &Fields)| format!("{}. {}", index + 1, line(fields));
            let lines: Vec<String> = summary.top.iter().enumerate().map(place).collect();
            let unnamed = summary.alerts.saturating_sub(u64::try_from(lines.len()).unwrap_or(u64::MAX));
            Story { title, lines, unnamed }
        }
    }
}

fn of_alerts(alerts: &[Alert]) -> Story {
    let title = match alerts {
        [alert] => {
            let user = alert.fields.user_id.as_ref().map(|user| format!(" for {user}")).unwrap_or_default();
            format!("Unusual transaction{user} ({})", alert.fields.urgency().as_str())
        }
        _ => format!("{} at the same time", counted(u64::try_from(alerts.len()).unwrap_or(u64::MAX))),
    };
    let lines = match alerts {
        [alert] => vec![alert.fields.words().to_owned()],
        _ => alerts.iter().map(|alert| line(&alert.fields)).collect(),
    };
    Story { title, lines, unnamed: 0 }
}

fn line(fields: &Fields) -> String {
    format!("{}: {}", fields.urgency().as_str(), fields.words())
}

fn counted(anomalies: u64) -> String {
    if anomalies == 1 { "1 anomaly".to_owned() } else { format!("{anomalies} anomalies") }
}

impl Story {
    /// As many lines as fit, each escaped, and how many alerts have none.
    fn text(&self, bytes_max: usize, escape: impl Fn(&str) -> String) -> (String, u64) {
        let mut text = String::new();
        let mut shown = 0;
        for line in &self.lines {
            // One line alone is cut rather than left out.
            let room = if shown == 0 { bytes_max } else { bytes_max.saturating_sub(text.len() + 1) };
            let escaped = if shown == 0 { cut(line, bytes_max, &escape) } else { escape(line) };
            if escaped.len() > room {
                break;
            }
            if shown > 0 {
                text.push('\n');
            }
            text.push_str(&escaped);
            shown += 1;
        }
        let left = u64::try_from(self.lines.len() - shown).unwrap_or(u64::MAX);
        (text, left.saturating_add(self.unnamed))
    }
}

/// What is known besides the words, for the small print.
fn details(document: &Document) -> Vec<(&'static str, String)> {
    let Document::Alerts(alerts) = document else { return Vec::new() };
    let [Alert { fields, .. }] = alerts.as_slice() else { return Vec::new() };
    let details = [
        ("User", fields.user_id.clone()),
        ("Time", fields.event_time_ms.map(time)),
        ("Transaction", fields.transaction_id.clone()),
        ("Merchant", fields.merchant_id.clone()),
        ("Alert", Some(fields.id())),
    ];
    details.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// How many more there are; `None` if every alert was named.
fn and_more(left: u64) -> Option<String> {
    (left > 0).then(|| format!("and {left} more in the mail and at the subscribers of the topic"))
}

/// The text, escaped, of at most so many bytes: whole characters, an ellipsis where it was cut.
fn cut(text: &str, bytes_max: usize, escape: impl Fn(&str) -> String) -> String {
    let whole = escape(text);
    if whole.len() <= bytes_max {
        return whole;
    }
    let mut kept = String::new();
    let mut buffer = [0; 4];
    for character in text.chars() {
        let escaped = escape(character.encode_utf8(&mut buffer));
        if kept.len() + escaped.len() + ELLIPSIS.len() > bytes_max {
            break;
        }
        kept.push_str(&escaped);
    }
    kept + ELLIPSIS
}

fn plain(text: &str) -> String {
    text.to_owned()
}

/// RFC 3339, in UTC.
fn time(event_time_ms: i64) -> String {
    let time = DateTime::from_millis(event_time_ms);
    time.fmt(Format::DateTime).unwrap_or_else(|_| format!("{event_time_ms} ms since the epoch"))
}

/// The most urgent of a document.
fn urgency(document: &Document) -> Severity {
    let alerts = match document {
        Document::Alerts(alerts) => alerts.iter().map(|alert| alert.fields.urgency()).max(),
        Document::Summary(summary) => summary.top.iter().map(Fields::urgency).max(),
    };
    alerts.unwrap_or(Severity::Warning)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A document of one alert, with these fields changed.
    pub(crate) fn alert(changes: &serde_json::Value) -> serde_json::Value {
        let mut document = serde_json::json!({
            "version": 1, "id": "0123456789abcdef0123456789abcdef", "userId": "user001", "amount": 9120.0,
            "eventTimeMs": 1_760_000_100_000_i64, "transactionId": "txn_1", "merchantId": "merchant_12", "severity": "high",
            "priority": "critical", "disposition": "page", "episode": "fedcba9876543210fedcba9876543210",
            "text": "ANOMALY DETECTED: User user001 has transaction of 9120.00", "repeats": 2,
            "because": "9,120.00 is 37 times what user001 usually spends (244.81); third unusual payment in 7 days.",
        });
        document.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        document
    }

    pub(crate) fn read(document: &serde_json::Value) -> Document {
        Document::read(Some(&document.to_string())).unwrap()
    }

    pub(crate) fn many(count: usize, because: &str) -> Document {
        let alerts: Vec<_> = (0..count).map(|_| alert(&serde_json::json!({ "because": because }))).collect();
        read(&serde_json::json!({ "version": 1, "digest": alerts }))
    }

    pub(crate) fn summary(count: usize, because: &str) -> Document {
        let top: Vec<_> = (0..count).map(|_| alert(&serde_json::json!({ "because": because }))).collect();
        let by_priority = serde_json::json!({ "critical": count, "warning": 197 });
        read(
            &serde_json::json!({ "version": 1, "summary": { "alerts": count + 197, "byPriority": by_priority, "top": top } }),
        )
    }

    #[test]
    fn a_text_is_cut_between_characters_and_after_whole_escapes() {
        let escape = |text: &str| text.replace('&', "&amp;");
        assert_eq!(cut("a&b", 7, escape), "a&amp;b");
        assert_eq!(cut("a&bcd", 8, escape), "a…");
        assert_eq!(cut("ééé", 5, plain), "é…");
    }

    #[test]
    fn lines_that_do_not_fit_are_counted() {
        let story = story(&summary(20, &"x".repeat(100)));
        assert_eq!(story.title, "217 anomalies since the last summary: 20 critical, 197 warning");
        let (text, left) = story.text(1_000, plain);
        assert!(text.len() <= 1_000 && text.starts_with("1. critical: xxx"), "{text}");
        assert_eq!(u64::try_from(text.lines().count()).unwrap() + left, 217);
    }
}
