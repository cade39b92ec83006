//! What happened in a schedule, in words, for people who have to find out why.

use std::cell::RefCell;
use std::rc::Rc;

use super::clock::SimulatedClock;

/// Lines so far, if anybody wants them. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trace(Option<Rc<RefCell<Vec<String>>>>);

impl Trace {
    /// A trace that keeps what it is told, or forgets it at once.
    pub(crate) fn new(is_kept: bool) -> Self {
        Self(is_kept.then(Rc::default))
    }

    /// Notes what happened; the words are made only if they are kept.
    pub(crate) fn note(&self, clock: SimulatedClock, what: impl FnOnce() -> String) {
        let Some(lines) = &self.0 else { return };
        let ms = clock.elapsed_ms();
        lines.borrow_mut().push(format!("{:>6}.{:03} s  {}", ms / 1_000, ms % 1_000, what()));
    }

    /// All lines, oldest first.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.as_ref().map(|lines| lines.borrow().clone()).unwrap_or_default()
    }
}
