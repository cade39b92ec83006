//! The commands of the `sigma` tool: flags, progress and printing. The work is done by the libraries beneath: `scenarios` generates
//! transactions, `backtest` and `backtest-report` try rules on recorded ones, `testbed` runs the pipeline on this machine,
//! `event-source` delivers streams.
//! `verify` is the exception: what it does to a deployed stack is its own.

mod aws;
mod choice;
pub mod deliver;
pub mod demo;
mod files;
pub mod generate;
mod output;
mod parse;
mod progress;
pub mod replay;
mod rule_options;
mod selection;
pub mod send;
pub mod verify;
