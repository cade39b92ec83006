//! One request to a receiver.

use std::fmt;

use serde_json::Value;

use crate::body;
use crate::document::{Alert, Document};
use crate::secrets::{Access, Credential};
use crate::signature::signatures;
use crate::target::Target;

/// A POST of JSON.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// Where to.
    pub target: Target,
    /// Headers by name.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: String,
}

/// The body may have a key in it, and has what alerts say.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

impl Request {
    fn post(target: Target, body: String) -> Self {
        let agent = ("user-agent", concat!("sigma/", env!("CARGO_PKG_VERSION")).to_owned());
        Self { target, headers: vec![("content-type", "application/json".to_owned()), agent], body }
    }

    fn json(target: Target, body: &Value) -> Self {
        Self::post(target, body.to_string())
    }
}

/// A message for people of Slack.
#[must_use]
pub fn slack(access: Access, document: &Document) -> Request {
    Request::json(access.target, &body::slack::message(document))
}

/// A message for people of Teams.
#[must_use]
pub fn teams(access: Access, document: &Document) -> Request {
    Request::json(access.target, &body::teams::message(document))
}

/// An event of PagerDuty, which the routing key lets in.
#[must_use]
pub fn pagerduty(access: Access, alert: &Alert) -> Request {
    let Access { target, credential } = access;
    let routing_key = if let Credential::RoutingKey(key) = credential { key } else { String::new() };
    Request::json(target, &body::pagerduty::event(alert, &routing_key))
}

/// A signed request of this moment. Its id is the same at every attempt: the receiver's key of idempotency.
#[must_use]
pub fn webhook(access: Access, alert: &Alert, now_ms: i64) -> Request {
    let Access { target, credential } = access;
    let keys = if let Credential::Keys(keys) = credential { keys } else { Vec::new() };
    let (id, timestamp_seconds) = (alert.fields.id(), now_ms.div_euclid(1_000));
    let mut request = Request::post(target, body::webhook::event(alert));
    let signature = signatures(&keys, &id, timestamp_seconds, &request.body);
    let timestamp = timestamp_seconds.to_string();
    request.headers.extend([("webhook-id", id), ("webhook-timestamp", timestamp), ("webhook-signature", signature)]);
    request
}
