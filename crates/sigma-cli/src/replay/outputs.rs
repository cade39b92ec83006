//! The files that `sigma replay` writes while it reads.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anomaly_core::RejectReason;
use anyhow::Context;
use backtest::InputRecord;
use serde::Serialize;

use crate::files;

/// Most bytes of a rejected record that are written: enough to see what is wrong.
const RAW_BYTES_MAX: usize = 4_096;

/// A file with one JSON document a line.
#[derive(Debug)]
pub(super) struct JsonLines {
    writer: BufWriter<File>,
    name: String,
}

/// A line of `--rejects`.
#[derive(Debug, Serialize)]
pub(super) struct Reject<'a> {
    /// Index of the record in the input, from 0.
    index: u64,
    /// Name of the file.
    file: &'a str,
    /// Line of the file, from 1.
    line: u64,
    reason: RejectReason,
    /// The record; bytes that are not UTF-8 are replaced.
    raw: String,
    /// Whether there was more of it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_truncated: bool,
}

impl<'a> Reject<'a> {
    pub(super) fn new(index: u64, reason: RejectReason, record: &InputRecord<'a>) -> Self {
        let shown = record.raw.get(..RAW_BYTES_MAX).unwrap_or(record.raw);
        let raw = String::from_utf8_lossy(shown).trim().to_owned();
        Self { index, file: record.file, line: record.line, reason, is_truncated: shown.len() < record.raw.len(), raw }
    }
}

impl JsonLines {
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        Ok(Self { writer: BufWriter::new(files::create(path)?), name: path.display().to_string() })
    }

    pub(super) fn write(&mut self, document: &impl Serialize) -> anyhow::Result<()> {
        serde_json::to_writer(&mut self.writer, document).with_context(|| format!("cannot write {}", self.name))?;
        self.writer.write_all(b"\n").with_context(|| format!("cannot write {}", self.name))
    }

    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        self.writer.flush().with_context(|| format!("cannot write {}", self.name))
    }
}
