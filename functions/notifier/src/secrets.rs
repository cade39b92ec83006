//! Port: the addresses and keys of the channels, in one secret.

#[cfg(feature = "test-doubles")]
pub mod memory;
pub mod secrets_manager;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::channel::Channel;
use crate::signature::SigningKey;
use crate::target::{Guard, Target};

#[cfg(feature = "test-doubles")]
pub use memory::MemorySecrets;
pub use secrets_manager::SecretsManager;

/// Where PagerDuty takes events. A service in the EU has an address of its own, which the secret names.
const PAGERDUTY_URL: &str = "https://events.pagerduty.com/v2/enqueue";

/// What the handler needs of the store of secrets.
#[expect(async_fn_in_trait, reason = "one invocation at a time on one thread: its futures need not be Send")]
pub trait SecretStore {
    /// The text of the secret, as it is now.
    async fn read(&self) -> Result<String, SecretUnavailable>;
}

/// The store did not give the secret. The reason is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the secret of the channels could not be read")]
pub struct SecretUnavailable;

/// Why a channel has no usable part of the secret. Quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Not an object of JSON.
    #[error("the secret is not a JSON object")]
    NotJson,
    /// The channel's part has another form.
    #[error("the secret's part for {} is not of the documented form", .0.as_str())]
    Malformed(Channel),
    /// The channel's part is missing.
    #[error("the secret has nothing for {}", .0.as_str())]
    Missing(Channel),
    /// The address cannot be one.
    #[error("{0}")]
    Target(#[from] crate::target::TargetError),
    /// The key cannot be one.
    #[error("{0}")]
    Key(#[from] crate::signature::NotAKey),
}

/// The secret, as people write it: JSON with a part for each channel. A part that is wrong affects no other.
type Parts<'a> = BTreeMap<&'a str, &'a RawValue>;

#[derive(Deserialize)]
struct Address {
    url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PagerDuty {
    routing_key: String,
    #[serde(default)]
    url: Option<String>,
}

#[derive(Deserialize)]
struct Webhook {
    url: String,
    keys: Vec<String>,
}

/// A channel's part of the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Access {
    /// Where requests go.
    pub target: Target,
    /// What they carry to be accepted.
    pub credential: Credential,
}

/// What a receiver accepts a request by.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// The address says it.
    Address,
    /// PagerDuty's key of a service.
    RoutingKey(String),
    /// Keys that sign; the first is the newest.
    Keys(Vec<SigningKey>),
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Access(a secret)")
    }
}

impl Access {
    /// A channel's part of the text of the secret.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn read(text: &str, channel: Channel, guard: Guard) -> Result<Self, SecretError> {
        let parts: Parts<'_> = serde_json::from_str(text).map_err(|_| SecretError::NotJson)?;
        let part = parts.get(channel.as_str()).ok_or(SecretError::Missing(channel))?;
        let malformed = |_| SecretError::Malformed(channel);
        let (url, credential) = match channel {
            Channel::Slack | Channel::Teams => {
                let Address { url } = serde_json::from_str(part.get()).map_err(malformed)?;
                (url, Credential::Address)
            }
            Channel::PagerDuty => of_pagerduty(serde_json::from_str(part.get()).map_err(malformed)?),
            Channel::Webhook => of_webhook(serde_json::from_str(part.get()).map_err(malformed)?)?,
            Channel::Respond => return Err(SecretError::Missing(channel)),
        };
        Ok(Self { target: Target::parse(&url, guard)?, credential })
    }
}

fn of_pagerduty(part: PagerDuty) -> (String, Credential) {
    (part.url.unwrap_or_else(|| PAGERDUTY_URL.to_owned()), Credential::RoutingKey(part.routing_key))
}

fn of_webhook(part: Webhook) -> Result<(String, Credential), SecretError> {
    let keys = part.keys.iter().map(|key| SigningKey::parse(key)).collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() { Err(SecretError::Missing(Channel::Webhook)) } else { Ok((part.url, Credential::Keys(keys))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"slack":{"url":"https://hooks.example.com/s"},"pagerduty":{"routingKey":"r"},
        "webhook":{"url":"https://example.com/w","keys":["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]}}"#;

    #[test]
    fn each_channel_has_its_part() {
        let read = |channel| Access::read(TEXT, channel, Guard::On);
        assert_eq!(read(Channel::Slack).unwrap().target.reveal(), "https://hooks.example.com/s");
        let pagerduty = read(Channel::PagerDuty).unwrap();
        assert_eq!(pagerduty.target.reveal(), PAGERDUTY_URL);
        assert!(matches!(pagerduty.credential, Credential::RoutingKey(key) if key == "r"));
        assert!(matches!(read(Channel::Webhook).unwrap().credential, Credential::Keys(keys) if keys.len() == 1));
        assert_eq!(read(Channel::Teams), Err(SecretError::Missing(Channel::Teams)));
    }

    #[test]
    fn a_part_that_is_wrong_affects_no_other() {
        let text = r#"{"slack":{"url":"https://hooks.example.com/s"},"webhook":{"url":"https://example.com","keys":"whsec_"},"teams":{}}"#;
        assert!(Access::read(text, Channel::Slack, Guard::On).is_ok());
        for channel in [Channel::Webhook, Channel::Teams] {
            assert_eq!(Access::read(text, channel, Guard::On), Err(SecretError::Malformed(channel)));
        }
    }

    #[test]
    fn a_secret_that_is_wrong_is_told_without_a_quote() {
        for text in [
            "hunter2",
            r#"{"webhook":{"url":"https://hunter2.example.com","keys":[]}}"#,
            r#"{"webhook":{"url":"https://hunter2.example.com","keys":["hunter2"]}}"#,
            r#"{"webhook":{"url":"http://hunter2","keys":["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]}}"#,
            r#"{"webhook":"hunter2"}"#,
        ] {
            let error = Access::read(text, Channel::Webhook, Guard::On).unwrap_err();
            assert!(!error.to_string().contains("hunter2") && !format!("{error:?}").contains("hunter2"), "{error}");
        }
        assert!(!format!("{:?}", Access::read(TEXT, Channel::Slack, Guard::On)).contains("hooks"));
    }
}
