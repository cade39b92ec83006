//! Backtests: what rules would have alerted in transactions that are already recorded.
//!
//! One pass: each record is decoded as the detector decodes a payload, and every rule takes the detector's `step` with a state of
//! its own for each user. Memory depends on users and rules, not on lines.
//!
//! [`Reader`] reads files as one sequence of records; [`Backtest`] gives each record to a track per rule; [`summary`] is what they
//! found. A data item flows one way: record → transaction → verdict of each track → counts, flags, series → summary.
//!
//! Deliberately absent: the command line, HTML, AWS.

mod assemble;
mod backtest;
mod detail;
mod engine;
mod flagged;
pub mod input;
mod plan;
mod seen;
mod series;
pub mod summary;
mod timeline;
mod track;
mod tumbling;
mod users;

pub use backtest::Backtest;
pub use input::{ColumnNames, InputFormat, InputRecord, Reader, ReaderSettings, TimeFormat};
pub use plan::{Plan, PlanError, RuleChoices};
pub use summary::{BacktestSummary, Flag, RuleName};
