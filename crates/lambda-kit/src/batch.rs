//! Batch calls of AWS: limits on entries and bytes, and entries that fail one by one.

use std::time::Duration;

/// Times that entries are sent before they are given up. The SDK repeats whole calls by itself.
const ATTEMPTS_MAX: u32 = 3;
/// Wait before the first repetition; it doubles.
const BACKOFF: Duration = Duration::from_millis(50);

/// What one call takes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Entries.
    pub entries_max: usize,
    /// Bytes of all entries.
    pub bytes_max: usize,
}

/// Cuts entries, in their order, into runs that fit one call each. An entry that is too large by itself is a run of its own.
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

/// Sends entries until each is confirmed or the attempts are used up; answers, for each in order, whether it is. `send` gets
/// those still open with their indices and answers with the indices that are confirmed.
pub async fn confirm<T>(entries: &[T], send: impl AsyncFn(Vec<(usize, &T)>) -> Vec<usize>) -> Vec<bool> {
    let mut confirmed = vec![false; entries.len()];
    for attempt in 0..ATTEMPTS_MAX {
        if attempt > 0 {
            tokio::time::sleep(BACKOFF * 2_u32.pow(attempt - 1)).await;
        }
        let open = entries.iter().enumerate().zip(&confirmed).filter(|(_, is_confirmed)| !**is_confirmed);
        for index in send(open.map(|(entry, _)| entry).collect()).await {
            if let Some(entry) = confirmed.get_mut(index) {
                *entry = true;
            }
        }
        if confirmed.iter().all(|is_confirmed| *is_confirmed) {
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
    async fn only_what_failed_is_sent_again() {
        let calls = RefCell::new(Vec::new());
        let confirmed = confirm(&["a", "b", "c"], async |open| {
            let indices: Vec<usize> = open.iter().map(|(index, _)| *index).collect();
            calls.borrow_mut().push(indices.clone());
            indices.into_iter().take(1).filter(|index| *index != 2).collect()
        });
        assert_eq!(confirmed.await, [true, true, false]);
        assert_eq!(*calls.borrow(), [vec![0, 1, 2], vec![1, 2], vec![2]]);
    }
}
