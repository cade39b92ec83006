//! The events of a schedule in words, for finding the cause of a violation.

use std::cell::RefCell;
use std::rc::Rc;

use super::clock::SimulatedClock;

/// The lines so far, if they are kept. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trace(Option<Rc<RefCell<Vec<String>>>>);

impl Trace {
    /// A trace that keeps its lines, or drops them at once.
    pub(crate) fn new(is_kept: bool) -> Self {
        Self(is_kept.then(Rc::default))
    }

    /// Adds a line. `what` is called only if lines are kept.
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
