//! Lambda's event source mappings for Kinesis and SQS, for local runs and tests.
//!
//! [`kinesis`] reads shards in order, forms batches, checkpoints, retries, bisects and discards as AWS documents it. [`sqs`]
//! receives messages, deletes those that succeeded and has the others redelivered. Both are generic over a trait for the source
//! and over [`Invoke`] for the function, so the same mapping drives a handler in this process or a deployed function on a real
//! stream.
//!
//! Time is a parameter of every step: nothing here sleeps or reads a clock, and the same steps give the same result.
//!
//! Where AWS's documentation is silent, a comment states the assumption.

mod invoke;
pub mod kinesis;
mod response;
pub mod sqs;

pub use invoke::{Invoke, Invoked};
