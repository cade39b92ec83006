//! What becomes of an alert: whom it reaches and when.
//!
//! [`decide`] is the heart. It takes an alert, the [`Policy`] in force, what is listed for the user, and the user's [`History`], and
//! returns a [`Decision`] with its [`Disposition`]: a page is told to people at once, a digest alert waits for the ranked summary, a
//! silent one is only recorded, a shadow one is recorded as if nobody were there yet. Machines get pages and digest alerts alike, at once.
//!
//! Invariants: a decision depends on its arguments alone, so that the alerter and a backtest agree; an episode never makes fewer
//! severities told than it reaches; what cannot be read never silences anything.
//!
//! Deliberately absent: AWS, clocks, storage. The daily budget is a conditional write, so it belongs to whoever stores it.

mod decision;
mod disposition;
mod history;
mod pattern;
mod policy;
mod rank;
mod until;

pub use decision::{Decision, Facts, Reason, Settings, Standing, decide};
pub use disposition::Disposition;
pub use history::{EPISODE_GAP_MS, History, REPEAT_SPAN_MS};
pub use pattern::{Pattern, PatternError};
pub use policy::{DateError, DigestOptions, Mode, Page, Policy, PolicyError, Rule, UserEntries};
pub use rank::Rank;
pub use until::{Until, utc_day};
