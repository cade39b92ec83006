//! A reader that returns an error once more bytes are pulled from it than one record may have.
//!
//! The parser above it decides where a record ends, so it renews the allowance at the start of each.

use std::cell::Cell;
use std::io::Read;
use std::rc::Rc;

use super::source::Content;

/// How many bytes the current record may still take.
#[derive(Debug)]
pub(crate) struct Allowance {
    bytes: usize,
    left: Cell<usize>,
    is_exceeded: Cell<bool>,
}

impl Allowance {
    pub(crate) const fn new(bytes: usize) -> Self {
        Self { bytes, left: Cell::new(bytes), is_exceeded: Cell::new(false) }
    }

    /// Another record begins.
    pub(crate) fn renew(&self) {
        self.left.set(self.bytes);
    }

    /// Whether a record took more.
    pub(crate) const fn is_exceeded(&self) -> bool {
        self.is_exceeded.get()
    }
}

/// The content of a file, as far as the allowance goes.
pub(crate) struct Bounded {
    content: Content,
    allowance: Rc<Allowance>,
}

impl Bounded {
    pub(crate) const fn new(content: Content, allowance: Rc<Allowance>) -> Self {
        Self { content, allowance }
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Allowance { left, is_exceeded, .. } = &*self.allowance;
        if left.get() == 0 {
            is_exceeded.set(true);
            return Err(std::io::Error::other("a record is too large"));
        }
        let length = self.content.read(buffer)?;
        left.set(left.get().saturating_sub(length));
        Ok(length)
    }
}
