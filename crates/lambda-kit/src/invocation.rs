//! One invocation of the function.

use std::time::Duration;

use lambda_runtime::Context;

use crate::Clock;

/// Assumed time left if the context's deadline is not in the future. `cargo lambda watch` sends 600000.
const TIME_UNKNOWN_MS: i64 = 10_000;

/// The invocation's id and deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Lambda's id of this invocation.
    pub request_id: String,
    /// When Lambda will stop the function, in ms since the epoch.
    pub deadline_ms: i64,
}

impl Invocation {
    /// The invocation of a context.
    #[must_use]
    pub fn new(context: &Context, clock: &impl Clock) -> Self {
        let now_ms = clock.now_ms();
        let deadline_ms = i64::try_from(context.deadline).unwrap_or(0);
        let deadline_ms = if deadline_ms > now_ms { deadline_ms } else { now_ms + TIME_UNKNOWN_MS };
        Self { request_id: context.request_id.clone(), deadline_ms }
    }

    /// Whether more than `reserve_ms` are left.
    pub fn has_left(&self, clock: &impl Clock, reserve_ms: i64) -> bool {
        self.left_ms(clock) > reserve_ms
    }

    /// Time left, in ms.
    pub fn left_ms(&self, clock: &impl Clock) -> i64 {
        self.deadline_ms.saturating_sub(clock.now_ms())
    }

    /// Runs a future until `reserve_ms` before the deadline. Returns `None` if it is not ready by then; calls it has already made
    /// may still take effect.
    pub async fn within<F: Future>(&self, clock: &impl Clock, reserve_ms: i64, future: F) -> Option<F::Output> {
        let left_ms = self.left_ms(clock).saturating_sub(reserve_ms);
        let left = Duration::from_millis(u64::try_from(left_ms).ok().filter(|ms| *ms > 0)?);
        tokio::time::timeout(left, future).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ManualClock;

    #[test]
    fn a_deadline_that_is_not_an_epoch_time_is_replaced() {
        let clock = ManualClock::at(1_760_000_000_000);
        let mut context = Context::default();
        context.deadline = 600_000;
        assert_eq!(Invocation::new(&context, &clock).deadline_ms, 1_760_000_010_000);
    }

    #[tokio::test]
    async fn nothing_is_begun_in_the_reserve() {
        let clock = ManualClock::at(1_000);
        let invocation = Invocation { request_id: String::new(), deadline_ms: 4_000 };
        assert_eq!(invocation.within(&clock, 2_999, async { 1 }).await, Some(1));
        assert_eq!(invocation.within(&clock, 3_000, async { 1 }).await, None);
    }
}
