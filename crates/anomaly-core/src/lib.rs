//! The rule of sigma: what an anomaly is, and what has to be remembered to find one.
//!
//! One function is the heart: [`UserState::step`] takes a user's state and one [`Transaction`], in order of arrival, and returns
//! a [`Verdict`]. Everything else here serves it: [`Rule`] is the test and [`knobs`] its settings. [`Windowed`] is the memory of the rules
//! `adaptive` and `plain`, with [`Moments`] and [`Window`] for the rolling statistics, [`LongTerm`] for the long-term baseline and [`Run`]
//! for a new level; [`profile`] is the rule of that name with its memory. [`Position`] is the memory of what was applied, [`codec`] the
//! stored bytes, [`AnomalyMessage`] the message that the detector sends, in fields and in words, and [`ConfigurationId`] names the settings
//! that a message rests on.
//!
//! Invariants: the same transactions in the same order give the same state to the bit, however they are split into batches;
//! a transaction that was applied is never applied again; no input can make a NaN.
//!
//! Deliberately absent: AWS, JSON text, async, clocks, the environment, logs. The caller passes what it knows. What the core does
//! know of its surroundings are limits: the characters that SQS accepts, the numbers that DynamoDB stores, and the full list of
//! [`RejectReason`]s.

pub mod codec;
mod configuration;
pub mod knobs;
mod level;
mod long_term;
mod memory;
mod message;
mod moments;
mod panes;
mod position;
pub mod profile;
mod reject;
mod rule;
mod state;
mod transaction;
mod verdict_counts;
mod weighted;
mod window;
mod windowed;
mod words;

pub use configuration::{ConfigurationId, NotAConfigurationId, Surroundings};
pub use knobs::{Choice, Knob, KnobError, KnobRow};
pub use level::Run;
pub use long_term::LongTerm;
pub use memory::Memory;
pub use message::{
    AnomalyId, AnomalyMessage, ExplanationFields, MESSAGE_VERSION, ModelFields, NotAnAnomalyId, Origin, PartFields,
    SecondOpinionFields,
};
pub use moments::Moments;
pub use position::{Position, PositionError, SequenceNumber, ShardId};
pub use profile::Profile;
pub use reject::RejectReason;
pub use rule::{
    Assessment, Baseline, Direction, Explanation, ModelMode, Rule, RuleKind, RuleSettings, SecondOpinion, Severity,
};
pub use state::{RECENT_TRANSACTIONS_MAX, SHARDS_PER_USER_MAX, UserState, Verdict, transaction_fingerprint};
pub use transaction::{
    AMOUNT_ABSOLUTE_MAX, EVENT_TIME_MS_MAX, ID_CHARACTERS_MAX, RawTransaction, Text, Transaction, printable,
};
pub use verdict_counts::VerdictCounts;
pub use weighted::Weighted;
pub use window::{PANES_PER_WINDOW, Window};
pub use windowed::Windowed;
pub use words::{Before, REPEATS_COUNTED_MAX, WORDS_BYTES_MAX};
