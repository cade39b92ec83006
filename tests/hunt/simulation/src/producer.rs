//! The producers: they put transactions of a few users, retries, late and far too early records, malformed ones, KPL aggregates, and
//! now and then a flood.

use std::collections::VecDeque;

use serde_json::json;

use super::dice::Dice;

/// Maximum number of users in a schedule.
const USERS_MAX: u32 = 6;
/// Recent transactions of a user that a producer may put again: more than the state remembers.
const RETRIABLE_MAX: usize = 24;
/// Delay of a late record: twice the window.
const LATE_MS: i64 = 600_000;
/// How far a rejected record is in the future: twice the permitted skew.
const EARLY_MS: i64 = 600_000;
/// How far producers' clocks differ, in ms.
const PRODUCER_SKEW_MS: (u32, u32) = (0, 20_000);
/// Share of the schedules that have floods, and of their puts that are one.
const FLOOD_SHARES: (f64, f64) = (0.015, 0.15);
/// Bad records in a flood: up to as many as go to quarantine one by one.
const BAD: (u32, u32) = (400, 1_000);
/// Bad records of which the aggregate goes to quarantine whole.
const TOO_MANY_BAD: (u32, u32) = (1_001, 1_200);
/// Empty records: more than a segment of a batch has.
const EMPTY: usize = 10_050;
/// Transactions in a flood of good ones.
const GOOD_MAX: u32 = 150;

/// What a producer puts at once.
#[derive(Debug, Clone)]
pub(crate) enum Put {
    /// One user record.
    Lone(Payload),
    /// User records for the KPL to pack.
    Packed(Vec<Payload>),
}

/// One user record.
#[derive(Debug, Clone)]
pub(crate) struct Payload {
    /// The partition key: the user's id.
    pub(crate) key: String,
    pub(crate) bytes: Vec<u8>,
    /// Number of the transaction, the same for its retries; `None` for a record that is never retried.
    pub(crate) transaction: Option<u32>,
}

impl Put {
    /// Whether it is more than a call of the function may have time for.
    pub(crate) const fn is_flood(&self) -> bool {
        matches!(self, Self::Packed(payloads) if payloads.len() > 20)
    }
}

/// The producers of a handful of users.
#[derive(Debug)]
pub(crate) struct Producer {
    dice: Dice,
    users: u32,
    packs: bool,
    floods: bool,
    /// Transactions made so far.
    made: u32,
    /// Recent transactions, by user.
    retriable: Vec<VecDeque<Payload>>,
}

impl Producer {
    pub(crate) fn new(dice: Dice) -> Self {
        let users = dice.between(1, USERS_MAX);
        let (packs, floods) = (dice.chance(0.3), dice.chance(FLOOD_SHARES.0));
        Self { dice, users, packs, floods, made: 0, retriable: (0..=USERS_MAX).map(|_| VecDeque::new()).collect() }
    }

    /// The records of one step.
    pub(crate) fn next_records(&mut self, now_ms: i64) -> Vec<Put> {
        (0..self.dice.between(0, 12)).map(|_| self.next_record(now_ms)).collect()
    }

    fn next_record(&mut self, now_ms: i64) -> Put {
        if self.floods && self.dice.chance(FLOOD_SHARES.1) {
            return Put::Packed(self.flood(now_ms));
        }
        if self.packs && self.dice.chance(0.3) {
            return Put::Packed((0..self.dice.between(1, 8)).map(|_| self.payload(now_ms)).collect());
        }
        Put::Lone(self.payload(now_ms))
    }

    /// More records in one aggregate than anybody meant to put.
    fn flood(&mut self, now_ms: i64) -> Vec<Payload> {
        let bad = |number: u32| Payload {
            key: "user1".to_owned(),
            bytes: format!("{number}!").into_bytes(),
            transaction: None,
        };
        let empty = Payload { key: "user1".to_owned(), bytes: Vec::new(), transaction: None };
        match self.dice.between(0, 9) {
            0..=3 => (0..self.dice.between(BAD.0, BAD.1)).map(bad).collect(),
            4 => (0..self.dice.between(TOO_MANY_BAD.0, TOO_MANY_BAD.1)).map(bad).collect(),
            5 | 6 => vec![empty; EMPTY],
            _ => (0..self.dice.between(21, GOOD_MAX)).map(|_| self.payload(now_ms)).collect(),
        }
    }

    /// A record of one user.
    fn payload(&mut self, now_ms: i64) -> Payload {
        let user = self.dice.index(usize::try_from(self.users).unwrap_or_default()) + 1;
        let key = format!("user{user}");
        if self.dice.chance(0.1)
            && let Some(recent) = self.retriable.get(user)
            && let Some(payload) = recent.get(self.dice.index(recent.len()))
        {
            return payload.clone();
        }
        let amount = self.dice.amount();
        let bytes = match self.dice.between(0, 23) {
            0 => b"{\"userId\":".to_vec(),
            1 => json!({ "userId": key, "timestamp": now_ms }).to_string().into_bytes(),
            2 => vec![0xFF, 0xFE],
            3 => json!({ "userId": key, "amount": amount, "timestamp": now_ms + EARLY_MS }).to_string().into_bytes(),
            4 => json!({ "userId": key, "amount": amount, "timestamp": now_ms - LATE_MS }).to_string().into_bytes(),
            _ => return self.transaction(user, key, amount, now_ms),
        };
        Payload { key, bytes, transaction: None }
    }

    fn transaction(&mut self, user: usize, key: String, amount: f64, now_ms: i64) -> Payload {
        let timestamp = now_ms - i64::from(self.dice.between(PRODUCER_SKEW_MS.0, PRODUCER_SKEW_MS.1));
        self.made += 1;
        let id = format!("txn_{:06}", self.made);
        let record = json!({ "userId": key, "amount": amount, "timestamp": timestamp, "transactionId": id });
        let payload = Payload { key, bytes: record.to_string().into_bytes(), transaction: Some(self.made) };
        if let Some(recent) = self.retriable.get_mut(user) {
            recent.push_back(payload.clone());
            if recent.len() > RETRIABLE_MAX {
                recent.pop_front();
            }
        }
        payload
    }
}
