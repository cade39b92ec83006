//! Generated transactions as JSONL or CSV, with their labels.

use std::io::{self, BufWriter, Write};

use serde::Serialize;

use crate::{Generated, Kind};

/// The format of written transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// One JSON record a line, as in the stream.
    Jsonl,
    /// Comma-separated with a header.
    Csv,
}

/// The fields of a row. The detector ignores the last two.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    user_id: &'a str,
    amount: f64,
    timestamp: i64,
    transaction_id: &'a str,
    merchant_id: &'a str,
    label: u8,
    kind: &'a str,
}

impl<'a> Row<'a> {
    fn new(generated: &'a Generated) -> Self {
        Self {
            user_id: &generated.user_id,
            amount: generated.amount,
            timestamp: generated.timestamp,
            transaction_id: &generated.transaction_id,
            merchant_id: &generated.merchant_id,
            label: u8::from(generated.kind.is_some()),
            kind: generated.kind.map_or("usual", Kind::as_str),
        }
    }
}

/// The stream's record with its label and kind, as one line of JSON without a line break.
///
/// # Errors
/// Never for a generated transaction.
pub fn labelled_json(generated: &Generated) -> io::Result<Vec<u8>> {
    Ok(serde_json::to_vec(&Row::new(generated))?)
}

/// Writes transactions to a sink. Call [`Self::finish`] at the end.
pub struct RowWriter<W: Write>(Rows<W>);

enum Rows<W: Write> {
    Jsonl(BufWriter<W>),
    Csv(Box<csv::Writer<W>>),
}

impl<W: Write> RowWriter<W> {
    /// A buffering writer to `sink`.
    pub fn new(format: RowFormat, sink: W) -> Self {
        Self(match format {
            RowFormat::Jsonl => Rows::Jsonl(BufWriter::new(sink)),
            RowFormat::Csv => Rows::Csv(Box::new(csv::Writer::from_writer(sink))),
        })
    }

    /// Writes one transaction. The header of a CSV precedes the first one.
    ///
    /// # Errors
    /// If the sink cannot be written to.
    pub fn write(&mut self, generated: &Generated) -> io::Result<()> {
        match &mut self.0 {
            Rows::Jsonl(sink) => {
                sink.write_all(&labelled_json(generated)?)?;
                sink.write_all(b"\n")
            }
            Rows::Csv(sink) => sink.serialize(Row::new(generated)).map_err(io::Error::from),
        }
    }

    /// Flushes the buffer.
    ///
    /// # Errors
    /// If the sink cannot be written to.
    pub fn finish(self) -> io::Result<()> {
        match self.0 {
            Rows::Jsonl(mut sink) => sink.flush(),
            Rows::Csv(mut sink) => sink.flush(),
        }
    }
}

impl<W: Write> std::fmt::Debug for RowWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowWriter").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{START_MS, Scenario, Selection};

    fn written(scenario: Scenario, format: RowFormat, records: u64, seed: u64) -> String {
        let selection = Selection { users: 5, records: Some(records), duration_seconds: None, seed };
        let mut bytes = Vec::new();
        let mut rows = RowWriter::new(format, &mut bytes);
        selection.generate(scenario, 10.0, START_MS).unwrap().for_each(|one| rows.write(&one).unwrap());
        rows.finish().unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let of = |seed| written(Scenario::Fraud, RowFormat::Jsonl, 3_000, seed);
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn a_line_is_a_labelled_record_that_the_detector_accepts() {
        let lines = written(Scenario::Uniform, RowFormat::Jsonl, 1_000, 42);
        let mut labelled = 0;
        for line in lines.lines() {
            let raw: anomaly_core::RawTransaction<'_> = serde_json::from_str(line).unwrap();
            let amount = raw.amount;
            assert!(anomaly_core::Transaction::validate(raw, i64::MAX, 0).is_ok());
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!((value["label"] == 1, value["kind"] == "injected"), (amount >= 5_000.0, amount >= 5_000.0));
            labelled += value["label"].as_u64().unwrap();
        }
        assert!(lines.lines().count() == 1_000 && labelled > 0, "{labelled}");
    }

    #[test]
    fn a_csv_has_a_header_and_the_same_rows() {
        let csv = written(Scenario::Retail, RowFormat::Csv, 100, 42);
        let jsonl = written(Scenario::Retail, RowFormat::Jsonl, 100, 42);
        assert!(csv.starts_with("userId,amount,timestamp,transactionId,merchantId,label,kind\n"), "{csv}");
        assert_eq!(csv.lines().count(), 101);
        for (row, line) in csv.lines().skip(1).zip(jsonl.lines()) {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(row.split(',').next().unwrap(), line["userId"].as_str().unwrap());
            assert_eq!(row.split(',').nth(1).unwrap().parse::<f64>().unwrap(), line["amount"].as_f64().unwrap());
        }
    }
}
