//! Whether every alert that has to come does come, once, and no other does.

use std::collections::{HashMap, HashSet, VecDeque};

use anomaly_core::AnomalyMessage;
use serde::Serialize;

/// Alerts that are remembered after their end, to notice a second one.
const ENDED_MAX: usize = 50_000;

/// The counts that everything is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counts {
    /// Anomalies that a plain fold of the same transactions finds.
    pub(super) expected: u64,
    /// Published, or recorded alone because the policy says so.
    pub(super) ended: u64,
    /// Expected, and nothing is on its way any more.
    pub(super) lost: u64,
    /// Published a second time for no reason.
    pub(super) doubled: u64,
    /// Published a second time because the alerter died between SNS and the ledger: the documented exception.
    pub(super) doubled_by_death: u64,
    /// Published and not expected.
    pub(super) invented: u64,
}

/// Compares alerts with what is expected.
#[derive(Debug, Default)]
pub(super) struct Audit {
    pub(super) counts: Counts,
    /// Expected and not ended yet.
    on_the_way: HashMap<String, Expected>,
    ended: HashSet<String>,
    /// In the order of their end.
    order: VecDeque<String>,
    /// Published by an invocation that died: it may not have recorded that.
    unrecorded: HashSet<String>,
}

/// An anomaly on its way.
#[derive(Debug, Default)]
struct Expected {
    /// Its message, once the detector has sent it.
    message: Option<AnomalyMessage>,
}

impl Audit {
    /// The rule finds this anomaly.
    pub(super) fn expect(&mut self, id: String) {
        self.counts.expected += 1;
        self.on_the_way.insert(id, Expected::default());
    }

    /// The detector has sent this message, perhaps not for the first time.
    pub(super) fn sent(&mut self, message: AnomalyMessage) {
        if let Some(expected) = self.on_the_way.get_mut(&message.id.to_string()) {
            expected.message = Some(message);
        }
    }

    /// An alert was published; `is_dead` if the invocation died afterwards.
    pub(super) fn published(&mut self, id: &str, is_dead: bool) {
        if self.end(id).is_none() {
            let is_excused = self.unrecorded.contains(id);
            let count = match (self.ended.contains(id), is_excused) {
                (true, true) => &mut self.counts.doubled_by_death,
                (true, false) => &mut self.counts.doubled,
                (false, _) => &mut self.counts.invented,
            };
            *count += 1;
        }
        if is_dead {
            self.unrecorded.insert(id.to_owned());
        }
    }

    /// Nobody is to be told of this one. Returns its message, if it was on its way.
    pub(super) fn hushed(&mut self, id: &str) -> Option<AnomalyMessage> {
        self.end(id)?.message
    }

    /// Ids of what is on its way.
    pub(super) fn on_the_way(&self) -> impl ExactSizeIterator<Item = &str> {
        self.on_the_way.keys().map(String::as_str)
    }

    /// Nothing moves any more: what has not ended by now never will.
    pub(super) fn nothing_moves(&mut self) {
        self.counts.lost += u64::try_from(self.on_the_way.len()).unwrap_or(u64::MAX);
        self.on_the_way.clear();
    }

    /// `None` if the alert was not on its way.
    fn end(&mut self, id: &str) -> Option<Expected> {
        let expected = self.on_the_way.remove(id)?;
        self.counts.ended += 1;
        self.ended.insert(id.to_owned());
        self.order.push_back(id.to_owned());
        if self.order.len() > ENDED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ended.remove(&oldest);
            self.unrecorded.remove(&oldest);
        }
        Some(expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audit(ids: &[&str]) -> Audit {
        let mut audit = Audit::default();
        for id in ids {
            audit.expect((*id).to_owned());
        }
        audit
    }

    #[test]
    fn what_comes_once_is_neither_lost_nor_doubled_nor_invented() {
        let mut audit = audit(&["a", "b"]);
        audit.published("a", false);
        assert!(audit.hushed("b").is_none(), "no message was seen");
        audit.nothing_moves();
        assert_eq!(audit.counts, Counts { expected: 2, ended: 2, ..Counts::default() });
    }

    #[test]
    fn what_does_not_come_or_comes_twice_or_from_nowhere_is_counted() {
        let mut audit = audit(&["lost", "twice", "after death"]);
        audit.published("twice", false);
        audit.published("twice", false);
        audit.published("after death", true);
        audit.published("after death", false);
        audit.published("invented", false);
        audit.nothing_moves();
        let expected = Counts { expected: 3, ended: 2, lost: 1, doubled: 1, doubled_by_death: 1, invented: 1 };
        assert_eq!(audit.counts, expected);
    }
}
