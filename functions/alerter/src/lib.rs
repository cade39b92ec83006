//! Anomaly messages → alert ledger → SNS and AnomalyCount.
//!
//! [`message`] reads what the queue brings, [`publication`] makes alerts of it that people and programs can read,
//! [`handler`] claims, publishes, counts and completes. What it needs of the world stands in three ports, each beside its
//! adapters: [`ledger`], [`publisher`] and [`metric_sink`].

pub mod config;
pub mod handler;
pub mod ledger;
pub mod message;
pub mod metric_sink;
pub mod publication;
pub mod publisher;
pub mod summary;

pub use config::Config;
pub use handler::{Alerter, HandlerError, Outcome};
pub use summary::Summary;
