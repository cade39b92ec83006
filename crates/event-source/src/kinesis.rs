//! The Kinesis mapping: ordered, checkpointed, retried until it succeeds, expires or is given up.

mod event;
mod lane;
mod mapping;
mod memory;
mod on_failure;
mod source;

pub use event::event_json;
pub use mapping::{KinesisMapping, KinesisMappingSettings, Step};
pub use memory::{LOCAL_STREAM_ARN, MemoryStream, Placed};
pub use on_failure::{Condition, FailedBatch, OnFailure};
pub use source::{Read, Shard, SourceError, StreamRecord, StreamSource};
