//! Decides what becomes of alerts, from the policy and what is known of their users: one read for all of them.
//!
//! A policy that cannot be read decides nothing: its alerts are told as without one, and `PolicyUnusable` is counted. A table that does
//! not respond is another matter: the alerts are redelivered, as after any fault.

use std::collections::{BTreeMap, BTreeSet};

use alert_policy::{Decision, History, Policy, Settings, Standing, UserEntries, decide};
use lambda_kit::{Clock, telemetry::chain};

use crate::case::{Case, Incoming, facts};
use crate::handler::{BEGIN_RESERVE_MS, Run};
use crate::ledger::{LedgerTable, StoredPolicy, StoredUser};
use crate::metric_sink::MetricSink;
use crate::publication::{by_priority, document};
use crate::publisher::Publisher;

/// What decisions are made on.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    policy: Option<Policy>,
    users: BTreeMap<String, User>,
    /// What was decided already, by alert: a redelivery.
    decided: BTreeMap<String, Decision>,
    /// Stored texts that cannot be read.
    unusable: u64,
}

#[derive(Debug, Default)]
struct User {
    entries: Option<UserEntries>,
    history: History,
}

impl<L: LedgerTable, P: Publisher, M: MetricSink, C: Clock> Run<'_, L, P, M, C> {
    /// Reads what decisions on these alerts are made on. `None` if the table does not respond.
    pub(crate) async fn desk(&mut self, alerts: &[Incoming]) -> Option<Desk> {
        let users: BTreeSet<&str> = alerts.iter().filter_map(|(alert, _)| alert.user_id()).collect();
        let users: Vec<&str> = users.into_iter().collect();
        let ids: Vec<&str> = alerts.iter().map(|(alert, _)| alert.id.as_str()).collect();
        let reading = self.alerter.ledger.read(&users, &ids);
        match self.invocation.within(&self.alerter.clock, BEGIN_RESERVE_MS, reading).await? {
            Ok(stored) => {
                let desk = Desk::read(stored);
                self.progress.summary.policy_unusable += desk.unusable;
                Some(desk)
            }
            Err(error) => {
                tracing::warn!(error = %chain(&error), "The policy could not be read.");
                None
            }
        }
    }
}

impl Desk {
    fn read(stored: StoredPolicy) -> Self {
        let mut desk = Self { decided: stored.decided, ..Self::default() };
        desk.policy = stored.policy.and_then(|json| desk.usable("policy", Policy::parse(&json)));
        for (user_id, StoredUser { entries, history }) in stored.users {
            let entries = entries.and_then(|json| desk.usable("list of a user", UserEntries::parse(&json)));
            let history = history.and_then(|json| desk.usable("history of a user", serde_json::from_str(&json)));
            desk.users.insert(user_id, User { entries, history: history.unwrap_or_default() });
        }
        desk
    }

    fn usable<T, E: std::error::Error>(&mut self, what: &'static str, read: Result<T, E>) -> Option<T> {
        if read.is_err() {
            // The error may quote an amount or a user.
            tracing::error!(what, "A stored text cannot be read; alerts are told as without it.");
            self.unusable += 1;
        }
        read.ok()
    }

    /// The alerts that a summary tells in words.
    pub(crate) fn top(&self) -> usize {
        let options = self.policy.as_ref().map(|policy| policy.digest).unwrap_or_default();
        usize::try_from(options.top).unwrap_or(usize::MAX)
    }

    /// Decides about alerts in order of their time, the most urgent first in the result.
    pub(crate) fn decide(&self, mut alerts: Vec<Incoming>, settings: Settings, now_ms: i64) -> Vec<Case> {
        let time_ms = |alert: &Incoming| alert.0.anomaly.as_ref().map_or(now_ms, |anomaly| anomaly.event_time_ms);
        alerts.sort_by_key(time_ms);
        let mut histories: BTreeMap<String, History> = BTreeMap::new();
        let mut cases: Vec<Case> = alerts
            .into_iter()
            .map(|(alert, messages)| {
                let user = alert.user_id().and_then(|user_id| self.users.get(user_id));
                let known = user.map(|user| user.history.clone()).unwrap_or_default();
                let history = histories.entry(alert.user_id().unwrap_or(&alert.id).to_owned()).or_insert(known);
                let document = document(&alert);
                let facts = facts(&alert, &document, now_ms);
                let entries = user.and_then(|user| user.entries.as_ref());
                let standing = Standing { policy: self.policy.as_ref(), entries, history, settings, now_ms };
                let decided = self.decided.get(&alert.id).cloned();
                let decision = decided.unwrap_or_else(|| decide(&facts, &standing));
                history.add(&facts, &decision);
                Case { document, decision, pages_taken: None, published_at_ms: None, messages, alert }
            })
            .collect();
        cases.sort_by(by_priority);
        cases
    }

    /// The histories of the users of these alerts, with the alerts.
    pub(crate) fn histories<'c>(
        &self,
        cases: impl Iterator<Item = &'c Case>,
        now_ms: i64,
    ) -> BTreeMap<&'c str, History> {
        let mut of_users: Vec<(&str, &Case)> = cases.filter_map(|case| Some((case.alert.user_id()?, case))).collect();
        of_users.sort_by_key(|(_, case)| facts(&case.alert, &case.document, now_ms).event_time_ms);
        let mut histories: BTreeMap<&str, History> = BTreeMap::new();
        for (user_id, case) in of_users {
            let known = || self.users.get(user_id).map(|user| user.history.clone()).unwrap_or_default();
            let history = histories.entry(user_id).or_insert_with(known);
            history.add(&facts(&case.alert, &case.document, now_ms), &case.decision);
        }
        histories
    }
}
