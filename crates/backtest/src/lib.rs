//! Backtests: the alerts that rules would have raised for recorded transactions.
//!
//! The input is read once. Each record is decoded as the detector decodes a payload, and each of the detector's rules runs the
//! detector's `step`, with a state of its own for every user. Memory grows with users and rules, not with lines.
//!
//! [`Reader`] reads files as one sequence of records, [`Backtest`] passes each record to one track per rule, and [`summary`] holds
//! the findings. Data flows one way: record → transaction → verdict of each track → counts, flags, series → summary. Each flag also
//! goes through the alerter's policy (`people`), so that the summary says what people would get.
//!
//! [`Recomputation`] does the same for a single anomaly message: what does the archive say of it?
//!
//! Deliberately absent: the command line, HTML, AWS.

mod assemble;
mod backtest;
mod bootstrap;
mod detail;
mod engine;
mod flagged;
pub mod input;
mod people;
mod plan;
mod ranking;
mod recomputation;
mod seen;
mod series;
pub mod summary;
mod timeline;
mod track;
mod tumbling;
mod users;

pub use backtest::Backtest;
pub use input::{ColumnNames, InputFormat, InputRecord, Reader, ReaderSettings, TimeFormat};
pub use people::AlertingSettings;
pub use plan::{Plan, PlanError, RuleChoices};
pub use recomputation::{Difference, Recomputation, Recomputed};
pub use summary::{BacktestSummary, Flag, RuleName};
