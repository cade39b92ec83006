//! A local AWS that is small enough to live in a process: the embedded DynamoDB, and the pipeline from a stream in memory to
//! published alerts.
//!
//! The handlers, the DynamoDB adapters, the SDK and the event source mappings are the real ones. Only the stream, the queues, SNS
//! and CloudWatch are in memory. [`DetectorSide`] ends at the queue of anomalies, [`AlerterSide`] begins there, [`Pipeline`] is both. The
//! demo, the backtest through the handlers, the latency benchmark and the tests all run on these.
//!
//! [`Endpoint`] is the same AWS for functions that run as processes of their own.
//!
//! The simulation does not: there time itself, and every effect of a port, is simulated.
#![recursion_limit = "256"]

mod alerter_side;
mod detector_side;
pub mod dynamodb;
pub mod endpoint;
mod function;
mod pipeline;

pub use alerter_side::{AlerterSide, LEDGER_TABLE, QueueOptions};
pub use detector_side::{DetectorSide, DetectorTotals, StreamOptions};
pub use dynamodb::{EmbeddedDynamoDb, counter::RequestCounter, create_ledger_table, create_table};
pub use endpoint::{Endpoint, Sent};
pub use pipeline::{Pipeline, PipelineOptions, PipelineStep};
