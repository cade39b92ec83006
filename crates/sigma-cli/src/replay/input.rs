//! The input of a replay: files of JSON or CSV, plain or gzip, one after the other as one sequence of records.
//!
//! A record is borrowed from the reader's buffer, so nothing is allocated for a good one. A bad one is a reject with the reason
//! that the detector has for it, never an error; only what cannot be read at all is one.

pub mod columns;
mod csv;
mod json;
mod lines;
mod source;
pub mod time;

use std::path::Path;

use anomaly_core::{RejectReason, Transaction};
use anyhow::Context;
use clap::ValueEnum;
pub use columns::ColumnNames;
use csv::CsvReader;
use json::JsonReader;
use source::{Opened, Sources};
pub use time::TimeFormat;

use super::summary::Columns;

/// How the input is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// By the first character and the name of each file.
    Auto,
    /// The stream's record, one a line or one after the other.
    Jsonl,
    /// With a header.
    Csv,
}

/// What a reader needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// See [`Format`].
    pub format: Format,
    /// Names given on the command line.
    pub columns: ColumnNames,
    /// How the times of a CSV are written.
    pub time_format: TimeFormat,
}

/// A transaction or a reject, where it stands and as it came.
#[derive(Debug)]
pub struct Record<'a> {
    /// Its file.
    pub file: &'a str,
    /// Line of the file, from 1.
    pub line: u64,
    /// Whether it is a row of a CSV.
    pub is_row: bool,
    /// As it came; of a CSV, the fields of a bad row joined by commas, and nothing of a good one.
    pub raw: &'a [u8],
    /// Whether it is labelled as anomalous; `None` if the input has no label.
    pub label: Option<bool>,
    /// What it is.
    pub outcome: Result<Transaction<'a>, RejectReason>,
}

/// All files of the input as one sequence of records.
#[derive(Debug)]
pub struct Reader {
    sources: Sources,
    settings: Settings,
    current: Option<Current>,
    /// Format of the first file.
    format: Option<&'static str>,
    columns: Option<Columns>,
    has_label: bool,
}

#[derive(Debug)]
enum Current {
    Json(JsonReader),
    Csv(Box<CsvReader>),
}

impl Reader {
    /// A reader of a file, a folder (its files in the order of their names), or standard input (`-`).
    ///
    /// # Errors
    /// If there is nothing to read at `path`.
    pub fn open(path: &Path, settings: Settings) -> anyhow::Result<Self> {
        let sources = Sources::find(path)?;
        Ok(Self { sources, settings, current: None, format: None, columns: None, has_label: false })
    }

    /// The next record; `None` at the end of the last file.
    ///
    /// # Errors
    /// If a file cannot be read, or its columns are not known.
    pub fn next_record(&mut self) -> anyhow::Result<Option<Record<'_>>> {
        while !self.advance()? {
            self.current = None;
            let Some(opened) = self.sources.open_next()? else { return Ok(None) };
            let name = opened.name.clone();
            self.begin(opened).with_context(|| name)?;
        }
        Ok(match &mut self.current {
            Some(Current::Json(reader)) => Some(reader.record(self.sources.current())),
            Some(Current::Csv(reader)) => Some(reader.record(self.sources.current())),
            None => None,
        })
    }

    /// Moves to the next record of the current file; false at its end.
    fn advance(&mut self) -> anyhow::Result<bool> {
        let advanced = match &mut self.current {
            None => return Ok(false),
            Some(Current::Json(reader)) => reader.advance(),
            Some(Current::Csv(reader)) => reader.advance(),
        };
        advanced.with_context(|| format!("{} cannot be read", self.sources.current()))
    }

    fn begin(&mut self, mut opened: Opened) -> anyhow::Result<()> {
        let format = opened.format(self.settings.format)?;
        self.format.get_or_insert(format.name());
        self.current = Some(match format {
            Format::Csv => {
                let reader = CsvReader::new(opened.reader, &self.settings)?;
                self.columns.get_or_insert_with(|| reader.columns().clone());
                self.has_label |= reader.columns().label.is_some();
                Current::Csv(Box::new(reader))
            }
            Format::Jsonl | Format::Auto => {
                let reader = JsonReader::new(opened.reader, self.settings.columns.label.as_deref())?;
                self.has_label |= reader.has_label();
                Current::Json(reader)
            }
        });
        Ok(())
    }

    /// `jsonl` or `csv`: that of the first file.
    #[must_use]
    pub const fn format(&self) -> Option<&'static str> {
        self.format
    }

    /// The columns of the first CSV.
    #[must_use]
    pub const fn columns(&self) -> Option<&Columns> {
        self.columns.as_ref()
    }

    /// Whether any file so far has a label.
    #[must_use]
    pub const fn has_label(&self) -> bool {
        self.has_label
    }

    /// Bytes to read, as they are stored; `None` for standard input.
    #[must_use]
    pub const fn bytes_total(&self) -> Option<u64> {
        self.sources.bytes_total()
    }

    /// Bytes read so far, as they are stored.
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

impl Format {
    const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
        }
    }
}
