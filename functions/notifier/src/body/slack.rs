//! A message for a Slack incoming webhook: Block Kit, with a text for notifications.
//!
//! <https://docs.slack.dev/reference/block-kit/blocks>: a header has 150 characters at most, a text object 3,000.

use serde_json::{Value, json};

use super::{and_more, cut, details, plain, story, urgency};
use crate::document::Document;

const HEADER_BYTES_MAX: usize = 150;
/// Of a header and the small print, 3,000 characters in all leave this much for the words.
const WORDS_BYTES_MAX: usize = 2_200;
/// Of one part of the small print.
const DETAIL_BYTES_MAX: usize = 120;

/// The message: header, words, small print.
#[must_use]
pub fn message(document: &Document) -> Value {
    let story = story(document);
    let (words, left) = story.text(WORDS_BYTES_MAX, plain);
    let header = cut(&format!("{} {}", mark(document), story.title), HEADER_BYTES_MAX, plain);
    let mut blocks = vec![json!({ "type": "header", "text": text(&header) })];
    // Slack refuses an empty text.
    if !words.is_empty() {
        blocks.push(json!({ "type": "section", "text": text(&words) }));
    }
    let small: Vec<Value> = details(document)
        .into_iter()
        .map(|(name, value)| format!("{name} {}", cut(&value, DETAIL_BYTES_MAX, plain)))
        .chain(and_more(left))
        .map(|part| text(&part))
        .collect();
    if !small.is_empty() {
        blocks.push(json!({ "type": "context", "elements": small }));
    }
    json!({ "text": cut(&story.title, HEADER_BYTES_MAX, escape), "mrkdwn": false, "blocks": blocks })
}

/// Plain: no markup, mentions, links or emoji come of it.
fn text(text: &str) -> Value {
    json!({ "type": "plain_text", "text": text, "emoji": false })
}

/// The three characters that begin links, mentions and entities in a text for notifications.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn mark(document: &Document) -> &'static str {
    match urgency(document) {
        anomaly_core::Severity::Critical => "\u{1F534}",
        anomaly_core::Severity::High => "\u{1F7E0}",
        anomaly_core::Severity::Warning => "\u{1F7E1}",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{alert, many, read, summary};
    use super::*;

    fn all_text(message: &Value) -> usize {
        let texts = message["blocks"].as_array().unwrap().iter().flat_map(|block| {
            let elements = block["elements"].as_array().cloned().unwrap_or_default();
            std::iter::once(block["text"].clone()).chain(elements)
        });
        texts.filter_map(|text| Some(text["text"].as_str()?.len())).sum()
    }

    #[test]
    fn an_alert_is_told_in_words() {
        let message = message(&read(&alert(&json!({}))));
        assert_eq!(message["text"], "Unusual transaction for user001 (critical)");
        assert_eq!(message["blocks"][0]["text"]["text"], "\u{1F534} Unusual transaction for user001 (critical)");
        let words = message["blocks"][1]["text"]["text"].as_str().unwrap();
        assert!(words.starts_with("9,120.00 is 37 times"), "{words}");
        assert_eq!(message["blocks"][2]["elements"].as_array().unwrap().len(), 5);
    }

    #[test]
    fn nothing_of_a_record_becomes_markup_a_mention_or_a_link() {
        let hostile = json!({ "userId": "<!channel> *a* :x:", "because": "<https://evil.example|click> & <@U1> _b_" });
        let message = message(&read(&alert(&hostile)));
        let blocks = message["blocks"].as_array().unwrap();
        let elements = blocks.iter().flat_map(|block| block["elements"].as_array().cloned().unwrap_or_default());
        for text in blocks.iter().filter_map(|block| block.get("text").cloned()).chain(elements) {
            assert_eq!((&text["type"], &text["emoji"]), (&json!("plain_text"), &json!(false)), "{text}");
        }
        assert_eq!(message["text"], "Unusual transaction for &lt;!channel&gt; *a* :x: (critical)");
        assert_eq!(message["mrkdwn"], false);
    }

    #[test]
    fn the_longest_documents_fit() {
        for document in [
            many(1_000, &"&".repeat(1_200)),
            summary(20, &"\u{1F600}".repeat(300)),
            read(&alert(
                &json!({ "because": "<".repeat(1_200), "userId": "u".repeat(256), "merchantId": ">".repeat(256) }),
            )),
        ] {
            let message = message(&document);
            assert!(all_text(&message) <= 3_000, "{}", all_text(&message));
            assert!(message["blocks"].as_array().unwrap().len() <= 4);
            assert!(message["blocks"][0]["text"]["text"].as_str().unwrap().len() <= 150);
            assert!(!message["blocks"][1]["text"]["text"].as_str().unwrap().is_empty());
        }
    }

    #[test]
    fn alerts_without_a_line_are_counted() {
        let message = message(&summary(20, "why"));
        let elements = &message["blocks"][2]["elements"];
        assert_eq!(elements[0]["text"], "and 197 more in the mail and at the subscribers of the topic");
    }
}
