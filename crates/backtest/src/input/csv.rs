//! A CSV with a header. Its rows become the fields of the stream's record and are validated like them.

use std::borrow::Cow;
use std::io::BufRead;

use ::csv::{ByteRecord, ReaderBuilder};
use anomaly_core::{EVENT_TIME_MS_MAX, RawTransaction, RejectReason, Text, Transaction};

use super::columns::{Indices, truth};
use super::source::Content;
use super::{InputRecord, ReaderSettings, TimeFormat};
use crate::summary::Columns;

/// Possible separators of columns. The file's is the one that the header has most of.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// One CSV file.
pub(crate) struct CsvReader {
    reader: ::csv::Reader<Content>,
    row: ByteRecord,
    columns: Columns,
    indices: Indices,
    time_format: TimeFormat,
    joined: Vec<u8>,
}

impl CsvReader {
    pub(crate) fn new(mut content: Content, settings: &ReaderSettings) -> anyhow::Result<Self> {
        let delimiter = delimiter(content.fill_buf()?);
        let mut reader = ReaderBuilder::new().flexible(true).delimiter(delimiter).from_reader(content);
        let header = reader.byte_headers()?;
        let header: Vec<String> = header.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
        anyhow::ensure!(!header.is_empty(), "the file is empty; a CSV starts with a header");
        let (columns, indices) = settings.columns.find(&header)?;
        let time_format = settings.time_format.clone();
        Ok(Self { reader, row: ByteRecord::new(), columns, indices, time_format, joined: Vec::new() })
    }

    pub(crate) const fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Moves to the next row. Returns false at the end.
    pub(crate) fn advance(&mut self) -> anyhow::Result<bool> {
        Ok(self.reader.read_byte_record(&mut self.row)?)
    }

    /// The current row.
    pub(crate) fn record<'a>(&'a mut self, file: &'a str) -> InputRecord<'a> {
        let Self { row, indices, time_format, joined, .. } = self;
        let outcome = transaction(row, *indices, time_format);
        let label = indices.label.map(|index| truth(&String::from_utf8_lossy(row.get(index).unwrap_or_default())));
        joined.clear();
        if outcome.is_err() {
            *joined = row.iter().collect::<Vec<_>>().join(&b',');
        }
        let line = row.position().map_or(0, ::csv::Position::line);
        InputRecord {
            file,
            line,
            is_row: true,
            raw: joined,
            label: label.map(|label| label && outcome.is_ok()),
            outcome,
        }
    }
}

fn transaction<'a>(
    row: &'a ByteRecord,
    indices: Indices,
    time_format: &TimeFormat,
) -> Result<Transaction<'a>, RejectReason> {
    let raw = RawTransaction {
        user_id: Text(Cow::Borrowed(required(row, indices.user)?)),
        amount: amount(required(row, indices.amount)?)?,
        timestamp: time_format.parse(required(row, indices.time)?)?,
        transaction_id: indices.id.and_then(|id| required(row, id).ok()).map(|id| Text(Cow::Borrowed(id))),
        merchant_id: None,
    };
    // The arrival time is unknown, so no event time counts as ahead of it.
    Transaction::validate(raw, EVENT_TIME_MS_MAX, 0)
}

/// A field that is present and not empty, without the white space around it.
fn required(row: &ByteRecord, index: usize) -> Result<&str, RejectReason> {
    let field = row.get(index).ok_or(RejectReason::MissingField)?;
    let text = std::str::from_utf8(field).map_err(|_| RejectReason::NotUtf8)?.trim();
    if text.is_empty() { Err(RejectReason::MissingField) } else { Ok(text) }
}

/// A number with a decimal point. A currency sign may precede it.
fn amount(text: &str) -> Result<f64, RejectReason> {
    let (sign, rest) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    let digits = rest.trim_start_matches(['$', '€', '£', '¥']);
    let number: f64 = digits.parse().map_err(|_| RejectReason::WrongType)?;
    Ok(sign * number)
}

fn delimiter(start: &[u8]) -> u8 {
    let header = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |delimiter: &u8| memchr::memchr_iter(*delimiter, header).count();
    // The comma wins a tie: `max_by_key` returns the last of equals.
    DELIMITERS.into_iter().rev().max_by_key(count).unwrap_or(b',')
}

impl std::fmt::Debug for CsvReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CsvReader").field("columns", &self.columns).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{ColumnNames, InputFormat};

    type Row = (u64, Result<(String, f64, i64), RejectReason>, Option<bool>);

    fn rows(content: &'static [u8]) -> Vec<Row> {
        let settings =
            ReaderSettings { format: InputFormat::Csv, columns: ColumnNames::default(), time_format: TimeFormat::Auto };
        let mut reader = CsvReader::new(Box::new(content), &settings).unwrap();
        let mut rows = Vec::new();
        while reader.advance().unwrap() {
            let record = reader.record("");
            let outcome = record.outcome.map(|t| (t.user_id.to_string(), t.amount, t.event_time_ms));
            rows.push((record.line, outcome, record.label));
        }
        rows
    }

    #[test]
    fn rows_are_transactions_with_their_lines_and_labels() {
        let rows = rows(b"card;amt;date;is_fraud\n\"a;b\";-$1.50;2019-01-01;0\n7;12;2019-01-01T00:00:01Z;1\n");
        assert_eq!(
            rows,
            [
                (2, Ok(("a;b".to_owned(), -1.5, 1_546_300_800_000)), Some(false)),
                (3, Ok(("7".to_owned(), 12.0, 1_546_300_801_000)), Some(true)),
            ]
        );
    }

    #[test]
    fn a_bad_row_has_a_reason_and_does_not_affect_the_others() {
        use RejectReason as R;
        let rows = rows(
            b"user,amount,time\nu,,1\nu,x,1\nu,1\n,1,1\nu,1,noon\nu,1e400,1\nu,2e12,1\n\xFF,1,1\nu,1,-1\n\"a\x07\",1,1\nu,1,1\n",
        );
        let outcomes: Vec<_> = rows.into_iter().map(|(_, outcome, _)| outcome.err()).collect();
        let expected = [
            R::MissingField,
            R::WrongType,
            R::MissingField,
            R::MissingField,
            R::WrongType,
            R::AmountNotFinite,
            R::AmountOutOfRange,
            R::NotUtf8,
            R::TimestampOutOfRange,
            R::UserIdInvalid,
        ];
        assert_eq!(outcomes, expected.map(Some).into_iter().chain([None]).collect::<Vec<_>>());
    }
}
