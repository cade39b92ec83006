//! Why a record is rejected. The enum is closed: each reason is a metric, a value in quarantine messages and a row in the docs.
//!
//! The reasons cover all stages of the pipeline, also those that the core itself never sees (the Lambda envelope, KPL aggregates),
//! so that there is one list of them.

use serde::{Deserialize, Serialize};

/// Why a record goes to quarantine instead of into a user's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RejectReason {
    /// The payload is not UTF-8.
    NotUtf8,
    /// The payload is not one JSON text (RFC 8259) with unique names (RFC 7493).
    NotJson,
    /// `userId`, `amount` or `timestamp` is missing.
    MissingField,
    /// The payload is not an object, or a field does not have its JSON type from the contract.
    WrongType,
    /// `userId` has fewer than 1 or more than 256 characters, or one that would not be shown as it is: a control or format character, a
    /// line or paragraph separator, U+FFFE or U+FFFF.
    UserIdInvalid,
    /// `amount` is a number that a 64-bit float cannot hold.
    AmountNotFinite,
    /// `amount` is beyond ±1e12.
    AmountOutOfRange,
    /// `timestamp` is negative, beyond the year 9999, or further ahead of the arrival than the permitted clock skew.
    TimestampOutOfRange,
    /// The payload is larger than a transaction may be.
    RecordTooLarge,
    /// The record is marked as a KPL aggregate (magic and MD5 agree), but its protobuf cannot be read or
    /// has no records.
    AggregateCorrupt,
    /// A KPL aggregate from a shard that is read in several lanes (`ParallelizationFactor` above 1): it would come in another lane than
    /// lone records of the same users, and what is overtaken would look applied.
    AggregateInLanes,
    /// A record of a KPL aggregate whose key belongs in another shard, where the KPL has put it again: while a stream is resharded, it
    /// packs by the old shards.
    Misplaced,
    /// Lambda's envelope lacks a field that identifies a record: event id, sequence number, arrival time, key or payload.
    EnvelopeInvalid,
    /// The stored state of this user cannot be read. Nothing is applied to it until an operator has mended it.
    StateCorrupt,
}

impl RejectReason {
    /// Every reason, in the order of the pipeline.
    pub const ALL: [Self; 14] = [
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
        Self::AggregateInLanes,
        Self::Misplaced,
        Self::EnvelopeInvalid,
        Self::StateCorrupt,
    ];

    /// The name of the reason in quarantine messages and docs.
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
            Self::AggregateInLanes => "aggregate-in-lanes",
            Self::Misplaced => "misplaced",
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
