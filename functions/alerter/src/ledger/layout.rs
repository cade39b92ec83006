//! The items of the ledger's table and their attributes: what the alerter writes, and what the local tool reads and writes.
//!
//! | item (`id`) | attributes |
//! |---|---|
//! | an alert's id | `status` (`claimed`, `published`, `completed`), `owner` (the invocation that has the claim), `leaseUntil` (ms), `alert` (the message), `decision` (JSON), `disposition`, `decidedAt` (ms), `publishedAt` (ms; none if nobody was told), while it waits for a summary `digestKey`, `digestRank`, and once a person has judged it `label` (`legitimate`, `fraud`, `unsure`), `labelBy` (ARN), `labelAt` (ms), `labelWhy`. Of the response, if there is one: `responseAskedAt` (ms), `responseToken` while a person is asked, `response` (JSON) once it has ended |
//! | `policy` | `policy` (JSON), `version` |
//! | `policy#N` | the policy of version N |
//! | `user#ID` | `entries` (JSON), `version` |
//! | `history#ID` | `history` (JSON) |
//! | `budget#DAY` | `pages`: the ids of the alerts that took the day's pages |
//! | `summary` | `owner` and `leaseUntil` of the turn to make a summary |
//!
//! Items but the policies have `expiresAt` (TTL, seconds). The attributes of the response are written by the state machine in
//! template.yaml and read by `sigma decide`; the alerter leaves them alone.

/// The partition key.
pub const ID: &str = "id";
/// TTL, in seconds since the epoch.
pub const EXPIRES_AT: &str = "expiresAt";
/// Of an alert: `claimed`, `published` or `completed`.
pub const STATUS: &str = "status";
/// Of an alert: the body of its message.
pub const ALERT: &str = "alert";
/// Of an alert: what was decided about it, as JSON.
pub const DECISION: &str = "decision";
/// Of an alert: what became of it.
pub const DISPOSITION: &str = "disposition";
/// Of an alert: when it was first claimed, in ms since the epoch.
pub const DECIDED_AT: &str = "decidedAt";
/// Of an alert about which a person is asked: the token that the answer has to have. It is a secret of the account.
pub const RESPONSE_TOKEN: &str = "responseToken";
/// Of an alert about which a person was asked: when, in ms since the epoch.
pub const RESPONSE_ASKED_AT: &str = "responseAskedAt";
/// Of an alert that was responded to: what was done, as JSON.
pub const RESPONSE: &str = "response";
/// Of an alert: when SNS confirmed it, in ms since the epoch. After a crash between that and its record, it is when it was published again.
pub const PUBLISHED_AT: &str = "publishedAt";
/// Of an alert: what a person says that it was. The alerter never writes or reads it: a label decides nothing by itself.
pub const LABEL: &str = "label";
/// Of a label: who gave it, an ARN.
pub const LABEL_BY: &str = "labelBy";
/// Of a label: when it was given, in ms since the epoch.
pub const LABEL_AT: &str = "labelAt";
/// Of a label: the reason.
pub const LABEL_WHY: &str = "labelWhy";
/// The index of the alerts that wait for a summary.
pub const DIGEST_INDEX: &str = "digest";
/// The index's partition key.
pub const DIGEST_KEY: &str = "digestKey";
/// The index's sort key: [`alert_policy::Rank::key`].
pub const DIGEST_RANK: &str = "digestRank";
/// Parts of the index: one takes a thousand writes a second.
pub const DIGEST_PARTS: u8 = 10;
/// The item of the policy, and its attribute.
pub const POLICY: &str = "policy";
/// Of a policy and of a user's entries: counts the changes.
pub const VERSION: &str = "version";
/// Of a user: what is listed, as JSON.
pub const ENTRIES: &str = "entries";
/// Of a user: the alerts so far, as JSON.
pub const HISTORY: &str = "history";
/// Of a day: the alerts that took its pages.
pub const PAGES: &str = "pages";
/// The item of the turn to make a summary.
pub const SUMMARY: &str = "summary";

/// The item of an earlier policy.
#[must_use]
pub fn policy_of_version(version: u64) -> String {
    format!("{POLICY}#{version}")
}

/// The item with what is listed for a user.
#[must_use]
pub fn user(user_id: &str) -> String {
    format!("user#{user_id}")
}

/// The item with a user's alerts so far.
#[must_use]
pub fn history(user_id: &str) -> String {
    format!("history#{user_id}")
}

/// The item of a day's pages.
#[must_use]
pub fn budget(day: &str) -> String {
    format!("budget#{day}")
}

/// A part of the index.
#[must_use]
pub fn digest_key(part: u8) -> String {
    format!("digest#{part}")
}

/// The part of the index that an alert is in.
#[must_use]
pub fn digest_key_of(id: &str) -> String {
    let part = xxhash_rust::xxh3::xxh3_64(id.as_bytes()) % u64::from(DIGEST_PARTS);
    digest_key(u8::try_from(part).unwrap_or_default())
}
