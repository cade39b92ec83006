//! A CSV with a header. Its rows become the fields of the stream's record and are validated like them. A row has a bound, since a
//! quotation mark that is never closed would make the rest of the file one field.

use std::borrow::Cow;
use std::io::BufRead;
use std::rc::Rc;

use ::csv::{ByteRecord, ReaderBuilder};
use anomaly_core::{EVENT_TIME_MS_MAX, RawTransaction, RejectReason, Text, Transaction};

use super::bounded::{Allowance, Bounded};
use super::columns::{Indices, truth};
use super::lines::BUFFER_BYTES;
use super::source::Content;
use super::{InputRecord, ReaderSettings, TimeFormat};
use crate::summary::Columns;

/// Possible separators of columns. The file's is the one that the header has most of.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Most bytes of a row, as of a JSON record.
const ROW_BYTES_MAX: usize = BUFFER_BYTES;
/// Bytes that the parser reads ahead. They may belong to the next row, so they come on top of the bound.
const READ_AHEAD_BYTES: usize = 64 * 1024;

/// One CSV file.
pub(crate) struct CsvReader {
    reader: ::csv::Reader<Bounded>,
    allowance: Rc<Allowance>,
    row: ByteRecord,
    columns: Columns,
    indices: Indices,
    time_format: TimeFormat,
    joined: Vec<u8>,
}

impl CsvReader {
    pub(crate) fn new(mut content: Content, settings: &ReaderSettings) -> anyhow::Result<Self> {
        let delimiter = delimiter(content.fill_buf()?);
        let allowance = Rc::new(Allowance::new(ROW_BYTES_MAX + READ_AHEAD_BYTES));
        let content = Bounded::new(content, Rc::clone(&allowance));
        let mut builder = ReaderBuilder::new();
        let builder = builder.flexible(true).delimiter(delimiter).buffer_capacity(READ_AHEAD_BYTES);
        let mut reader = builder.from_reader(content);
        let header = reader.byte_headers().map_err(|error| read_error(error, &allowance, 1))?;
        let header: Vec<String> = header.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
        anyhow::ensure!(!header.is_empty(), "the file is empty; a CSV starts with a header");
        let (columns, indices) = settings.columns.find(&header)?;
        let time_format = settings.time_format.clone();
        Ok(Self { reader, allowance, row: ByteRecord::new(), columns, indices, time_format, joined: Vec::new() })
    }

    pub(crate) const fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Moves to the next row. Returns false at the end.
    pub(crate) fn advance(&mut self) -> anyhow::Result<bool> {
        let line = self.reader.position().line();
        self.allowance.renew();
        let Self { reader, row, allowance, .. } = self;
        reader.read_byte_record(row).map_err(|error| read_error(error, allowance, line))
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

fn read_error(error: ::csv::Error, allowance: &Allowance, line: u64) -> anyhow::Error {
    if !allowance.is_exceeded() {
        return error.into();
    }
    anyhow::anyhow!(
        "the row at line {line} has more than {ROW_BYTES_MAX} bytes; is a quotation mark in it never closed?"
    )
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
        transaction_id: optional(row, indices.id),
        merchant_id: optional(row, indices.merchant),
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

/// The field of a column that the file may lack; `None` also if the field is empty.
fn optional(row: &ByteRecord, index: Option<usize>) -> Option<Text<'_>> {
    required(row, index?).ok().map(|text| Text(Cow::Borrowed(text)))
}

/// A number with a decimal point. A currency sign may precede it, and one minus sign.
fn amount(text: &str) -> Result<f64, RejectReason> {
    let (sign, rest) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    let digits = rest.trim_start_matches(['$', '€', '£', '¥']);
    if sign < 0.0 && digits.starts_with(['-', '+']) {
        return Err(RejectReason::WrongType);
    }
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
    use std::cell::Cell;
    use std::io::{Cursor, Read};

    use super::*;
    use crate::input::InputFormat;

    type Row = (u64, Result<(String, f64, i64), RejectReason>, Option<bool>);

    fn rows(content: &'static [u8]) -> Vec<Row> {
        let settings = ReaderSettings { format: InputFormat::Csv, ..ReaderSettings::default() };
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
    fn a_transaction_has_the_id_and_the_merchant_of_its_row_if_they_are_there() {
        let content: &[u8] = b"user,amount,time,trans_num,merchant\nu,1,1,t1,The Corner Shop\nu,1,2, ,\nu,1,3\n";
        let mut reader = CsvReader::new(Box::new(content), &ReaderSettings::default()).unwrap();
        for expected in [(Some("t1"), Some("The Corner Shop")), (None, None), (None, None)] {
            assert!(reader.advance().unwrap());
            let transaction = reader.record("").outcome.unwrap();
            assert_eq!((transaction.transaction_id.as_deref(), transaction.merchant_id.as_deref()), expected);
        }
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

    #[test]
    fn an_amount_has_at_most_one_sign() {
        assert_eq!(["5", "-5", "-$5", "$-5", "+5"].map(amount), [Ok(5.0), Ok(-5.0), Ok(-5.0), Ok(-5.0), Ok(5.0)]);
        assert_eq!(["--5", "-+5", "-$-5", "-"].map(amount), [Err(RejectReason::WrongType); 4]);
    }

    /// A file that begins with `start` and goes on with a quoted field without an end; it counts what is pulled from it.
    fn endless(start: &'static str) -> (Box<dyn BufRead>, Rc<Cell<usize>>) {
        let pulled = Rc::new(Cell::new(0));
        let content = Counting { content: start.as_bytes().chain(std::io::repeat(b'x')), pulled: Rc::clone(&pulled) };
        (Box::new(std::io::BufReader::new(content)), pulled)
    }

    struct Counting<R> {
        content: R,
        pulled: Rc<Cell<usize>>,
    }

    impl<R: Read> Read for Counting<R> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let length = self.content.read(buffer)?;
            self.pulled.set(self.pulled.get() + length);
            Ok(length)
        }
    }

    #[test]
    fn a_quoted_field_without_an_end_is_an_error_and_is_not_read_on() {
        let (content, pulled) = endless("user,amount,time\nu,1,1\nu,1,\"");
        let mut reader = CsvReader::new(content, &ReaderSettings::default()).unwrap();
        assert!(reader.advance().unwrap());
        let error = reader.advance().unwrap_err().to_string();
        assert!(error.contains("line 3") && error.contains("1048576 bytes"), "{error}");
        assert!(pulled.get() < ROW_BYTES_MAX + 3 * READ_AHEAD_BYTES, "{}", pulled.get());
    }

    #[test]
    fn a_header_has_the_same_bound() {
        let (content, pulled) = endless("user,amount,\"");
        let error = CsvReader::new(content, &ReaderSettings::default()).unwrap_err().to_string();
        assert!(error.contains("line 1"), "{error}");
        assert!(pulled.get() < ROW_BYTES_MAX + 3 * READ_AHEAD_BYTES, "{}", pulled.get());
    }

    #[test]
    fn a_row_of_any_permitted_size_is_read_and_so_are_those_after_it() {
        let filler = "x".repeat(ROW_BYTES_MAX - 100);
        let row = format!("u,1,1,\"{filler}\"\n");
        let content = format!("user,amount,time,note\n{}", row.repeat(5));
        let mut reader = CsvReader::new(Box::new(Cursor::new(content)), &ReaderSettings::default()).unwrap();
        for _ in 0..5 {
            assert!(reader.advance().unwrap());
            assert!(reader.record("").outcome.is_ok());
        }
        assert!(!reader.advance().unwrap());
    }
}
