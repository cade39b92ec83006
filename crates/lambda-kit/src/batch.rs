//! AWS batch calls: limits on entries and bytes, and entries that fail individually.

use std::time::Duration;

/// How often an entry is sent. The SDK retries whole calls by itself; this retries single entries that a call refused.
const ATTEMPTS_MAX: u32 = 3;
/// Wait before the first retry; it doubles.
const BACKOFF: Duration = Duration::from_millis(50);

/// The limits of one call.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most entries.
    pub entries_max: usize,
    /// Most bytes, all entries together.
    pub bytes_max: usize,
}

/// Splits entries, in order, into chunks that fit one call each. An entry that exceeds the limit by itself gets its own chunk.
pub fn chunks<T>(entries: &[T], limits: Limits, bytes_of: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let mut chunks = Vec::new();
    let mut rest = entries;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |entry: &&T| {
            bytes += bytes_of(entry);
            bytes <= limits.bytes_max
        };
        let fitting = rest.iter().take(limits.entries_max).take_while(fits).count().max(1);
        let (chunk, tail) = rest.split_at(fitting);
        chunks.push(chunk);
        rest = tail;
    }
    chunks
}

/// What a service said of the entries of one call, by their indices. What became of an entry in neither list is unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    /// It accepted these.
    pub confirmed: Vec<usize>,
    /// It did not accept these, and may do so the next time.
    pub refused: Vec<usize>,
}

/// Sends entries, and again those that are refused, until none is or the attempts are used up. Returns, for each entry in order,
/// whether it was confirmed. `send` gets the entries to send with their indices.
///
/// An entry whose call failed as a whole is not sent again: the SDK has retried what may be retried.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use lambda_kit::batch::{Answers, confirm};
///
/// // A service that refuses "b" the first time.
/// let calls = std::cell::Cell::new(0);
/// let confirmed = confirm(&["a", "b"], async |pending| {
///     calls.set(calls.get() + 1);
///     let is_taken = |(_, entry): &(usize, &&str)| calls.get() > 1 || **entry != "b";
///     let (confirmed, refused): (Vec<_>, Vec<_>) = pending.into_iter().partition(is_taken);
///     let indices = |entries: Vec<(usize, _)>| entries.into_iter().map(|(index, _)| index).collect();
///     Answers { confirmed: indices(confirmed), refused: indices(refused) }
/// })
/// .await;
/// assert_eq!(confirmed, [true, true]);
/// assert_eq!(calls.get(), 2);
/// # }
/// ```
pub async fn confirm<T>(entries: &[T], send: impl AsyncFn(Vec<(usize, &T)>) -> Answers) -> Vec<bool> {
    let mut confirmed = vec![false; entries.len()];
    let mut pending: Vec<(usize, &T)> = entries.iter().enumerate().collect();
    for attempt in 0..ATTEMPTS_MAX {
        if attempt > 0 {
            tokio::time::sleep(BACKOFF * 2_u32.pow(attempt - 1)).await;
        }
        let answers = send(pending.clone()).await;
        for index in answers.confirmed {
            if let Some(entry) = confirmed.get_mut(index) {
                *entry = true;
            }
        }
        pending.retain(|(index, _)| answers.refused.contains(index));
        if pending.is_empty() {
            break;
        }
    }
    confirmed
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn lengths(entries: &[String]) -> Vec<usize> {
        let limits = Limits { entries_max: 10, bytes_max: 1_000 };
        chunks(entries, limits, String::len).iter().map(|chunk| chunk.len()).collect()
    }

    #[test]
    fn a_call_keeps_to_both_limits() {
        let small: Vec<String> = (0..23).map(|i| i.to_string()).collect();
        assert_eq!(lengths(&small), [10, 10, 3]);
        assert_eq!(lengths(&vec!["x".repeat(400); 5]), [2, 2, 1]);
        assert_eq!(lengths(&vec!["x".repeat(4_000); 2]), [1, 1]);
        assert!(lengths(&[]).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_was_refused_is_sent_again() {
        let calls = RefCell::new(Vec::new());
        let confirmed = confirm(&["a", "b", "c", "d"], async |pending| {
            let indices: Vec<usize> = pending.iter().map(|(index, _)| *index).collect();
            calls.borrow_mut().push(indices.clone());
            // Nothing is said of the last entry.
            let confirmed = indices.iter().copied().take(1).filter(|index| *index != 2).collect();
            Answers { confirmed, refused: indices.into_iter().filter(|index| *index < 3).skip(1).chain([2]).collect() }
        });
        assert_eq!(confirmed.await, [true, true, false, false]);
        assert_eq!(*calls.borrow(), [vec![0, 1, 2, 3], vec![1, 2], vec![2]]);
    }

    #[tokio::test]
    async fn what_a_failed_call_carried_is_not_sent_again() {
        let calls = RefCell::new(0);
        let confirmed = confirm(&["a", "b"], async |_| {
            *calls.borrow_mut() += 1;
            Answers::default()
        });
        assert_eq!((confirmed.await, *calls.borrow()), (vec![false, false], 1));
    }
}
