//! Kinesis batch → user state → anomaly messages.
//!
//! A data item flows one way: [`envelope`] takes Lambda's event apart, [`aggregate`] opens KPL aggregates, [`record`] makes
//! transactions of payloads, [`fold`] applies them to a user's state, [`handler`] commits and sends by the protocol that
//! ARCHITECTURE.md explains, [`quarantine`] takes what was rejected, [`summary`] says what happened.
//!
//! What the protocol needs of the world stands in two ports, each beside its adapters: [`window_store`] and
//! [`message_queue`].

pub mod aggregate;
mod cache;
pub mod config;
pub mod decode;
pub mod envelope;
pub mod fold;
pub mod handler;
pub mod message_queue;
pub mod quarantine;
pub mod record;
pub mod summary;
pub mod window_store;
mod work;

pub use config::Config;
pub use handler::{Detector, HandlerError, Outcome};
pub use summary::Summary;
pub use work::Unreportable;
