//! The mathematics and the state machine, from outside the crate.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "tests: small numbers, and a panic is a failed test"
)]

mod dense_window;
mod layout;
mod parity;
mod profile;
mod profile_parity;
mod properties;
mod recorded;
mod state;
mod words;
