//! The rule of sigma: what is an anomaly, and what has to be remembered to tell.
//!
//! One function is the heart: [`UserState::step`] takes a user's state and one [`Transaction`], in order of arrival, and
//! answers with a [`Verdict`]. Everything else here serves it: [`Moments`] and [`Window`] are the rolling statistics,
//! [`LongTerm`] the slow baseline, [`Rule`] the test, [`Position`] the memory of what was applied, [`codec`] the bytes that
//! are stored, [`AnomalyMessage`] what leaves.
//!
//! Invariants: the same transactions in the same order give the same state to the bit, however they are cut into batches;
//! a transaction that was applied is never applied again; no number that enters can make a NaN.
//!
//! Deliberately absent: AWS, JSON text, async, clocks, the environment, logs. The caller passes what it knows.

pub mod codec;
mod long_term;
mod message;
mod moments;
mod position;
mod reject;
mod rule;
mod state;
mod transaction;
mod window;

pub use long_term::LongTerm;
pub use message::{AnomalyId, AnomalyMessage, MESSAGE_VERSION, NotAnAnomalyId};
pub use moments::Moments;
pub use position::{Position, PositionError, SequenceNumber, ShardId};
pub use reject::RejectReason;
pub use rule::{Assessment, Baseline, Direction, Rule, RuleError, RuleKind, RuleSettings, Severity};
pub use state::{RECENT_TRANSACTIONS_MAX, SHARDS_PER_USER_MAX, UserState, Verdict};
pub use transaction::{
    AMOUNT_ABSOLUTE_MAX, EVENT_TIME_MS_MAX, ID_CHARACTERS_MAX, RawTransaction, Text, Transaction, printable,
};
pub use window::{PANES_KEPT, PANES_PER_WINDOW, Window};
