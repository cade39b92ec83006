//! A handler as Lambda's mapping calls it.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use event_source::Invoked;
use lambda_kit::{Clock, Invocation};
use serde::Serialize;

/// Time that a function has, in ms.
const TIMEOUT_MS: i64 = 60_000;

pub(crate) fn invocation(clock: &impl Clock) -> Invocation {
    // The ledger tells invocations apart by their id.
    static STARTED: AtomicU64 = AtomicU64::new(0);
    let request_id = format!("local {}", STARTED.fetch_add(1, Ordering::Relaxed));
    Invocation { request_id, deadline_ms: clock.now_ms() + TIMEOUT_MS }
}

/// The response of a function as Lambda gets it.
pub(crate) fn responded(response: &impl Serialize) -> Invoked {
    serde_json::to_string(response).map_or_else(|error| Invoked::Failed(error.to_string()), Invoked::Responded)
}

/// Runs a future for at most so many polls; then it is dropped, wherever it is. `None` if it had not ended.
pub(crate) async fn until_polled<T>(future: impl Future<Output = T>, polls: u32) -> Option<T> {
    let (mut future, mut polls_left) = (pin!(future), polls);
    poll_fn(move |context| {
        if polls_left == 0 {
            return Poll::Ready(None);
        }
        polls_left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}
