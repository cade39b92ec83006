//! The bytes of the input: standard input, a file, or the files of a folder by name. Gzip is recognised by its first bytes.

use std::cell::Cell;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::Context;
use flate2::bufread::MultiGzDecoder;
use walkdir::WalkDir;

use super::InputFormat;

/// Bytes that one read requests.
const READ_BYTES: usize = 256 * 1024;
const GZIP_MAGIC: [u8; 2] = [0x1F, 0x8B];

/// The content of a file, decompressed.
pub(crate) type Content = Box<dyn BufRead>;

/// The files of an input, in the order in which they are read.
#[derive(Debug)]
pub(crate) struct Sources {
    rest: std::vec::IntoIter<PathBuf>,
    current: String,
    bytes_total: Option<u64>,
    bytes_read: Rc<Cell<u64>>,
    files_opened: u64,
}

/// One opened file.
pub(crate) struct Opened {
    /// For messages, and for its extension.
    pub(crate) name: String,
    /// Its content.
    pub(crate) reader: Content,
}

impl Sources {
    pub(crate) fn find(path: &Path) -> anyhow::Result<Self> {
        let files = if path == Path::new("-") { vec![path.to_owned()] } else { files_of(path)? };
        let bytes_total = files.iter().map(|file| std::fs::metadata(file).ok().map(|file| file.len())).sum();
        Ok(Self {
            rest: files.into_iter(),
            current: String::new(),
            bytes_total,
            bytes_read: Rc::default(),
            files_opened: 0,
        })
    }

    pub(crate) fn open_next(&mut self) -> anyhow::Result<Option<Opened>> {
        let Some(path) = self.rest.next() else { return Ok(None) };
        self.current = path.display().to_string();
        self.files_opened += 1;
        let reader: Box<dyn Read> = if path == Path::new("-") {
            Box::new(std::io::stdin().lock())
        } else {
            Box::new(File::open(&path).with_context(|| format!("cannot open {}", self.current))?)
        };
        let counted = Counted { reader, bytes_read: Rc::clone(&self.bytes_read) };
        let reader = decompressed(counted).with_context(|| format!("cannot read {}", self.current))?;
        Ok(Some(Opened { name: self.current.clone(), reader }))
    }

    pub(crate) fn current(&self) -> &str {
        &self.current
    }

    pub(crate) const fn bytes_total(&self) -> Option<u64> {
        self.bytes_total
    }

    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read.get()
    }

    pub(crate) const fn files_opened(&self) -> u64 {
        self.files_opened
    }
}

impl Opened {
    /// The format of this file: `given`, or by its extension, or by its first character.
    pub(crate) fn format(&mut self, given: InputFormat) -> anyhow::Result<InputFormat> {
        if given != InputFormat::Auto {
            return Ok(given);
        }
        let name = self.name.strip_suffix(".gz").unwrap_or(&self.name);
        Ok(match Path::new(name).extension().and_then(OsStr::to_str) {
            Some("csv" | "tsv") => InputFormat::Csv,
            Some("json" | "jsonl" | "ndjson") => InputFormat::Jsonl,
            _ => {
                let start = self.reader.fill_buf()?.trim_ascii_start();
                if start.first() == Some(&b'{') { InputFormat::Jsonl } else { InputFormat::Csv }
            }
        })
    }
}

/// The file at `path`, or all files below it by name. Names with a leading dot or underscore are skipped: they are not input.
fn files_of(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    std::fs::metadata(path).with_context(|| format!("there is no input {}", path.display()))?;
    let is_input = |name: &OsStr| !name.to_string_lossy().starts_with(['.', '_']);
    let entries = WalkDir::new(path)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || is_input(entry.file_name()));
    let entries: Vec<_> = entries.collect::<Result<_, _>>()?;
    let files: Vec<_> =
        entries.into_iter().filter(|entry| !entry.file_type().is_dir()).map(walkdir::DirEntry::into_path).collect();
    anyhow::ensure!(!files.is_empty(), "there is no file in {}", path.display());
    Ok(files)
}

fn decompressed(counted: Counted) -> std::io::Result<Content> {
    let mut reader = BufReader::with_capacity(READ_BYTES, counted);
    let is_gzip = reader.fill_buf()?.starts_with(&GZIP_MAGIC);
    Ok(if is_gzip {
        Box::new(BufReader::with_capacity(READ_BYTES, MultiGzDecoder::new(reader)))
    } else {
        Box::new(reader)
    })
}

/// Counts the bytes read through it.
struct Counted {
    reader: Box<dyn Read>,
    bytes_read: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.bytes_read.set(self.bytes_read.get() + u64::try_from(length).unwrap_or_default());
        Ok(length)
    }
}
