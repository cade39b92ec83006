//! A standard queue in memory, with visibility time-out, receive count and dead-letter queue.

use std::cell::RefCell;

use super::{QueueError, QueueSource, Received};

#[derive(Debug, Clone)]
struct Held {
    message: Received,
    visible_from_ms: i64,
}

/// A queue in memory. Its messages live as long as the value.
#[derive(Debug)]
pub struct MemorySqs {
    visibility_timeout_ms: i64,
    /// Deliveries after which a message goes to the dead-letter queue; `None`: it is redelivered for ever.
    receive_count_max: Option<u32>,
    inner: RefCell<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    held: Vec<Held>,
    dead: Vec<Received>,
    sent: u64,
}

impl MemorySqs {
    /// An empty queue that moves a message to its dead-letter queue after `receive_count_max` deliveries; `None`: never.
    #[must_use]
    pub fn new(visibility_timeout_ms: i64, receive_count_max: Option<u32>) -> Self {
        Self { visibility_timeout_ms, receive_count_max, inner: RefCell::default() }
    }

    /// Sends a message. It is visible at once.
    pub fn send(&self, body: String, now_ms: i64) {
        let mut inner = self.inner.borrow_mut();
        inner.sent += 1;
        let message = Received {
            message_id: format!("00000000-0000-4000-8000-{:012}", inner.sent),
            receipt_handle: String::new(),
            body,
            receive_count: 0,
            sent_at_ms: now_ms,
        };
        inner.held.push(Held { message, visible_from_ms: now_ms });
    }

    /// Messages in the queue, hidden ones included and dead ones excluded.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.borrow().held.len()
    }

    /// Whether the queue has no messages, not even hidden ones.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When the next message can be received, in ms since the epoch; `None` if the queue is empty.
    #[must_use]
    pub fn next_visible_ms(&self) -> Option<i64> {
        self.inner.borrow().held.iter().map(|held| held.visible_from_ms).min()
    }

    /// The messages in the dead-letter queue, in the order of their death.
    #[must_use]
    pub fn dead(&self) -> Vec<Received> {
        self.inner.borrow().dead.clone()
    }
}

impl QueueSource for MemorySqs {
    async fn receive(&self, messages_max: usize, now_ms: i64) -> Result<Vec<Received>, QueueError> {
        let mut inner = self.inner.borrow_mut();
        let is_dead = |held: &Held| {
            held.visible_from_ms <= now_ms
                && self.receive_count_max.is_some_and(|max| held.message.receive_count >= max)
        };
        let (dead, held): (Vec<Held>, Vec<Held>) = std::mem::take(&mut inner.held).into_iter().partition(is_dead);
        inner.dead.extend(dead.into_iter().map(|held| held.message));
        inner.held = held;
        let visible = inner.held.iter_mut().filter(|held| held.visible_from_ms <= now_ms).take(messages_max);
        let receive = |held: &mut Held| {
            held.visible_from_ms = now_ms + self.visibility_timeout_ms;
            held.message.receive_count += 1;
            held.message.receipt_handle = format!("{}#{}", held.message.message_id, held.message.receive_count);
            held.message.clone()
        };
        Ok(visible.map(receive).collect())
    }

    async fn delete(&self, receipt_handle: &str) -> Result<(), QueueError> {
        self.inner.borrow_mut().held.retain(|held| held.message.receipt_handle != receipt_handle);
        Ok(())
    }
}
