//! Kinesis batch → user state → anomaly messages.
//!
//! The modules follow a batch through the function: [`envelope`] parses Lambda's event, [`decode`] turns payloads into
//! transactions or rejects, `group` splits them by user, `load` gets the users' states, [`fold`] applies a user's transactions,
//! `commit` decides what is written of a user, `write` makes the requests, `outbox` sends the anomalies, [`quarantine`] keeps the rejects,
//! [`checkpoint`] says from where Lambda has to redeliver. [`handler`] calls them in this order; ARCHITECTURE.md explains the
//! protocol. [`summary`] says what happened.
//!
//! The protocol reaches the outside through ports, each beside its adapters: [`window_store`] and `message_queue`; and
//! [`shard_ranges`], for aggregates.

mod cache;
pub mod checkpoint;
mod commit;
pub mod config;
pub mod decode;
pub mod envelope;
pub mod fold;
mod group;
pub mod handler;
mod load;
mod outbox;
pub mod quarantine;
pub mod shard_ranges;
pub mod summary;
pub mod window_store;
mod write;

pub use config::{Config, DetectorSettings};
pub use handler::{Detector, HandlerError, Outcome};
pub use summary::DetectorSummary;
