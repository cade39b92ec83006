//! JSON records: one per line, or concatenated without a separator, as Firehose writes them.
//!
//! A line is decoded as the detector decodes a payload. It is split only if it is not a record, contains `}{`, and one of the
//! parts is a transaction. So a line with one record gets the detector's verdict, whatever is wrong with it.

use std::collections::VecDeque;
use std::ops::Range;

use anomaly_core::{EVENT_TIME_MS_MAX, RejectReason, Text, Transaction};
use intake::record::decode;
use memchr::memmem;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::Deserializer;
use serde_json::value::RawValue;

use super::InputRecord;
use super::columns::{is_label_name, truth};
use super::lines::{Lines, Piece};
use super::source::Content;

/// One file of JSON records.
#[derive(Debug)]
pub(crate) struct JsonReader {
    lines: Lines,
    label: Option<String>,
    current: Range<usize>,
    /// The line that the current record is in, from 1.
    line: u64,
    /// Further records of the text that was split.
    pending: VecDeque<Range<usize>>,
    /// Whether the current record comes from `pending`.
    is_part: bool,
    /// Whether the rest of a record that is too large comes next.
    is_skipping: bool,
}

/// The parts of a text with concatenated records.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parts {
    /// Records, and the text between them that is not a record.
    ranges: VecDeque<Range<usize>>,
    /// Where an incomplete last record begins.
    rest: Option<usize>,
}

impl JsonReader {
    /// `label` names the label's field. Without it, a field of the first record with a usual name is the label.
    pub(crate) fn new(content: Content, label: Option<&str>) -> std::io::Result<Self> {
        let mut lines = Lines::new(content);
        let label = label.map(str::to_owned).or(label_field(lines.peek()?));
        Ok(Self { lines, label, current: 0..0, line: 1, pending: VecDeque::new(), is_part: false, is_skipping: false })
    }

    pub(crate) const fn has_label(&self) -> bool {
        self.label.is_some()
    }

    /// Moves to the next record. Returns false at the end.
    pub(crate) fn advance(&mut self) -> anyhow::Result<bool> {
        loop {
            self.is_part = !self.pending.is_empty();
            if let Some(part) = self.pending.pop_front() {
                self.current = part;
                return Ok(true);
            }
            let piece = self.lines.next()?;
            // A line counts as ended once it is returned; one that fills the buffer has not ended yet.
            self.line = self.lines.ended + u64::from(matches!(piece, Some(Piece::Long(_))));
            match piece {
                None => return Ok(false),
                Some(Piece::Long(range)) if self.is_skipping => self.skip(range, false),
                Some(Piece::Line(range)) if self.is_skipping => self.skip(range, true),
                Some(Piece::Long(range)) => self.split_long(range),
                Some(Piece::Line(range)) => self.current = range,
            }
            let is_blank = self.lines.get(self.current.clone()).trim_ascii().is_empty();
            if self.pending.is_empty() && !is_blank {
                return Ok(true);
            }
        }
    }

    /// Splits a buffer of records without line breaks: complete records become pending, the rest stays unconsumed. A record that
    /// fills the whole buffer is too large; the rest of it is skipped.
    fn split_long(&mut self, range: Range<usize>) {
        self.current = range.end..range.end;
        let parts = split(self.lines.get(range.clone()), range.start);
        self.is_skipping = parts.ranges.is_empty();
        self.lines.consume_to(parts.rest.filter(|_| !self.is_skipping).unwrap_or(range.end));
        self.pending = if self.is_skipping { VecDeque::from([range]) } else { parts.ranges };
    }

    /// Skips to the end of the line, or to what looks like the beginning of another record.
    fn skip(&mut self, range: Range<usize>, is_line: bool) {
        let next = memmem::find(self.lines.get(range.clone()), b"}{").map(|found| range.start + found + 1);
        self.is_skipping = !is_line && next.is_none();
        let next = next.unwrap_or(range.end);
        self.current = if is_line { next..range.end } else { next..next };
        if !is_line {
            self.lines.consume_to(next);
        }
    }

    /// The current record.
    pub(crate) fn record<'a>(&'a mut self, file: &'a str) -> InputRecord<'a> {
        let whole = self.lines.get(self.current.clone());
        let outcome = decode_line(whole);
        let may_be_several = matches!(outcome, Err(RejectReason::NotJson | RejectReason::RecordTooLarge));
        if !may_be_several || self.is_part || memmem::find(whole, b"}{").is_none() {
            return self.placed(file, whole, outcome);
        }
        let mut parts = split(whole, self.current.start);
        parts.ranges.extend(parts.rest.map(|rest| rest..self.current.end));
        if !parts.ranges.iter().any(|range| decode_line(self.lines.get(range.clone())).is_ok()) {
            return self.placed(file, whole, outcome);
        }
        self.current = parts.ranges.pop_front().unwrap_or(self.current.clone());
        self.pending = parts.ranges;
        let first = self.lines.get(self.current.clone());
        self.placed(file, first, decode_line(first))
    }

    fn placed<'a>(
        &self,
        file: &'a str,
        raw: &'a [u8],
        outcome: Result<Transaction<'a>, RejectReason>,
    ) -> InputRecord<'a> {
        let label = match (&self.label, &outcome) {
            (Some(field), Ok(_)) => Some(label_of(raw, field)),
            (Some(_), Err(_)) => Some(false),
            (None, _) => None,
        };
        InputRecord { file, line: self.line, is_row: false, raw, label, outcome }
    }
}

/// Decodes like the detector, except that the arrival time is unknown, so no event time counts as ahead of it.
fn decode_line(line: &[u8]) -> Result<Transaction<'_>, RejectReason> {
    decode(line, EVENT_TIME_MS_MAX, 0)
}

/// Splits concatenated JSON values. Text that is not a value extends to the next `{"`. `offset` is added to every index.
fn split(text: &[u8], offset: usize) -> Parts {
    let mut parts = Parts::default();
    let mut start = 0;
    while let Some(rest) = text.get(start..).filter(|rest| !rest.trim_ascii().is_empty()) {
        let mut values = Deserializer::from_slice(rest).into_iter::<&RawValue>();
        let mut end = start;
        let error = loop {
            let before = end;
            match values.next() {
                Some(Ok(_)) => {
                    end = start + values.byte_offset();
                    parts.ranges.push_back(offset + before..offset + end);
                }
                Some(Err(error)) => break error,
                None => return parts,
            }
        };
        if error.is_eof() {
            parts.rest = Some(offset + end);
            return parts;
        }
        let after = text.get(end + 1..).unwrap_or_default();
        start = memmem::find(after, b"{\"").map_or(text.len(), |found| end + 1 + found);
        parts.ranges.push_back(offset + end..offset + start);
    }
    parts
}

/// The first record's field with a name that is usually a label's.
fn label_field(start: &[u8]) -> Option<String> {
    let mut records = Deserializer::from_slice(start).into_iter::<serde_json::Map<String, serde_json::Value>>();
    let first = records.next()?.ok()?;
    first.keys().find(|name| is_label_name(name)).cloned()
}

/// Whether a valid record is labelled as anomalous. One without the field is not.
fn label_of(raw: &[u8], field: &str) -> bool {
    if let Some(scalar) = flat_scalar(raw, field) {
        return truth(scalar);
    }
    let mut reader = Deserializer::from_slice(raw);
    let value = FieldOf(field).deserialize(&mut reader);
    value.ok().flatten().is_some_and(|json| truth(json.get().trim_matches('"')))
}

/// The number or word of a field, found without parsing again (which takes as long as decoding the record). In a valid record
/// without nesting and escapes, the quoted name followed by a colon occurs only where the field is.
fn flat_scalar<'r>(raw: &'r [u8], field: &str) -> Option<&'r str> {
    if memchr::memchr(b'\\', raw).is_some() || memchr::memchr_iter(b'{', raw).count() != 1 {
        return None;
    }
    let mut names = memmem::find_iter(raw, field);
    let found = names.next().filter(|_| names.next().is_none())?;
    let is_quoted = raw.get(found.checked_sub(1)?) == Some(&b'"');
    let value = raw.get(found + field.len()..)?.strip_prefix(b"\":").filter(|_| is_quoted)?;
    let end = memchr::memchr2(b',', b'}', value)?;
    let scalar = value.get(..end)?;
    let is_plain = scalar.first().is_some_and(u8::is_ascii_alphanumeric);
    is_plain.then(|| std::str::from_utf8(scalar).ok()).flatten()
}

/// Finds the JSON text of one field of an object.
struct FieldOf<'f>(&'f str);

impl<'de> DeserializeSeed<'de> for FieldOf<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FieldOf<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(Text(name)) = map.next_key::<Text<'de>>()? {
            if name == self.0 {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::input::lines::BUFFER_BYTES;

    const GOOD: &str = r#"{"userId":"u","amount":1.5,"timestamp":7}"#;

    fn outcomes(content: impl Into<Vec<u8>>) -> Vec<(u64, Option<RejectReason>)> {
        let mut reader = JsonReader::new(Box::new(Cursor::new(content.into())), None).unwrap();
        let mut outcomes = Vec::new();
        while reader.advance().unwrap() {
            let record = reader.record("");
            outcomes.push((record.line, record.outcome.err()));
        }
        outcomes
    }

    #[test]
    fn records_are_one_per_line_or_concatenated() {
        let three = [(1, None), (2, None), (3, None)];
        assert_eq!(outcomes(format!("{GOOD}\n{GOOD}\r\n{GOOD}")), three);
        assert_eq!(outcomes(format!("\n{GOOD}\n\n")), [(2, None)]);
        assert_eq!(outcomes(GOOD.repeat(3)), [(1, None); 3]);
        assert_eq!(outcomes(format!("{GOOD}{GOOD}\n{GOOD}\n")), [(1, None), (1, None), (2, None)]);
    }

    #[test]
    fn a_bad_record_does_not_affect_its_neighbours() {
        let bad = Some(RejectReason::NotJson);
        let truncated = r#"{"userId":"u","amount":1,"#;
        assert_eq!(outcomes(format!("{GOOD}\n{truncated}\n{GOOD}")), [(1, None), (2, bad), (3, None)]);
        let garbage = format!("{GOOD}{GOOD}garbage{GOOD}{truncated}{GOOD}{truncated}");
        assert_eq!(outcomes(garbage), [None, None, bad, None, bad, None, bad].map(|outcome| (1, outcome)));
    }

    #[test]
    fn a_line_with_one_record_gets_the_detectors_verdict() {
        for line in [format!("{GOOD} trailing"), r#"{"userId":"}{","amount":NaN,"n":{"a":1}}"#.to_owned()] {
            assert_eq!(outcomes(line), [(1, Some(RejectReason::NotJson))]);
        }
        assert_eq!(outcomes(r#"{"userId":"}{","amount":1,"timestamp":1}"#), [(1, None)]);
    }

    #[test]
    fn a_file_without_line_breaks_may_be_larger_than_the_buffer() {
        let records = 3 * BUFFER_BYTES / GOOD.len();
        let outcomes = outcomes(format!("{GOOD}\n{}", GOOD.repeat(records)));
        assert_eq!((outcomes.len(), outcomes.first()), (records + 1, Some(&(1, None))));
        assert!(outcomes.iter().skip(1).all(|outcome| *outcome == (2, None)));
    }

    #[test]
    fn a_record_that_fills_the_buffer_is_too_large() {
        let large = format!(r#"{{"userId":"{}"}}"#, "x".repeat(BUFFER_BYTES));
        let outcomes = outcomes(format!("{GOOD}\n{large}\n{GOOD}\n"));
        assert_eq!(outcomes.first(), Some(&(1, None)));
        assert_eq!(outcomes.get(1), Some(&(2, Some(RejectReason::RecordTooLarge))));
        assert_eq!(outcomes.last(), Some(&(3, None)));
        assert_eq!(outcomes.len(), 3);
    }

    #[test]
    fn the_label_is_found_by_its_name() {
        let labelled = |label: &str| format!(r#"{{"userId":"u","amount":1,"timestamp":1,"is_fraud":{label}}}"#);
        for (label, expected) in [("1", true), ("true", true), ("\"yes\"", true), ("0", false), ("null", false)] {
            let mut reader = JsonReader::new(Box::new(Cursor::new(labelled(label))), None).unwrap();
            assert!(reader.advance().unwrap());
            assert_eq!(reader.record("").label, Some(expected), "{label}");
        }
    }

    #[test]
    fn only_the_field_itself_is_the_label() {
        for (record, expected) in [
            (r#"{"userId":"label","amount":1,"timestamp":1,"label":1}"#, true),
            (r#"{"userId":"u","amount":1,"timestamp":1,"note":{"label":1},"label":0}"#, false),
            (r#"{"userId":"u","amount":1,"timestamp":1,"note":{"label":1}}"#, false),
            (r#"{"userId":"\"label\":1,","amount":1,"timestamp":1}"#, false),
            (r#"{"userId":"label","amount":1,"timestamp":1}"#, false),
            (r#"{"userId":"u","amount":1,"timestamp":1,"xlabel":1}"#, false),
            (r#"{"userId":"u","amount":1,"timestamp":1,"label" : 1}"#, true),
            (r#"{"userId":"u","amount":1,"timestamp":1,"label":1.0 }"#, true),
            (r#"{"userId":"u","label":[1],"amount":1,"timestamp":1}"#, false),
        ] {
            assert_eq!(label_of(record.as_bytes(), "label"), expected, "{record}");
        }
    }
}
