//! PublishBatch, in the query protocol: a form, in which lists are numbered fields, and a response in XML.

use std::collections::BTreeMap;
use std::fmt::Write;

use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::Sent;

/// Entries of one call, and attributes of an entry (API limits).
const LIST_LENGTH_MAX: usize = 10;

type Form = BTreeMap<String, String>;

/// The notifications as mails, and a response that confirms all of them.
pub(super) fn publish_batch(body: &[u8]) -> (Vec<Sent>, Response) {
    let form: Form = form_urlencoded::parse(body).into_owned().collect();
    if form.get("Action").is_none_or(|action| action != "PublishBatch") {
        return (Vec::new(), super::unknown());
    }
    let entries: Vec<(&String, Sent)> = (1..=LIST_LENGTH_MAX).map_while(|number| entry(&form, number)).collect();
    let confirmed = confirmed(entries.iter().map(|(id, _)| id.as_str()));
    (entries.into_iter().map(|(_, mail)| mail).collect(), ([("content-type", "text/xml")], confirmed).into_response())
}

/// The id of an entry, and its mail.
fn entry(form: &Form, number: usize) -> Option<(&String, Sent)> {
    let field = |name: &str| form.get(&format!("PublishBatchRequestEntries.member.{number}.{name}"));
    let attribute = (1..=LIST_LENGTH_MAX).map(|number| format!("MessageAttributes.entry.{number}"));
    let disposition = attribute.into_iter().find_map(|attribute| {
        let is_disposition = field(&format!("{attribute}.Name"))? == "disposition";
        is_disposition.then(|| field(&format!("{attribute}.Value.StringValue")))?
    });
    let mail = Sent::Mail {
        subject: field("Subject").cloned().unwrap_or_default(),
        text: email(field("Message")?),
        disposition: disposition.cloned().unwrap_or_default(),
    };
    Some((field("Id")?, mail))
}

/// What an email subscriber gets of a message in SNS's JSON structure: its own text, or else the default.
fn email(message: &str) -> String {
    let by_protocol: BTreeMap<String, Value> = serde_json::from_str(message).unwrap_or_default();
    let text = by_protocol.get("email").or_else(|| by_protocol.get("default")).and_then(Value::as_str);
    text.unwrap_or(message).to_owned()
}

fn confirmed<'a>(ids: impl Iterator<Item = &'a str>) -> String {
    let mut members = String::new();
    for id in ids {
        // Our own ids are numbers. Writing to a string cannot fail.
        let _ = write!(members, "<member><Id>{id}</Id><MessageId>{id}</MessageId></member>");
    }
    format!(
        "<PublishBatchResponse><PublishBatchResult><Failed/><Successful>{members}</Successful></PublishBatchResult>\
         </PublishBatchResponse>"
    )
}
