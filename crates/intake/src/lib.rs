//! From a stream record's payload to a transaction: KPL aggregates are unpacked, each payload is decoded and validated.
//!
//! Pure: bytes in, a [`Transaction`](anomaly_core::Transaction) or a [`RejectReason`](anomaly_core::RejectReason) out. The detector,
//! a backtest and the tests all decode by this code, so that none of them can disagree on what a transaction is.
//!
//! Deliberately absent: AWS, Lambda's envelope around a payload (the detector's), and what becomes of a reject.

pub mod aggregate;
pub mod record;
