//! What an archive of transactions teaches the rule `profile`: a model from labels, and a calibration without them.
//!
//! [`Archive`] runs the detector's own [`anomaly_core::Profile::step`] over the transactions in their order of arrival and keeps what
//! it says of each. [`fit`] splits that by time ([`Split`]), grows trees on the earlier part ([`boost`]) and compares them with the score
//! alone on the later part ([`Ranking`]); a model that is not better is refused. [`calibrate`] needs no label: it finds the tail of all
//! users' amounts, and the threshold that would have given a chosen number of alerts.
//!
//! Invariants: the same transactions give the same model to the bit, on any machine: sums have a fixed order, and transcendental
//! functions come from `libm`. Memory is bounded by the number of transactions: [`Row`] for each, and about half as much again in [`fit`].
//!
//! Deliberately absent: the command line, JSON text, files, threads, clocks. `docs/training.md` explains the figures.

mod archive;
mod bins;
mod boosting;
mod budget;
mod calibration;
mod cuts;
mod error;
mod fitting;
mod histogram;
mod quantile;
mod ranking;
mod rankings;
mod report;
mod split;
mod tree;

pub use archive::{Archive, Row};
pub use boosting::{Boosted, ROUNDS, boost};
pub use budget::{BUDGETS, Budget};
pub use calibration::{Calibration, Knots, Thresholds, calibrate};
pub use error::TrainingError;
pub use fitting::{FitSettings, Fitted, fit};
pub use ranking::{AtBudget, Ranking};
pub use report::{AveragePrecision, Part, Performance, Report, Warning};
pub use split::{FUTURE_SHARE, GAP_MS, Split};

/// As a float. Exact up to 2⁵³: more rows than any memory holds.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "rows and milliseconds are far below 2⁵³")]
const fn float(count: u64) -> f64 {
    count as f64
}

/// The length of a collection as a float.
fn length(rows: usize) -> f64 {
    float(u64::try_from(rows).unwrap_or(u64::MAX))
}

/// The integer part of a number that is not negative.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates"
)]
const fn floor(number: f64) -> usize {
    number as usize
}
