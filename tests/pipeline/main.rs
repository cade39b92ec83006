//! Tests of both functions and all libraries from outside, in one binary, so that it links once.
#![recursion_limit = "256"]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests: a panic is a failed test")]

mod alerter_protocol;
mod alerting;
mod aws;
mod dependencies;
mod detector_protocol;
mod documents;
mod dynamodb;
mod endpoint;
mod events;
mod fixtures;
mod hostile_input;
mod ledger;
mod notifier;
mod progress;
mod replay;
mod scenarios;
mod slow_ledger;
mod slow_services;
mod together;
mod traps;
