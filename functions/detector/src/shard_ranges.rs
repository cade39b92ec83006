//! Port: the hash keys of a shard. Only aggregates need them, so they are asked for only if a batch has some.

pub mod kinesis;

use anomaly_core::ShardId;
use intake::aggregate::HashRange;

pub use kinesis::KinesisShardRanges;

/// What unpacking an aggregate needs of the stream.
#[expect(async_fn_in_trait, reason = "one invocation at a time on one thread: its futures need not be Send")]
pub trait ShardRanges {
    /// The hash keys of a shard; `None` if they are not known now.
    async fn range(&self, stream_arn: &str, shard: &ShardId) -> Option<HashRange>;
}

/// No range is known: misplaced records are then recognised by their transaction ids alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct UnknownRanges;

impl ShardRanges for UnknownRanges {
    async fn range(&self, _stream_arn: &str, _shard: &ShardId) -> Option<HashRange> {
        None
    }
}
