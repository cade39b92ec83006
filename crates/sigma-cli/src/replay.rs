//! `sigma replay`: what a rule would have alerted in transactions that are already there.

pub mod summary;
