//! Anomaly messages → alert ledger → SNS and AnomalyCount.
//!
//! [`message`] reads alerts from Lambda's SQS event. [`handler`] takes them through the function: `claim`, `publish`, `settle` (count
//! and complete). [`publication`] turns alerts into texts for people and documents for programs, and `pace` keeps publications apart.
//! The outside is behind three ports, each beside its adapters: [`ledger`], [`publisher`] and [`metric_sink`].

mod claim;
pub mod config;
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

pub use config::{AlerterSettings, Config};
pub use handler::{Alerter, HandlerError, Outcome};
pub use summary::AlerterSummary;
