//! Receivers in memory, with answers on demand.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::{Answer, NoAnswer, Receiver};
use crate::request::Request;

/// What becomes of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// It arrives, and the answer is this one.
    Answers(Answer),
    /// It does not arrive.
    Unreachable,
    /// It arrives, and the answer is lost.
    AnswerLost,
}

impl Reaction {
    /// It arrives, and the answer has this status.
    #[must_use]
    pub const fn status(status: u16) -> Self {
        Self::Answers(Answer { status, retry_after_seconds: None })
    }
}

/// Takes every request that arrives and keeps it. Clones share what they keep.
#[derive(Debug, Clone, Default)]
pub struct MemoryReceiver {
    planned: Rc<RefCell<VecDeque<Reaction>>>,
    taken: Rc<RefCell<Vec<Request>>>,
}

impl MemoryReceiver {
    /// Plans what becomes of the next requests. Once that is used up, requests succeed.
    pub fn plan(&self, reactions: impl IntoIterator<Item = Reaction>) {
        self.planned.borrow_mut().extend(reactions);
    }

    /// The requests since the last call that were accepted or whose answer was lost, in order.
    #[must_use]
    pub fn take(&self) -> Vec<Request> {
        self.taken.take()
    }
}

impl Receiver for MemoryReceiver {
    async fn post(&self, request: &Request) -> Result<Answer, NoAnswer> {
        let reaction = self.planned.borrow_mut().pop_front().unwrap_or(Reaction::status(200));
        let is_taken = match reaction {
            Reaction::Answers(answer) => (200..300).contains(&answer.status),
            Reaction::Unreachable => false,
            Reaction::AnswerLost => true,
        };
        if is_taken {
            self.taken.borrow_mut().push(request.clone());
        }
        match reaction {
            Reaction::Answers(answer) => Ok(answer),
            Reaction::Unreachable | Reaction::AnswerLost => Err(NoAnswer),
        }
    }
}
