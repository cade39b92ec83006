//! Port: the stream that is read.

use std::error::Error;

/// One record of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRecord {
    /// Its place in the shard, decimal digits.
    pub sequence_number: String,
    /// The producer's key.
    pub partition_key: String,
    /// The payload.
    pub data: Vec<u8>,
    /// When the stream took it, in ms since the epoch.
    pub arrival_time_ms: i64,
}

/// One shard of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// For example `shardId-000000000000`.
    pub id: String,
    /// Shards that it was split from or merged of: to be read to their end before it.
    pub parents: Vec<String>,
}

/// What a read found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// In the order of the shard.
    pub records: Vec<StreamRecord>,
    /// The shard is closed and has nothing after these.
    pub is_end: bool,
}

/// The stream did not respond.
#[derive(Debug, thiserror::Error)]
#[error("the stream could not be read")]
pub struct SourceError(#[source] pub Box<dyn Error + Send + Sync>);

/// What the mapping needs of a stream.
#[expect(async_fn_in_trait, reason = "a mapping is driven on one thread: its futures need not be Send")]
pub trait StreamSource {
    /// All shards, parents before children.
    async fn shards(&self) -> Result<Vec<Shard>, SourceError>;

    /// Up to `limit` records of a shard after a sequence number, or from its start.
    async fn read(&self, shard_id: &str, after: Option<&str>, limit: usize) -> Result<Read, SourceError>;
}
