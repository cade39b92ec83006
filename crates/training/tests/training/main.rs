//! The trainer against its reference, and training and calibration on generated transactions.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests: a panic is a failed test")]

mod archives;
mod calibration;
mod fitting;
mod reference;
