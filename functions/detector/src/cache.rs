//! The warm cache: user states that this process wrote last. A cached user costs no read.
//!
//! A state is taken out for a batch, and put back only if the stored item is known. After a failure, a conflict or a time-out the
//! cache simply does not have it, and the next batch reads it. If another process has replaced the item meanwhile, the
//! conditional write fails and the records are folded onto the item that the store returns.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;

use crate::window_store::StoredUser;

/// Evicts the least recently used state first. A user takes 0.6 KB with up to four panes that hold something, and 1.4 KB with all 31.
#[derive(Debug)]
pub(crate) struct Cache(Mutex<LruCache<String, StoredUser>>);

impl Cache {
    pub(crate) fn new(users_max: NonZeroUsize) -> Self {
        // `unbounded`, then a bound: a cache made with a bound allocates room for all its users at the start.
        let mut cache = LruCache::unbounded();
        cache.resize(users_max);
        Self(Mutex::new(cache))
    }

    pub(crate) fn take(&self, user_id: &str) -> Option<StoredUser> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop(user_id)
    }

    pub(crate) fn put(&self, user_id: &str, user: StoredUser) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(user_id.to_owned(), user);
    }
}
