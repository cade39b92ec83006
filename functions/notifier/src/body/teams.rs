//! An Adaptive Card for a workflow of Microsoft Teams ("Post to a channel when a webhook request is received").
//!
//! A message has 28 KB at most. Text runs are plain: unlike text blocks, they have no Markdown.

use serde_json::{Value, json};

use super::{and_more, cut, details, plain, story, urgency};
use crate::document::Document;

/// Leaves room for the card around it, and for JSON's escapes of up to six bytes a character.
const WORDS_BYTES_MAX: usize = 3_500;
const TITLE_BYTES_MAX: usize = 300;
const DETAIL_BYTES_MAX: usize = 300;

/// The message: title, words, facts.
#[must_use]
pub fn message(document: &Document) -> Value {
    let story = story(document);
    let (words, left) = story.text(WORDS_BYTES_MAX, plain);
    let mut body = vec![run(
        &cut(&story.title, TITLE_BYTES_MAX, plain),
        &json!({ "weight": "Bolder", "size": "Medium", "color": color(document) }),
    )];
    body.extend(words.lines().map(|line| run(line, &json!({}))));
    let small =
        details(document).into_iter().map(|(name, value)| format!("{name} {}", cut(&value, DETAIL_BYTES_MAX, plain)));
    body.extend(small.chain(and_more(left)).map(|line| run(&line, &json!({ "isSubtle": true, "size": "Small" }))));
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": body,
    });
    let attachment =
        json!({ "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card });
    json!({ "type": "message", "attachments": [attachment] })
}

fn run(text: &str, style: &Value) -> Value {
    let mut run = json!({ "type": "TextRun", "text": text });
    if let (Some(run), Some(style)) = (run.as_object_mut(), style.as_object()) {
        run.extend(style.clone());
    }
    json!({ "type": "RichTextBlock", "inlines": [run] })
}

fn color(document: &Document) -> &'static str {
    match urgency(document) {
        anomaly_core::Severity::Critical => "Attention",
        anomaly_core::Severity::High => "Warning",
        anomaly_core::Severity::Warning => "Default",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{alert, many, read, summary};
    use super::*;

    #[test]
    fn an_alert_is_a_card_of_plain_runs() {
        let message = message(&read(&alert(&json!({ "userId": "[x](https://evil.example)" }))));
        let body = message["attachments"][0]["content"]["body"].as_array().unwrap();
        assert_eq!(body[0]["inlines"][0]["text"], "Unusual transaction for [x](https://evil.example) (critical)");
        assert_eq!(body[0]["inlines"][0]["color"], "Attention");
        assert!(body.iter().all(|block| block["type"] == "RichTextBlock"));
        assert_eq!(body.len(), 7);
    }

    #[test]
    fn the_longest_documents_fit() {
        for document in [
            many(1_000, &"\"".repeat(1_200)),
            summary(20, &"\u{1}".repeat(1_200)),
            read(&alert(&json!({ "because": "\u{1F600}".repeat(300), "userId": "\u{1}".repeat(256) }))),
        ] {
            let bytes = message(&document).to_string().len();
            assert!(bytes <= 28_000, "{bytes}");
        }
    }
}
