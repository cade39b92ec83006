//! Port: the stream that a mapping reads.

use std::error::Error;

/// One record of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRecord {
    /// Its place in the shard, in decimal digits.
    pub sequence_number: String,
    /// The producer's key; it decides the lane.
    pub partition_key: String,
    /// The payload.
    pub data: Vec<u8>,
    /// When the stream received it, in ms since the epoch.
    pub arrival_time_ms: i64,
}

/// One shard of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// For example `shardId-000000000000`.
    pub id: String,
    /// Ids of the shards that it was split or merged from. They are read to their end first.
    pub parents: Vec<String>,
}

/// The result of one read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// The records, in the order of the shard.
    pub records: Vec<StreamRecord>,
    /// The shard is closed and has no records after these.
    pub is_end: bool,
}

/// The stream did not respond.
#[derive(Debug, thiserror::Error)]
#[error("the stream could not be read")]
pub struct SourceError(#[source] pub Box<dyn Error + Send + Sync>);

/// The stream operations that a mapping needs.
#[expect(async_fn_in_trait, reason = "a mapping is driven on one thread: its futures need not be Send")]
pub trait StreamSource {
    /// All shards, parents before children.
    ///
    /// # Errors
    /// [`SourceError`] if the stream does not respond.
    async fn shards(&self) -> Result<Vec<Shard>, SourceError>;

    /// Up to `limit` records of a shard after a sequence number; `None`: from its oldest record.
    ///
    /// # Errors
    /// [`SourceError`] if the stream does not respond.
    async fn read(&self, shard_id: &str, after: Option<&str>, limit: usize) -> Result<Read, SourceError>;
}
