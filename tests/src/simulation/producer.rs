//! What producers put: transactions of a few users, retries, late ones, nonsense, and KPL aggregates.

use std::collections::VecDeque;

use detector::aggregate::pack;
use serde_json::json;

use super::dice::Dice;

/// Transactions of a user that a producer may still retry: fewer than the state remembers.
const RETRIABLE_MAX: usize = 4;
/// How late a late record is: twice the window.
const LATE_MS: i64 = 600_000;

/// One record as it is put, and the user records in it.
#[derive(Debug, Clone)]
pub(super) struct Put {
    pub(super) partition_key: String,
    pub(super) data: Vec<u8>,
    /// The user records in it: one, or those of an aggregate.
    pub(super) payloads: Vec<Payload>,
}

/// One user record.
#[derive(Debug, Clone)]
pub(super) struct Payload {
    pub(super) bytes: Vec<u8>,
    /// Whether it repeats a transaction that was put before.
    pub(super) is_retry: bool,
}

/// Producers of a handful of users.
#[derive(Debug)]
pub(super) struct Producer {
    dice: Dice,
    users: u32,
    packs: bool,
    made: u32,
    /// Recent records of each user, by user.
    retriable: Vec<VecDeque<Vec<u8>>>,
}

impl Producer {
    pub(super) fn new(dice: Dice) -> Self {
        let users = dice.between(1, 6);
        let packs = dice.chance(0.3);
        Self { dice, users, packs, made: 0, retriable: vec![VecDeque::new(); 7] }
    }

    /// Whether records of several users come in one aggregate. Such a record has one partition key for all of them, so their
    /// order holds only in one shard and one lane.
    pub(super) const fn packs(&self) -> bool {
        self.packs
    }

    /// What is put in one step.
    pub(super) fn next_records(&mut self, now_ms: i64) -> Vec<Put> {
        (0..self.dice.between(0, 12)).map(|_| self.next_record(now_ms)).collect()
    }

    fn next_record(&mut self, now_ms: i64) -> Put {
        if self.packs && self.dice.chance(0.3) {
            let payloads: Vec<Payload> = (0..self.dice.between(1, 8)).map(|_| self.payload(now_ms).1).collect();
            let packed: Vec<Vec<u8>> = payloads.iter().map(|payload| payload.bytes.clone()).collect();
            return Put { partition_key: "a".to_owned(), data: pack("a", &packed), payloads };
        }
        let (partition_key, payload) = self.payload(now_ms);
        Put { partition_key, data: payload.bytes.clone(), payloads: vec![payload] }
    }

    /// A key and a payload of one user.
    fn payload(&mut self, now_ms: i64) -> (String, Payload) {
        let user = self.dice.between(1, self.users);
        let key = format!("user{user}");
        let retried = if self.dice.chance(0.1) { self.retry(user) } else { None };
        if let Some(bytes) = retried {
            return (key, Payload { bytes, is_retry: true });
        }
        let bytes = match self.dice.between(0, 19) {
            0 => b"{\"userId\":".to_vec(),
            1 => json!({ "userId": key, "timestamp": now_ms }).to_string().into_bytes(),
            2 => vec![0xFF, 0xFE],
            3 => json!({ "userId": key, "amount": 70_000.0, "timestamp": now_ms - LATE_MS }).to_string().into_bytes(),
            _ => self.transaction(user, &key, now_ms),
        };
        (key, Payload { bytes, is_retry: false })
    }

    fn transaction(&mut self, user: u32, key: &str, now_ms: i64) -> Vec<u8> {
        self.made += 1;
        // Clocks of producers differ by up to 20 s.
        let timestamp = now_ms - i64::from(self.dice.between(0, 20_000));
        let id = format!("txn_{:06}", self.made);
        let record =
            json!({ "userId": key, "amount": self.dice.amount(), "timestamp": timestamp, "transactionId": id });
        let record = record.to_string().into_bytes();
        if let Some(recent) = usize::try_from(user).ok().and_then(|user| self.retriable.get_mut(user)) {
            recent.push_back(record.clone());
            if recent.len() > RETRIABLE_MAX {
                recent.pop_front();
            }
        }
        record
    }

    /// The same transaction again, as a producer puts it that got no answer.
    fn retry(&self, user: u32) -> Option<Vec<u8>> {
        self.retriable.get(usize::try_from(user).ok()?)?.front().cloned()
    }
}
