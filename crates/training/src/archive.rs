//! What the rule `profile` says of every transaction of an archive, in the order of arrival.

use std::collections::VecDeque;

use anomaly_core::profile::{Feature, Features, ProfileSettings};
use anomaly_core::{Profile, RECENT_TRANSACTIONS_MAX, Rule, Transaction, transaction_fingerprint};
use hashbrown::HashMap;

use crate::bins::FEATURES;

/// A transaction: 96 bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What a model may look at; without a judgement, the logarithm of the amount alone.
    pub features: Features,
    /// Event time in ms since the epoch.
    pub event_time_ms: i64,
    /// Whether the rule judged it. It does not while a user warms up, and never a late transaction.
    pub is_judged: bool,
    /// Whether it is labelled as fraud.
    pub is_fraud: bool,
}

/// All transactions so far, with the states of their users.
#[derive(Debug)]
pub struct Archive {
    settings: ProfileSettings,
    window_ms: i64,
    retention_ms: i64,
    users: HashMap<String, User>,
    rows: Vec<Row>,
    has_label: bool,
}

/// What the detector remembers of a user, as far as the rule depends on it.
#[derive(Debug, Default)]
struct User {
    profile: Profile,
    /// Fingerprints of the last transactions, oldest first.
    recent: VecDeque<[u8; 6]>,
}

impl Archive {
    /// An empty archive. `rule` has to be `profile`, with its population table if it has one; `retention_ms` is how long a silent user
    /// is remembered, in ms of event time.
    #[must_use]
    pub fn new(rule: &Rule, retention_ms: i64) -> Self {
        Self {
            settings: ProfileSettings { keeps_context: true, ..rule.profile_settings().clone() },
            window_ms: rule.window_length_ms(),
            retention_ms,
            users: HashMap::new(),
            rows: Vec::new(),
            has_label: false,
        }
    }

    /// Adds the next transaction in the order of arrival. A producer's retry of one of the user's last transactions is left out, as in
    /// the detector. `label` says whether it is fraud; `None` if nothing does.
    pub fn add(&mut self, transaction: &Transaction<'_>, label: Option<bool>) {
        self.has_label |= label.is_some();
        let user = self.users.entry_ref(transaction.user_id.as_ref()).or_default();
        user.forget_if_silent(transaction.event_time_ms, self.retention_ms);
        let fingerprint = transaction_fingerprint(transaction);
        if fingerprint.is_some_and(|fingerprint| user.recent.contains(&fingerprint)) {
            return;
        }
        let judged = if user.is_late(transaction.event_time_ms, self.window_ms) {
            None
        } else {
            user.remember(fingerprint);
            user.judge(transaction, &self.settings)
        };
        self.rows.push(Row {
            features: judged.unwrap_or_else(|| amount_alone(transaction.amount, self.settings.unit)),
            event_time_ms: transaction.event_time_ms,
            is_judged: judged.is_some(),
            is_fraud: label == Some(true),
        });
    }

    /// The transactions in the order of arrival.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Whether any transaction has a label.
    #[must_use]
    pub const fn has_label(&self) -> bool {
        self.has_label
    }

    /// Users so far.
    #[must_use]
    pub fn users(&self) -> usize {
        self.users.len()
    }

    /// Whether the scores count what is loud for everybody.
    #[must_use]
    pub const fn has_population(&self) -> bool {
        self.settings.population.is_some()
    }

    /// Frees the states of the users: what follows needs the rows alone.
    pub fn forget_users(&mut self) {
        self.users = HashMap::new();
    }
}

impl User {
    fn forget_if_silent(&mut self, event_time_ms: i64, retention_ms: i64) {
        let newest = self.profile.newest_event_time_ms().unwrap_or(event_time_ms);
        if event_time_ms.saturating_sub(newest) >= retention_ms {
            *self = Self::default();
        }
    }

    fn is_late(&self, event_time_ms: i64, window_ms: i64) -> bool {
        let newest = self.profile.newest_event_time_ms();
        newest.is_some_and(|newest| event_time_ms <= newest.saturating_sub(window_ms))
    }

    fn remember(&mut self, fingerprint: Option<[u8; 6]>) {
        let Some(fingerprint) = fingerprint else { return };
        if self.recent.len() == RECENT_TRANSACTIONS_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(fingerprint);
    }

    fn judge(&mut self, transaction: &Transaction<'_>, settings: &ProfileSettings) -> Option<Features> {
        let Transaction { amount, event_time_ms, merchant_id, .. } = transaction;
        self.profile.step(*amount, *event_time_ms, merchant_id.as_deref(), settings)?.features
    }
}

/// The features of a transaction that is not judged.
fn amount_alone(amount: f64, unit: f64) -> Features {
    let mut features = [0.0; FEATURES];
    for (feature, value) in Feature::ALL.into_iter().zip(&mut features) {
        if feature == Feature::LnAmount {
            *value = libm::log(amount.max(unit));
        }
    }
    features
}
