//! The ledger's table in memory, with faults on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use alert_policy::{Decision, Rank};
use lambda_kit::{Fault, Faults};

use super::{
    Claim, Ending, Entry, Lease, Ledger, LedgerError, PageOfDay, PolicyStore, StoredAlert, StoredPolicy, StoredUser,
    Turn, Waiting, WaitingList,
};

/// The table in memory.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    /// Faults of the next claims.
    pub claim_faults: Faults,
    /// Faults of the next completions.
    pub complete_faults: Faults,
    /// Faults of the next reads of the policy.
    pub read_faults: Faults,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    alerts: BTreeMap<String, Alert>,
    stored: StoredPolicy,
    pages: BTreeMap<String, BTreeSet<String>>,
    summary: Option<Holder>,
}

#[derive(Debug, Clone, PartialEq)]
struct Alert {
    status: Status,
    stored: StoredAlert,
    published_at_ms: Option<i64>,
    rank: Option<Rank>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Status {
    Claimed(Holder),
    Published(Holder),
    Completed,
}

impl Alert {
    fn is_held_by(&self, lease: Lease<'_>) -> bool {
        match &self.status {
            Status::Claimed(holder) | Status::Published(holder) => holder.is(lease),
            Status::Completed => false,
        }
    }
}

/// Who has a claim; nobody once it has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Holder {
    owner: Option<String>,
    until_ms: i64,
}

impl Holder {
    fn of(lease: Lease<'_>) -> Self {
        Self { owner: Some(lease.owner.to_owned()), until_ms: lease.until_ms }
    }

    const fn nobody(until_ms: i64) -> Self {
        Self { owner: None, until_ms }
    }

    fn is(&self, lease: Lease<'_>) -> bool {
        self.owner.as_deref() == Some(lease.owner)
    }

    fn is_free_for(&self, lease: Lease<'_>) -> bool {
        self.until_ms < lease.now_ms || self.is(lease)
    }
}

impl MemoryLedger {
    /// Ids that are completed.
    #[must_use]
    pub fn completed(&self) -> Vec<String> {
        self.decisions().into_keys().collect()
    }

    /// What became of every completed alert.
    #[must_use]
    pub fn decisions(&self) -> BTreeMap<String, Decision> {
        self.locked(|table| {
            let completed = table.alerts.iter().filter(|(_, alert)| alert.status == Status::Completed);
            completed.map(|(id, alert)| (id.clone(), alert.stored.decision.clone())).collect()
        })
    }

    /// When each alert was published, in ms since the epoch, as far as that is recorded.
    #[must_use]
    pub fn published_at_ms(&self) -> BTreeMap<String, i64> {
        let time = |(id, alert): (&String, &Alert)| Some((id.clone(), alert.published_at_ms?));
        self.locked(|table| table.alerts.iter().filter_map(time).collect())
    }

    /// The alerts that took each day's pages.
    #[must_use]
    pub fn pages(&self) -> BTreeMap<String, BTreeSet<String>> {
        self.locked(|table| table.pages.clone())
    }

    /// Whether an alert waits for a summary.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.locked(|table| table.alerts.values().any(|alert| alert.rank.is_some()))
    }

    /// Sets the policy, or removes it.
    pub fn set_policy(&self, json: Option<String>) {
        self.locked(|table| table.stored.policy = json);
    }

    /// Sets what is listed for a user.
    pub fn set_entries(&self, user_id: &str, json: String) {
        self.locked(|table| table.stored.users.entry(user_id.to_owned()).or_default().entries = Some(json));
    }

    fn locked<T>(&self, action: impl FnOnce(&mut Table) -> T) -> T {
        action(&mut self.table.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn alert(&self, id: &str) -> Option<Alert> {
        self.locked(|table| table.alerts.get(id).cloned())
    }

    fn set(&self, id: &str, alert: Alert, fault: Fault, action: &'static str) -> Result<(), LedgerError> {
        if fault != Fault::Refused {
            self.locked(|table| table.alerts.insert(id.to_owned(), alert));
        }
        if fault == Fault::None { Ok(()) } else { Err(injected(action)) }
    }
}

fn injected(action: &'static str) -> LedgerError {
    LedgerError::new(action, "injected fault")
}

fn ended(ending: Ending<'_>, status: Status, before: Alert) -> Alert {
    let rank = ending.rank.filter(|_| status == Status::Completed);
    let published_at_ms = before.published_at_ms.or(ending.published_at_ms);
    let stored = StoredAlert { decision: ending.decision.clone(), ..before.stored };
    Alert { status, stored, published_at_ms, rank }
}

impl Ledger for MemoryLedger {
    async fn claim(&self, entry: Entry<'_>, lease: Lease<'_>) -> Result<Claim, LedgerError> {
        let new = || StoredAlert { body: entry.body.to_owned(), decision: entry.decision.clone() };
        let known = self.alert(entry.id);
        let published_at_ms = known.as_ref().and_then(|alert| alert.published_at_ms);
        let (status, stored) = match known.map(|alert| (alert.status, alert.stored)) {
            Some((Status::Completed, _)) => return Ok(Claim::Completed),
            Some((Status::Claimed(holder) | Status::Published(holder), _)) if !holder.is_free_for(lease) => {
                return Ok(Claim::Held);
            }
            Some((Status::Published(_), stored)) => (Status::Published(Holder::of(lease)), stored),
            Some((Status::Claimed(_), stored)) => (Status::Claimed(Holder::of(lease)), stored),
            None => (Status::Claimed(Holder::of(lease)), new()),
        };
        let (is_published, decision) = (matches!(status, Status::Published(_)), stored.decision.clone());
        let alert = Alert { status, stored, published_at_ms, rank: None };
        self.set(entry.id, alert, self.claim_faults.next(), "claim")?;
        Ok(if is_published { Claim::GrantedPublished(decision) } else { Claim::Granted(decision) })
    }

    async fn mark_published(&self, ending: Ending<'_>, lease: Lease<'_>) -> Result<(), LedgerError> {
        match self.alert(ending.id) {
            Some(before) if before.is_held_by(lease) => {
                let status = Status::Published(Holder::nobody(lease.now_ms - 1));
                self.set(ending.id, ended(ending, status, before), Fault::None, "mark as published")
            }
            _ => Ok(()),
        }
    }

    async fn complete(&self, ending: Ending<'_>, _lease: Lease<'_>) -> Result<(), LedgerError> {
        match self.alert(ending.id) {
            Some(before) if before.status != Status::Completed => {
                let alert = ended(ending, Status::Completed, before);
                self.set(ending.id, alert, self.complete_faults.next(), "complete")
            }
            _ => Ok(()),
        }
    }
}

impl PolicyStore for MemoryLedger {
    async fn read(&self, user_ids: &[&str], alert_ids: &[&str]) -> Result<StoredPolicy, LedgerError> {
        if self.read_faults.next() != Fault::None {
            return Err(injected("read"));
        }
        self.locked(|table| {
            let known = |user_id: &&str| Some(((*user_id).to_owned(), table.stored.users.get(*user_id)?.clone()));
            let users = user_ids.iter().filter_map(known).collect();
            let decision = |id: &&str| Some(((*id).to_owned(), table.alerts.get(*id)?.stored.decision.clone()));
            let decided = alert_ids.iter().filter_map(decision).collect();
            Ok(StoredPolicy { policy: table.stored.policy.clone(), users, decided })
        })
    }

    async fn write_history(&self, user_id: &str, history: &str, _expires_at_seconds: i64) -> Result<(), LedgerError> {
        self.locked(|table| {
            let user: &mut StoredUser = table.stored.users.entry(user_id.to_owned()).or_default();
            user.history = Some(history.to_owned());
        });
        Ok(())
    }

    async fn take_page(&self, page: PageOfDay<'_>) -> Result<Option<u32>, LedgerError> {
        self.locked(|table| {
            let pages = table.pages.entry(page.day.to_owned()).or_default();
            let taken = |pages: &BTreeSet<String>| u32::try_from(pages.len()).unwrap_or(u32::MAX);
            if taken(pages) >= page.pages_max && !pages.contains(page.id) {
                return Ok(None);
            }
            pages.insert(page.id.to_owned());
            Ok(Some(taken(pages)))
        })
    }
}

impl WaitingList for MemoryLedger {
    async fn begin_summary(&self, lease: Lease<'_>) -> Result<Turn, LedgerError> {
        self.locked(|table| match &table.summary {
            Some(holder) if !holder.is_free_for(lease) => {
                Ok(if holder.owner.is_some() { Turn::Held } else { Turn::JustEnded })
            }
            _ => {
                table.summary = Some(Holder::of(lease));
                Ok(Turn::Ours)
            }
        })
    }

    async fn waiting(&self, limit: usize) -> Result<Vec<Waiting>, LedgerError> {
        self.locked(|table| {
            let waiting = |(id, alert): (&String, &Alert)| Some(Waiting { id: id.clone(), rank: alert.rank? });
            Ok(table.alerts.iter().filter_map(waiting).take(limit).collect())
        })
    }

    async fn alerts(&self, ids: &[&str]) -> Result<BTreeMap<String, StoredAlert>, LedgerError> {
        self.locked(|table| {
            let stored = |id: &&str| Some(((*id).to_owned(), table.alerts.get(*id)?.stored.clone()));
            Ok(ids.iter().filter_map(stored).collect())
        })
    }

    async fn remove(&self, id: &str) -> Result<(), LedgerError> {
        self.locked(|table| {
            if let Some(alert) = table.alerts.get_mut(id) {
                alert.rank = None;
            }
        });
        Ok(())
    }

    async fn end_summary(&self, lease: Lease<'_>, next_ms: i64) -> Result<(), LedgerError> {
        self.locked(|table| {
            if table.summary.as_ref().is_some_and(|holder| holder.is(lease)) {
                table.summary = Some(Holder::nobody(next_ms));
            }
        });
        Ok(())
    }
}
