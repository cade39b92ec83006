//! Signatures of Standard Webhooks (<https://www.standardwebhooks.com>): HMAC-SHA256 over `id.timestamp.body`.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What a key begins with.
const KEY_PREFIX: &str = "whsec_";
/// The lengths of a key that the specification recommends.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Why a text is not a key. Never quotes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key is {KEY_PREFIX} and 24 to 64 bytes in base64")]
pub struct NotAKey;

/// A key that sender and receiver share.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey(Vec<u8>);

impl SigningKey {
    /// Reads `whsec_` and base64.
    ///
    /// # Errors
    /// [`NotAKey`].
    pub fn parse(text: &str) -> Result<Self, NotAKey> {
        let encoded = text.trim().strip_prefix(KEY_PREFIX).ok_or(NotAKey)?;
        let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| NotAKey)?;
        KEY_BYTES.contains(&bytes.len()).then_some(Self(bytes)).ok_or(NotAKey)
    }

    /// `v1,` and the signature in base64. An HMAC takes a key of any length.
    fn sign(&self, content: &[u8]) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(content);
        Some(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(a secret)")
    }
}

/// The header `webhook-signature`: one signature for each key, so that a receiver can change to a new key while both are in use.
#[must_use]
pub fn signatures(keys: &[SigningKey], id: &str, timestamp_seconds: i64, body: &str) -> String {
    let content = format!("{id}.{timestamp_seconds}.{body}");
    keys.iter().filter_map(|key| key.sign(content.as_bytes())).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use standardwebhooks::Webhook;

    use super::*;

    const KEY: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    #[test]
    fn the_vector_of_the_specification_is_met() {
        let body = r#"{"email":"test@example.com","username":"test_user"}"#;
        let key = SigningKey::parse(KEY).unwrap();
        let signature = signatures(&[key], "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553, body);
        assert_eq!(signature, "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
    }

    #[test]
    fn the_specifications_own_library_accepts_what_either_key_signed() {
        let old = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let keys = [SigningKey::parse(KEY).unwrap(), SigningKey::parse(old).unwrap()];
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let (id, body) = ("0123456789abcdef0123456789abcdef", r#"{"type":"anomaly.alert"}"#);
        let mut headers = http::HeaderMap::new();
        headers.insert("webhook-id", id.parse().unwrap());
        headers.insert("webhook-timestamp", now.to_string().parse().unwrap());
        let signed = signatures(&keys, id, i64::try_from(now).unwrap(), body);
        headers.insert("webhook-signature", signed.parse().unwrap());
        for key in [KEY, old] {
            Webhook::new(key).unwrap().verify(body.as_bytes(), &headers).unwrap();
        }
        assert!(Webhook::new(KEY).unwrap().verify(b"{}", &headers).is_err());
    }

    #[test]
    fn a_key_that_is_short_or_not_base64_is_refused_and_none_is_printed() {
        for text in ["", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_", "whsec_c2hvcnQ=", "whsec_!"] {
            assert_eq!(SigningKey::parse(text), Err(NotAKey), "{text}");
        }
        assert!(!format!("{:?}", SigningKey::parse(KEY)).contains("C2FV"));
    }
}
