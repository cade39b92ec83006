//! Anomaly messages → alert ledger → SNS and AnomalyCount.
//!
//! [`message`] reads alerts from Lambda's SQS event, [`publication`] turns them into texts for people and documents for programs,
//! [`handler`] claims, publishes, counts and completes. It reaches the outside through three ports, each beside its adapters:
//! [`ledger`], [`publisher`] and [`metric_sink`].

pub mod config;
pub mod handler;
pub mod ledger;
pub mod message;
pub mod metric_sink;
pub mod publication;
pub mod publisher;
pub mod summary;

pub use config::{AlerterSettings, Config};
pub use handler::{Alerter, HandlerError, Outcome};
pub use summary::AlerterSummary;
