//! The commands of the `sigma` tool: flags, progress and printing. The work is done by the libraries beneath: `scenarios` generates
//! transactions, `backtest` and `backtest-report` try rules on recorded ones, `training` learns from them, `testbed` runs the pipeline on this machine,
//! `event-source` delivers streams.
//! `local`, `verify`, `policy`, `decide`, `feedback`, `export_labels` and `explain` are the exceptions: which processes run, and what is
//! done to a deployed stack and its ledger, is their own.

mod archive;
mod aws;
pub mod calibrate;
mod choice;
pub mod decide;
pub mod deliver;
pub mod demo;
pub mod explain;
pub mod export_labels;
pub mod feedback;
mod files;
pub mod generate;
mod label;
mod ledger;
pub mod local;
mod output;
mod parse;
pub mod policy;
mod progress;
mod reader_options;
pub mod replay;
mod rule_options;
mod selection;
pub mod send;
mod signals;
mod times;
pub mod train;
pub mod verify;
