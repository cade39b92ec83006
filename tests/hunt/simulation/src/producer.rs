//! The producers: they put transactions of a few users, retries, late and far too early records, malformed ones, and KPL
//! aggregates.

use std::collections::VecDeque;

use intake::aggregate::pack;
use serde_json::json;

use super::dice::Dice;

/// Maximum number of users in a schedule.
const USERS_MAX: u32 = 6;
/// Recent transactions of a user that a producer may retry: fewer than the state remembers.
const RETRIABLE_MAX: usize = 4;
/// Delay of a late record: twice the window.
const LATE_MS: i64 = 600_000;
/// How far a rejected record is in the future: twice the permitted skew.
const EARLY_MS: i64 = 600_000;
/// How far producers' clocks differ, in ms.
const PRODUCER_SKEW_MS: (u32, u32) = (0, 20_000);

/// One Kinesis record, as it is put.
#[derive(Debug, Clone)]
pub(crate) struct Put {
    pub(crate) partition_key: String,
    pub(crate) data: Vec<u8>,
    /// Its user records: one, or those of an aggregate.
    pub(crate) payloads: Vec<Payload>,
}

/// One user record.
#[derive(Debug, Clone)]
pub(crate) struct Payload {
    pub(crate) bytes: Vec<u8>,
    /// Number of the transaction, the same for its retries; `None` for a record that is never retried.
    pub(crate) transaction: Option<u32>,
}

/// The producers of a handful of users.
#[derive(Debug)]
pub(crate) struct Producer {
    dice: Dice,
    users: u32,
    packs: bool,
    /// Transactions made so far.
    made: u32,
    /// Recent transactions, by user.
    retriable: Vec<VecDeque<Payload>>,
}

impl Producer {
    pub(crate) fn new(dice: Dice) -> Self {
        let users = dice.between(1, USERS_MAX);
        let packs = dice.chance(0.3);
        Self { dice, users, packs, made: 0, retriable: (0..=USERS_MAX).map(|_| VecDeque::new()).collect() }
    }

    /// Whether some records are aggregates of several users' records. An aggregate has one partition key for all of them, so
    /// their order holds only in one shard and one lane.
    pub(crate) const fn packs(&self) -> bool {
        self.packs
    }

    /// The records of one step.
    pub(crate) fn next_records(&mut self, now_ms: i64) -> Vec<Put> {
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

    /// The partition key and a payload of one user.
    fn payload(&mut self, now_ms: i64) -> (String, Payload) {
        let user = self.dice.index(usize::try_from(self.users).unwrap_or_default()) + 1;
        let key = format!("user{user}");
        if self.dice.chance(0.1)
            && let Some(payload) = self.retriable.get(user).and_then(VecDeque::front)
        {
            return (key, payload.clone());
        }
        let amount = self.dice.amount();
        let bytes = match self.dice.between(0, 23) {
            0 => b"{\"userId\":".to_vec(),
            1 => json!({ "userId": key, "timestamp": now_ms }).to_string().into_bytes(),
            2 => vec![0xFF, 0xFE],
            3 => json!({ "userId": key, "amount": amount, "timestamp": now_ms + EARLY_MS }).to_string().into_bytes(),
            4 => json!({ "userId": key, "amount": amount, "timestamp": now_ms - LATE_MS }).to_string().into_bytes(),
            _ => return (key.clone(), self.transaction(user, &key, amount, now_ms)),
        };
        (key, Payload { bytes, transaction: None })
    }

    fn transaction(&mut self, user: usize, key: &str, amount: f64, now_ms: i64) -> Payload {
        let timestamp = now_ms - i64::from(self.dice.between(PRODUCER_SKEW_MS.0, PRODUCER_SKEW_MS.1));
        self.made += 1;
        let id = format!("txn_{:06}", self.made);
        let record = json!({ "userId": key, "amount": amount, "timestamp": timestamp, "transactionId": id });
        let payload = Payload { bytes: record.to_string().into_bytes(), transaction: Some(self.made) };
        if let Some(recent) = self.retriable.get_mut(user) {
            recent.push_back(payload.clone());
            if recent.len() > RETRIABLE_MAX {
                recent.pop_front();
            }
        }
        payload
    }
}
