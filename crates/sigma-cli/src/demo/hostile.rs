//! Hostile records, as producers and networks make them: bad records between good ones, retries, late arrivals.

use scenarios::Generated;

/// A hostile record follows every n-th transaction; the kinds take turns.
const EVERY: u64 = 500;
/// How late a late record is, in ms: twice the window.
const LATE_MS: i64 = 600_000;

/// Decides which record follows a transaction.
#[derive(Debug, Default)]
pub(super) struct Hostility {
    seen: u64,
    sent: u64,
}

impl Hostility {
    /// A record with its key, to put right after a transaction. It is never a new transaction.
    pub(super) fn after(&mut self, generated: &Generated, payload: &[u8]) -> Option<(String, Vec<u8>)> {
        self.seen += 1;
        self.seen.is_multiple_of(EVERY).then(|| self.next(generated, payload))
    }

    /// The next hostile record with its key.
    pub(super) fn next(&mut self, generated: &Generated, payload: &[u8]) -> (String, Vec<u8>) {
        self.sent += 1;
        let key = generated.user_id.clone();
        let record = match self.sent % 5 {
            0 => b"{\"userId\":\"user001\",\"amount\":12.5,".to_vec(),
            1 => format!("{{\"userId\":\"{key}\",\"timestamp\":{}}}", generated.timestamp).into_bytes(),
            2 => vec![0xFF, 0xFE, 0x00],
            3 => late(generated),
            // The producer got no answer and put the same transaction again.
            _ => payload.to_vec(),
        };
        (key, record)
    }
}

fn late(generated: &Generated) -> Vec<u8> {
    let timestamp = generated.timestamp - LATE_MS;
    format!("{{\"userId\":\"{}\",\"amount\":9999.99,\"timestamp\":{timestamp}}}", generated.user_id).into_bytes()
}
