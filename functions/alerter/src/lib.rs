//! Anomaly messages → alert ledger → SNS and AnomalyCount.
//!
//! [`event`] tells a batch from the schedule of the summary. [`message`] reads alerts from a batch. [`handler`] takes them through the
//! function: `decide` (page, digest, silent or shadow), `claim`, `budget`, `publish`, `settle` (remember, count and complete). `digest`
//! makes the ranked summary of what waits. [`publication`] turns alerts into texts for people and documents for programs, and `pace` keeps publications apart.
//! The outside is behind three ports, each beside its adapters: [`ledger`], [`publisher`] and [`metric_sink`].

mod budget;
pub mod case;
mod claim;
pub mod config;
mod decide;
mod digest;
pub mod event;
pub mod handler;
pub mod ledger;
pub mod message;
pub mod metric_sink;
mod pace;
pub mod publication;
mod publish;
pub mod publisher;
mod settle;
pub mod summary;

pub use case::Case;
pub use config::{AlerterSettings, Config};
pub use digest::DigestError;
pub use handler::{Alerter, HandlerError, Outcome};
pub use summary::AlerterSummary;
