//! Synthetic users with a state of usual size.

use anomaly_core::{Position, Rule, RuleSettings, ShardId, Transaction, UserState};
use detector::window_store::StoredUser;
use lambda_kit::{Clock, SystemClock};

/// Transactions in each state: enough to fill every pane of the window.
const TRANSACTIONS: u32 = 300;
/// Seconds after which they are expired.
const EXPIRE_SECONDS: i64 = 3_600;

/// Users with the same state and version.
#[derive(Debug)]
pub(super) struct Users {
    ids: Vec<String>,
    state: UserState,
    version: u64,
}

impl Users {
    pub(super) fn new(prefix: &str, count: usize) -> Self {
        let ids = (0..count).map(|number| format!("{prefix}-{number}")).collect();
        Self { ids, state: state(), version: 1 }
    }

    pub(super) fn ids(&self) -> &[String] {
        &self.ids
    }

    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    /// What the table is to have of each of them.
    pub(super) fn stored(&self) -> StoredUser {
        let now_ms = SystemClock.now_ms();
        StoredUser {
            state: self.state.clone(),
            outbox: Vec::new(),
            version: Some(self.version),
            updated_at_ms: now_ms,
            expires_at_seconds: now_ms / 1_000 + EXPIRE_SECONDS,
        }
    }

    /// Goes on to the next version. Returns the one that it replaces.
    pub(super) const fn advance(&mut self) -> u64 {
        self.version += 1;
        self.version - 1
    }
}

/// A state as that of a user with a transaction a second.
fn state() -> UserState {
    let parts = (Rule::new(RuleSettings::default()), "shardId-000000000000".parse::<ShardId>());
    let (Ok(rule), Ok(shard)) = parts else { unreachable!("the defaults are a rule, and this is the name of a shard") };
    let now_ms = SystemClock.now_ms();
    let mut state = UserState::new(&rule);
    for (number, second) in (1..=TRANSACTIONS).zip(0..) {
        let Ok(sequence_number) = format!("4959033827149025660855969253{number:028}").parse() else { continue };
        let transaction = Transaction {
            user_id: "sigma-verify".into(),
            amount: 40.0 + f64::from(number % 7),
            event_time_ms: now_ms - 1_000 * (i64::from(TRANSACTIONS) - second),
            transaction_id: Some(format!("{number}").into()),
            merchant_id: None,
        };
        state.step(&shard, Position { sequence_number, sub_sequence: 0 }, &transaction, &rule);
    }
    state
}
