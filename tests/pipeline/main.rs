//! Both functions with all their rooms, from outside: one binary, so that it links once.
#![recursion_limit = "256"]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests: a panic is a failed test")]

mod aws;
mod dependencies;
mod dynamodb;
mod events;
mod fixtures;
mod hostile_input;
mod protocol_of_the_alerter;
mod protocol_of_the_detector;
mod replay;
mod scenarios;
mod traps;
