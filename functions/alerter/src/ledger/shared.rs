//! A table that several alerters share, as containers do.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{
    Claim, Ending, Entry, Lease, Ledger, LedgerError, PageOfDay, PolicyStore, StoredAlert, StoredPolicy, Turn, Waiting,
    WaitingList,
};

impl<L: Ledger> Ledger for Rc<L> {
    async fn claim(&self, entry: Entry<'_>, lease: Lease<'_>) -> Result<Claim, LedgerError> {
        L::claim(self, entry, lease).await
    }

    async fn mark_published(&self, ending: Ending<'_>, lease: Lease<'_>) -> Result<(), LedgerError> {
        L::mark_published(self, ending, lease).await
    }

    async fn complete(&self, ending: Ending<'_>, lease: Lease<'_>) -> Result<(), LedgerError> {
        L::complete(self, ending, lease).await
    }
}

impl<L: PolicyStore> PolicyStore for Rc<L> {
    async fn read(&self, user_ids: &[&str], alert_ids: &[&str]) -> Result<StoredPolicy, LedgerError> {
        L::read(self, user_ids, alert_ids).await
    }

    async fn write_history(&self, user_id: &str, history: &str, expires_at_seconds: i64) -> Result<(), LedgerError> {
        L::write_history(self, user_id, history, expires_at_seconds).await
    }

    async fn take_page(&self, page: PageOfDay<'_>) -> Result<Option<u32>, LedgerError> {
        L::take_page(self, page).await
    }
}

impl<L: WaitingList> WaitingList for Rc<L> {
    async fn begin_summary(&self, lease: Lease<'_>) -> Result<Turn, LedgerError> {
        L::begin_summary(self, lease).await
    }

    async fn waiting(&self, limit: usize) -> Result<Vec<Waiting>, LedgerError> {
        L::waiting(self, limit).await
    }

    async fn alerts(&self, ids: &[&str]) -> Result<BTreeMap<String, StoredAlert>, LedgerError> {
        L::alerts(self, ids).await
    }

    async fn remove(&self, id: &str) -> Result<(), LedgerError> {
        L::remove(self, id).await
    }

    async fn end_summary(&self, lease: Lease<'_>, next_ms: i64) -> Result<(), LedgerError> {
        L::end_summary(self, lease, next_ms).await
    }
}
