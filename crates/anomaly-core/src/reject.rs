//! Why a record is refused. The enum is closed: each reason is a metric, a value in the quarantine and a row in the docs.

use serde::{Deserialize, Serialize};

/// The reason for which a record goes to quarantine instead of into a user's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RejectReason {
    /// The payload is not UTF-8.
    NotUtf8,
    /// The payload is not one JSON text (RFC 8259) with unique names (RFC 7493).
    NotJson,
    /// `userId`, `amount` or `timestamp` is not there.
    MissingField,
    /// The payload is no object, or a field has another JSON type than the contract's.
    WrongType,
    /// `userId` has fewer than 1 or more than 256 characters, a control character, U+FFFE or U+FFFF.
    UserIdInvalid,
    /// `amount` is written as a number that no 64-bit float can hold.
    AmountNotFinite,
    /// `amount` is beyond ±1e12.
    AmountOutOfRange,
    /// `timestamp` is negative, beyond the year 9999, or further ahead of the arrival than the permitted clock skew.
    TimestampOutOfRange,
    /// The payload is larger than a transaction may be.
    RecordTooLarge,
    /// The record claims to be a KPL aggregate (magic and MD5 agree) and its protobuf cannot be read, or
    /// has no records.
    AggregateCorrupt,
    /// Lambda's envelope lacks what identifies a record: event id, sequence number, arrival time, key or payload.
    EnvelopeInvalid,
    /// The stored state of this user cannot be read; nothing is applied to it until someone has looked.
    StateCorrupt,
}

impl RejectReason {
    /// Every reason, in the order of the pipeline.
    pub const ALL: [Self; 12] = [
        Self::NotUtf8,
        Self::NotJson,
        Self::MissingField,
        Self::WrongType,
        Self::UserIdInvalid,
        Self::AmountNotFinite,
        Self::AmountOutOfRange,
        Self::TimestampOutOfRange,
        Self::RecordTooLarge,
        Self::AggregateCorrupt,
        Self::EnvelopeInvalid,
        Self::StateCorrupt,
    ];

    /// The reason as it is written in the quarantine, in metrics and in the docs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotUtf8 => "not-utf8",
            Self::NotJson => "not-json",
            Self::MissingField => "missing-field",
            Self::WrongType => "wrong-type",
            Self::UserIdInvalid => "user-id-invalid",
            Self::AmountNotFinite => "amount-not-finite",
            Self::AmountOutOfRange => "amount-out-of-range",
            Self::TimestampOutOfRange => "timestamp-out-of-range",
            Self::RecordTooLarge => "record-too-large",
            Self::AggregateCorrupt => "aggregate-corrupt",
            Self::EnvelopeInvalid => "envelope-invalid",
            Self::StateCorrupt => "state-corrupt",
        }
    }
}

impl std::fmt::Display for RejectReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
