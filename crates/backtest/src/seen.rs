//! A transaction of the input, as each track receives it.

use anomaly_core::Transaction;

use super::users::Arrival;

/// A transaction, its index in the input, and how it relates to its user.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    /// Index of the record in the input, from 0.
    pub(crate) index: u64,
    pub(crate) transaction: &'a Transaction<'a>,
    pub(crate) label: Option<bool>,
    pub(crate) arrival: Arrival,
}
