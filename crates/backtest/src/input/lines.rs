//! Lines of a reader, found in one buffer that is filled again and again: no line is copied on its own.

use std::io::{BufRead, Read};
use std::ops::Range;

use super::source::Content;

/// Size of the buffer: four times the largest record.
pub(crate) const BUFFER_BYTES: usize = 1024 * 1024;

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A line without its end; it may be empty.
    Line(Range<usize>),
    /// A full buffer without an end of a line.
    Long(Range<usize>),
}

/// The buffer and how far it is used.
pub(crate) struct Lines {
    content: Content,
    buffer: Vec<u8>,
    /// What is not consumed yet.
    open: Range<usize>,
    /// Up to here there is no end of a line in what is open.
    searched: usize,
    is_end: bool,
    /// Lines ended so far.
    pub(crate) ended: u64,
}

impl Lines {
    pub(crate) fn new(content: Content) -> Self {
        Self { content, buffer: vec![0; BUFFER_BYTES], open: 0..0, searched: 0, is_end: false, ended: 0 }
    }

    /// The next line, or all of a buffer that no line ends in: of the latter nothing is consumed.
    pub(crate) fn next(&mut self) -> std::io::Result<Option<Piece>> {
        loop {
            let unsearched = self.buffer.get(self.searched..self.open.end).unwrap_or_default();
            if let Some(length) = memchr::memchr(b'\n', unsearched) {
                let end = self.searched + length;
                let line = self.open.start..end;
                self.consume_to(end + 1);
                self.ended += 1;
                return Ok(Some(Piece::Line(line)));
            }
            self.searched = self.open.end;
            if self.is_end {
                return Ok(self.last());
            }
            if self.open.len() == self.buffer.len() {
                return Ok(Some(Piece::Long(self.open.clone())));
            }
            self.fill()?;
        }
    }

    /// What is left after the last end of a line.
    fn last(&mut self) -> Option<Piece> {
        if self.open.is_empty() {
            return None;
        }
        let line = self.open.clone();
        self.consume_to(line.end);
        self.ended += 1;
        Some(Piece::Line(line))
    }

    /// Takes what is before `end` as done.
    pub(crate) fn consume_to(&mut self, end: usize) {
        self.open.start = end;
        self.searched = self.searched.max(end);
    }

    pub(crate) fn get(&self, range: Range<usize>) -> &[u8] {
        self.buffer.get(range).unwrap_or_default()
    }

    /// Moves what is open to the front and fills the rest.
    fn fill(&mut self) -> std::io::Result<()> {
        self.buffer.copy_within(self.open.clone(), 0);
        self.open = 0..self.open.len();
        self.searched = self.open.end;
        let free = self.buffer.get_mut(self.open.end..).unwrap_or_default();
        let length = self.content.read(free)?;
        self.open.end += length;
        self.is_end = length == 0;
        Ok(())
    }

    /// The first bytes that are not consumed, as far as they are there.
    pub(crate) fn peek(&mut self) -> std::io::Result<&[u8]> {
        if self.open.is_empty() {
            return self.content.fill_buf();
        }
        Ok(self.get(self.open.clone()))
    }
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("open", &self.open).field("ended", &self.ended).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(content: &'static [u8]) -> Vec<Vec<u8>> {
        let mut lines = Lines::new(Box::new(content));
        let mut found = Vec::new();
        while let Some(piece) = lines.next().unwrap() {
            let Piece::Line(range) = piece else { panic!("short lines are never long") };
            found.push(lines.get(range).to_vec());
        }
        found
    }

    #[test]
    fn every_line_comes_once_with_or_without_an_end() {
        assert_eq!(lines(b"a\n\nbc\nd"), [b"a".as_slice(), b"", b"bc", b"d"]);
        assert_eq!(lines(b"a\n"), [b"a"]);
        assert!(lines(b"").is_empty());
    }

    #[test]
    fn a_line_that_fills_the_buffer_is_long_until_it_is_consumed() {
        let content: Vec<u8> = [vec![b'x'; BUFFER_BYTES + 5], b"\nnext".to_vec()].concat();
        let mut lines = Lines::new(Box::new(std::io::Cursor::new(content)));
        assert_eq!(lines.next().unwrap(), Some(Piece::Long(0..BUFFER_BYTES)));
        lines.consume_to(BUFFER_BYTES - 1);
        let Some(Piece::Line(rest)) = lines.next().unwrap() else { panic!("the line ends") };
        assert_eq!(lines.get(rest), b"xxxxxx");
        let Some(Piece::Line(next)) = lines.next().unwrap() else { panic!("there is another") };
        assert_eq!((lines.get(next), lines.ended), (b"next".as_slice(), 2));
    }
}
