//! User states that this process wrote last and nobody else is known to have written since: the warm path without reads.
//!
//! A state is taken out for a batch and put back only when what the store holds is known. So after a failure, a conflict or a
//! time-out it is simply not there, and the next batch reads. A cached state that somebody else has replaced meanwhile loses
//! its conditional write and is folded anew from what the store returns.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;

use crate::window_store::StoredUser;

/// Least recently used states go first. One takes about 2 KB.
#[derive(Debug)]
pub(crate) struct Cache(Mutex<LruCache<String, StoredUser>>);

impl Cache {
    pub(crate) fn new(users_max: NonZeroUsize) -> Self {
        // `unbounded` and a bound of our own: a bounded one would allocate for all its users at start.
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
