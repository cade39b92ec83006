//! The rule of sigma: what an anomaly is, and what has to be remembered to find one.
//!
//! One function is the heart: [`UserState::step`] takes a user's state and one [`Transaction`], in order of arrival, and returns
//! a [`Verdict`]. Everything else here serves it: [`Moments`] and [`Window`] are the rolling statistics, [`LongTerm`] is the
//! long-term baseline, [`Run`] the memory of a new level, [`Rule`] the test, [`knobs`] its settings, [`Position`] the memory of what was applied, [`codec`] the
//! stored bytes, [`AnomalyMessage`] the message that the detector sends.
//!
//! Invariants: the same transactions in the same order give the same state to the bit, however they are split into batches;
//! a transaction that was applied is never applied again; no input can make a NaN.
//!
//! Deliberately absent: AWS, JSON text, async, clocks, the environment, logs. The caller passes what it knows. What the core does
//! know of its surroundings are limits: the characters that SQS accepts, the numbers that DynamoDB stores, and the full list of
//! [`RejectReason`]s.

pub mod codec;
pub mod knobs;
mod level;
mod long_term;
mod message;
mod moments;
mod position;
mod reject;
mod rule;
mod state;
mod transaction;
mod verdict_counts;
mod window;

pub use knobs::{Choice, Knob, KnobError, KnobRow};
pub use level::Run;
pub use long_term::LongTerm;
pub use message::{AnomalyId, AnomalyMessage, MESSAGE_VERSION, NotAnAnomalyId, Origin};
pub use moments::Moments;
pub use position::{Position, PositionError, SequenceNumber, ShardId};
pub use reject::RejectReason;
pub use rule::{Assessment, Baseline, Direction, Rule, RuleKind, RuleSettings, Severity};
pub use state::{RECENT_TRANSACTIONS_MAX, SHARDS_PER_USER_MAX, UserState, Verdict};
pub use transaction::{
    AMOUNT_ABSOLUTE_MAX, EVENT_TIME_MS_MAX, ID_CHARACTERS_MAX, RawTransaction, Text, Transaction, printable,
};
pub use verdict_counts::VerdictCounts;
pub use window::{PANES_KEPT, PANES_PER_WINDOW, Window};
