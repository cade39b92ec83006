//! The input of a backtest: files of JSON or CSV, plain or gzip, one after the other as one sequence of records.
//!
//! A record borrows from the reader's buffer, so a valid one needs no allocation. An invalid one is a reject, with the detector's
//! reason; only a file that cannot be read is an error.

mod bounded;
pub mod columns;
mod csv;
mod json;
mod labels;
mod lines;
mod source;
pub mod time;

use std::path::{Path, PathBuf};

use anomaly_core::{RejectReason, Transaction};
use anyhow::Context;
pub use columns::ColumnNames;
use csv::CsvReader;
use json::JsonReader;
use labels::Labels;
use source::{Opened, Sources};
pub use time::TimeFormat;

use super::summary::{Columns, LabelsSummary};

/// The format of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InputFormat {
    /// Detected from the name and the first character of each file.
    #[default]
    Auto,
    /// The stream's records, one a line or concatenated.
    Jsonl,
    /// A header, then rows; separated by `,`, `;`, a tab or `|`.
    Csv,
}

/// How to read the input. The default detects everything.
#[derive(Debug, Clone, Default)]
pub struct ReaderSettings {
    /// The format of the files.
    pub format: InputFormat,
    /// Columns of a CSV, and the field of the label.
    pub columns: ColumnNames,
    /// The form of the times in a CSV.
    pub time_format: TimeFormat,
    /// A file of labels for transactions. What it says goes before a label in the input.
    pub labels: Option<PathBuf>,
}

/// A transaction or a reject, with its file, line and bytes.
#[derive(Debug)]
pub struct InputRecord<'a> {
    /// Name of the file.
    pub file: &'a str,
    /// Line of the file, from 1.
    pub line: u64,
    /// Whether it is a row of a CSV.
    pub is_row: bool,
    /// The unchanged bytes. For a CSV, the fields of a rejected row joined by commas; empty for a valid row.
    pub raw: &'a [u8],
    /// Whether it is labelled as anomalous; `None` if nothing says so, which is the same as not being labelled.
    pub label: Option<bool>,
    /// The transaction, or why the record is rejected.
    pub outcome: Result<Transaction<'a>, RejectReason>,
}

/// All files of the input as one sequence of records.
#[derive(Debug)]
pub struct Reader {
    sources: Sources,
    settings: ReaderSettings,
    current: Option<Current>,
    /// Format of the first file.
    format: Option<&'static str>,
    columns: Option<Columns>,
    has_label: bool,
    labels: Option<Labels>,
}

#[derive(Debug)]
enum Current {
    Json(JsonReader),
    Csv(Box<CsvReader>),
}

impl Reader {
    /// Opens a file, a folder (its files in the order of their names), or standard input (`-`).
    ///
    /// # Errors
    /// If there is no file at `path` or below it, or the labels cannot be read.
    pub fn open(path: &Path, settings: ReaderSettings) -> anyhow::Result<Self> {
        let sources = Sources::find(path)?;
        let labels = settings.labels.as_deref().map(Labels::read).transpose()?;
        Ok(Self { sources, settings, current: None, format: None, columns: None, has_label: false, labels })
    }

    /// The next record; `None` at the end of the last file.
    ///
    /// # Errors
    /// If a file cannot be read, or a CSV lacks a required column.
    pub fn next_record(&mut self) -> anyhow::Result<Option<InputRecord<'_>>> {
        while !self.advance()? {
            self.current = None;
            let Some(opened) = self.sources.open_next()? else { return Ok(None) };
            let name = opened.name.clone();
            self.begin(opened).with_context(|| name)?;
        }
        let Self { current, sources, labels, .. } = self;
        let record = match current {
            Some(Current::Json(reader)) => reader.record(sources.current()),
            Some(Current::Csv(reader)) => reader.record(sources.current()),
            None => return Ok(None),
        };
        Ok(Some(labelled(record, labels.as_mut())))
    }

    /// Moves to the next record of the current file; false at its end.
    fn advance(&mut self) -> anyhow::Result<bool> {
        let advanced = match &mut self.current {
            None => return Ok(false),
            Some(Current::Json(reader)) => reader.advance(),
            Some(Current::Csv(reader)) => reader.advance(),
        };
        advanced.with_context(|| format!("cannot read {}", self.sources.current()))
    }

    fn begin(&mut self, mut opened: Opened) -> anyhow::Result<()> {
        let format = opened.format(self.settings.format)?;
        self.format.get_or_insert(format.name());
        self.current = Some(match format {
            InputFormat::Csv => {
                let reader = CsvReader::new(opened.reader, &self.settings)?;
                self.columns.get_or_insert_with(|| reader.columns().clone());
                self.has_label |= reader.columns().label.is_some();
                Current::Csv(Box::new(reader))
            }
            InputFormat::Jsonl | InputFormat::Auto => {
                let reader = JsonReader::new(opened.reader, self.settings.columns.label.as_deref())?;
                self.has_label |= reader.has_label();
                Current::Json(reader)
            }
        });
        Ok(())
    }

    /// `jsonl` or `csv`: the format of the first file; `None` before it is opened.
    #[must_use]
    pub const fn format(&self) -> Option<&'static str> {
        self.format
    }

    /// The columns of the first CSV.
    #[must_use]
    pub const fn columns(&self) -> Option<&Columns> {
        self.columns.as_ref()
    }

    /// Whether any file so far has a label, or there is a file of labels.
    #[must_use]
    pub const fn has_label(&self) -> bool {
        self.has_label || self.labels.is_some()
    }

    /// How many rows the file of labels has, and how many of them are about a transaction so far; `None` without such a file.
    #[must_use]
    pub fn labels(&self) -> Option<LabelsSummary> {
        let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        self.labels.as_ref().map(|labels| LabelsSummary { rows: count(labels.len()), matched: count(labels.matched()) })
    }

    /// Size of the input in bytes, as stored; `None` for standard input.
    #[must_use]
    pub const fn bytes_total(&self) -> Option<u64> {
        self.sources.bytes_total()
    }

    /// Bytes read so far, as stored.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.sources.bytes_read()
    }

    /// Files opened so far.
    #[must_use]
    pub const fn files(&self) -> u64 {
        self.sources.files_opened()
    }
}

/// The record with the label that the file of labels has for it, if there is one.
fn labelled<'a>(record: InputRecord<'a>, labels: Option<&mut Labels>) -> InputRecord<'a> {
    let (Some(labels), Ok(transaction)) = (labels, &record.outcome) else { return record };
    let label = labels.label(transaction).or(record.label);
    InputRecord { label, ..record }
}

impl InputFormat {
    const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
        }
    }
}
