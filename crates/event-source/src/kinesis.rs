//! The Kinesis mapping. It reads in order, checkpoints, and retries a batch until it succeeds, expires or has no retries left.

mod event;
mod lane;
mod mapping;
mod memory;
mod on_failure;
mod source;

pub use event::event_json;
pub use mapping::{KinesisMapping, KinesisMappingSettings, Step};
pub use memory::{LOCAL_STREAM_ARN, MemoryStream, Placed, hash_key};
pub use on_failure::{Condition, FailedBatch, OnFailure};
pub use source::{Read, Shard, SourceError, StreamRecord, StreamSource};
