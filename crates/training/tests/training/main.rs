//! The trainer against its reference, and training and calibration on generated transactions.

mod archives;
mod calibration;
mod fitting;
mod reference;
mod speed;
