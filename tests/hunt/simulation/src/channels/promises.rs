//! The promises on channels: everything arrives, twice only for a reason, and no response is started twice.

use notifier::Channel;
use notifier::body::slack;
use notifier::document::Document;

use super::{Channels, Deliveries};

/// Compares what receivers got with what the topic sent to their channels.
pub(super) fn check(channels: &Channels, overlaps: bool) -> Result<(), String> {
    let (expected, received) = (channels.expected.borrow(), channels.received.borrow());
    check_arrived(&expected, &received)?;
    check_responses(channels)?;
    if overlaps { Ok(()) } else { check_once(channels, &expected, &received) }
}

/// I14: what the filter of a channel lets through reaches its receiver, and nothing else does.
fn check_arrived(expected: &Deliveries, received: &Deliveries) -> Result<(), String> {
    if let Some((channel, key)) = expected.keys().find(|delivery| !received.contains_key(delivery)) {
        return Err(format!("I14: {} never got {key}", channel.as_str()));
    }
    match received.keys().find(|delivery| !expected.contains_key(delivery)) {
        Some((channel, key)) => Err(format!("I14: {} got {key}, which is not for it", channel.as_str())),
        None => Ok(()),
    }
}

/// I15: a receiver gets something twice only if a call that delivered it could not say so. (Where the queue delivers twice, so may it.)
fn check_once(channels: &Channels, expected: &Deliveries, received: &Deliveries) -> Result<(), String> {
    let excused = channels.excused.borrow();
    let is_doubled = |(delivery, count): &(&(Channel, String), &u32)| {
        !excused.contains(delivery) && *count > expected.get(delivery).unwrap_or(&0)
    };
    match received.iter().find(is_doubled) {
        Some(((channel, key), count)) => {
            Err(format!("I15: {} got {key} {count} times for no reason", channel.as_str()))
        }
        None => Ok(()),
    }
}

/// I16: an alert has one execution, named after it.
fn check_responses(channels: &Channels) -> Result<(), String> {
    let executions = channels.executions.borrow();
    match executions.iter().find(|(name, id)| name != id) {
        Some((name, id)) => Err(format!("I16: the response to {id} is named {name}: another one can be started")),
        None => Ok(()),
    }
}

/// What a document is to a channel: the message that people read, or the id of each alert.
pub(super) fn keys(channel: Channel, document: &str) -> Vec<String> {
    match Document::read(Some(document)) {
        Ok(document) if channel == Channel::Slack => vec![slack::message(&document).to_string()],
        Ok(document) => channel.alerts_for(document).iter().map(|alert| alert.fields.id()).collect(),
        Err(_) => Vec::new(),
    }
}
