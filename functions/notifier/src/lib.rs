//! The topic's documents → Slack, PagerDuty, Teams, signed webhooks and the response.
//!
//! Each [`Channel`] has a queue of its own, and a batch is from one queue. [`handler`] takes a batch through the function. [`document`]
//! reads what subscribers of the topic get. Channels of people tell a document as one message; for the others, a document of several
//! alerts goes back to the queue as one message an alert, so that each alert has a delivery of its own. [`body`] writes what a channel
//! expects, a pure function each, [`request`] makes the HTTPS request, and [`attempt`] says what an answer means. [`target`] and the
//! guard of [`receiver`] keep requests away from private addresses. The outside is behind ports, each beside its adapters:
//! [`receiver`], [`secrets`], [`responder`] and `message_queue`.
//!
//! Deliberately absent: retries across invocations. The queue redelivers, and after its limit its dead-letter queue keeps the message.

pub mod attempt;
pub mod body;
pub mod channel;
pub mod config;
mod delivery;
pub mod document;
pub mod handler;
mod hold;
pub mod receiver;
pub mod request;
pub mod responder;
pub mod secrets;
pub mod signature;
pub mod summary;
pub mod target;

pub use channel::Channel;
pub use config::Config;
pub use handler::{HandlerError, Notifier, Outcome};
pub use summary::NotifierSummary;
