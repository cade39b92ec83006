//! Lines of a reader, found in one buffer that is reused: no line is copied on its own.

use std::io::{BufRead, Read};
use std::ops::Range;

use super::source::Content;

/// Size of the buffer: four times the largest record.
pub(crate) const BUFFER_BYTES: usize = 1024 * 1024;

/// The next piece of the content, as a range of the buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A line without its end; it may be empty.
    Line(Range<usize>),
    /// A full buffer without a line break.
    Long(Range<usize>),
}

/// The buffer, and how far it is consumed.
pub(crate) struct Lines {
    content: Content,
    buffer: Vec<u8>,
    /// The bytes that are not consumed yet.
    unconsumed: Range<usize>,
    /// The unconsumed bytes before this index contain no line break.
    searched: usize,
    is_end: bool,
    /// Lines ended so far.
    pub(crate) ended: u64,
}

impl Lines {
    pub(crate) fn new(content: Content) -> Self {
        Self { content, buffer: vec![0; BUFFER_BYTES], unconsumed: 0..0, searched: 0, is_end: false, ended: 0 }
    }

    /// The next line; or, if the buffer is full and no line ends in it, the whole buffer, of which nothing is consumed.
    pub(crate) fn next(&mut self) -> std::io::Result<Option<Piece>> {
        loop {
            let unsearched = self.buffer.get(self.searched..self.unconsumed.end).unwrap_or_default();
            if let Some(length) = memchr::memchr(b'\n', unsearched) {
                let end = self.searched + length;
                let line = self.unconsumed.start..end;
                self.consume_to(end + 1);
                self.ended += 1;
                return Ok(Some(Piece::Line(line)));
            }
            self.searched = self.unconsumed.end;
            if self.is_end {
                return Ok(self.last());
            }
            if self.unconsumed.len() == self.buffer.len() {
                return Ok(Some(Piece::Long(self.unconsumed.clone())));
            }
            self.fill()?;
        }
    }

    /// The rest after the last line break.
    fn last(&mut self) -> Option<Piece> {
        if self.unconsumed.is_empty() {
            return None;
        }
        let line = self.unconsumed.clone();
        self.consume_to(line.end);
        self.ended += 1;
        Some(Piece::Line(line))
    }

    /// Consumes everything before `end`.
    pub(crate) fn consume_to(&mut self, end: usize) {
        self.unconsumed.start = end;
        self.searched = self.searched.max(end);
    }

    pub(crate) fn get(&self, range: Range<usize>) -> &[u8] {
        self.buffer.get(range).unwrap_or_default()
    }

    /// Moves the unconsumed bytes to the front and fills the rest of the buffer.
    fn fill(&mut self) -> std::io::Result<()> {
        self.buffer.copy_within(self.unconsumed.clone(), 0);
        self.unconsumed = 0..self.unconsumed.len();
        self.searched = self.unconsumed.end;
        let free = self.buffer.get_mut(self.unconsumed.end..).unwrap_or_default();
        let length = self.content.read(free)?;
        self.unconsumed.end += length;
        self.is_end = length == 0;
        Ok(())
    }

    /// The next unconsumed bytes, as many as are in the buffer or one read returns.
    pub(crate) fn peek(&mut self) -> std::io::Result<&[u8]> {
        if self.unconsumed.is_empty() {
            return self.content.fill_buf();
        }
        Ok(self.get(self.unconsumed.clone()))
    }
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines")
            .field("unconsumed", &self.unconsumed)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
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
    fn every_line_is_returned_once_with_or_without_a_line_break() {
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
