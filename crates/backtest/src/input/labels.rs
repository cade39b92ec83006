//! Labels in a file of their own, joined to the transactions of an input: what people said of alerts afterwards, or what a bank's list of
//! disputes says.
//!
//! A row names a transaction by its id, and by as much more as it says: user, amount, event time. All that it says has to agree, because
//! ids alone repeat. A row without an id has to say all three. Of several rows for one transaction the last one counts.

use std::path::Path;

use anomaly_core::{ID_CHARACTERS_MAX, Transaction, printable};
use anyhow::Context;
use hashbrown::HashMap;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::InputFormat;
use super::columns::{LabelField, truth};
use super::source::{Content, Sources};

const FORM: &str = "a row has a label, and a transactionId or else userId, timestamp (ms since the epoch) and amount: \
                    {\"transactionId\":\"t1\",\"userId\":\"u1\",\"label\":\"fraud\"}";

/// All rows of a file of labels.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    rows: Vec<Row>,
    /// Indices of the rows with this id.
    by_id: HashMap<String, Vec<usize>>,
    /// Indices of the rows without an id, by user.
    by_user: HashMap<String, Vec<usize>>,
}

#[derive(Debug)]
struct Row {
    user_id: Option<String>,
    timestamp: Option<i64>,
    amount: Option<f64>,
    is_anomalous: bool,
    is_matched: bool,
}

/// A row as it is written. Other fields are ignored.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    transaction_id: Option<String>,
    user_id: Option<String>,
    timestamp: Option<i64>,
    amount: Option<f64>,
    label: Scalar,
}

/// A label as JSON and CSV may have it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Scalar {
    Truth(bool),
    Number(f64),
    Word(String),
    Other(IgnoredAny),
}

impl Labels {
    /// Reads a file: JSON, a row a line, or CSV with a header; gzip or not.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        anyhow::ensure!(path != Path::new("-"), "labels come from a file; standard input is for the transactions");
        let mut sources = Sources::find(path)?;
        let mut labels = Self::default();
        while let Some(mut opened) = sources.open_next()? {
            let name = opened.name.clone();
            match opened.format(InputFormat::Auto)? {
                InputFormat::Csv => labels.read_csv(opened.reader),
                InputFormat::Jsonl | InputFormat::Auto => labels.read_json(opened.reader),
            }
            .with_context(|| format!("cannot read the labels in {name}"))?;
        }
        anyhow::ensure!(!labels.rows.is_empty(), "there are no labels in {}: {FORM}", path.display());
        Ok(labels)
    }

    fn read_json(&mut self, content: Content) -> anyhow::Result<()> {
        for (index, line) in std::io::BufRead::lines(content).enumerate() {
            let line = line?;
            if line.trim().is_empty() {
                continue;
            }
            let written = serde_json::from_str(&line).map_err(anyhow::Error::from);
            written.and_then(|written| self.add(written)).with_context(|| format!("line {}: {FORM}", index + 1))?;
        }
        Ok(())
    }

    fn read_csv(&mut self, content: Content) -> anyhow::Result<()> {
        let mut reader = ::csv::ReaderBuilder::new().flexible(true).trim(::csv::Trim::All).from_reader(content);
        let header: ::csv::StringRecord = reader.headers()?.iter().map(LabelField::name_of).collect();
        let mut row = ::csv::StringRecord::new();
        while reader.read_record(&mut row)? {
            let line = row.position().map_or(0, ::csv::Position::line);
            let written = row.deserialize(Some(&header)).map_err(anyhow::Error::from);
            written.and_then(|written| self.add(written)).with_context(|| format!("line {line}: {FORM}"))?;
        }
        Ok(())
    }

    fn add(&mut self, written: Written) -> anyhow::Result<()> {
        let Written { transaction_id, user_id, timestamp, amount, label } = written;
        let is_anomalous = label.truth().context("the label is empty")?;
        let transaction_id = transaction_id.filter(|id| !id.trim().is_empty());
        let index = match (transaction_id, &user_id) {
            (Some(id), _) => self.by_id.entry(printable(&id)).or_default(),
            (None, Some(user)) if timestamp.is_some() && amount.is_some() => {
                self.by_user.entry(user.clone()).or_default()
            }
            _ => anyhow::bail!("it names no transaction"),
        };
        index.push(self.rows.len());
        self.rows.push(Row { user_id, timestamp, amount, is_anomalous, is_matched: false });
        Ok(())
    }

    /// Whether a transaction is labelled as anomalous; `None` if no row is about it.
    pub(crate) fn label(&mut self, transaction: &Transaction<'_>) -> Option<bool> {
        let Self { rows, by_id, by_user } = self;
        let with_id = transaction.transaction_id.as_deref().and_then(|id| with_id(by_id, id));
        let with_user = by_user.get(transaction.user_id.as_ref());
        let mut last = None;
        for index in [with_user, with_id].into_iter().flatten().flatten().copied() {
            if let Some(row) = rows.get_mut(index).filter(|row| row.is_about(transaction)) {
                row.is_matched = true;
                last = last.max(Some(index));
            }
        }
        rows.get(last?).map(|row| row.is_anomalous)
    }

    /// Rows of the file.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Rows that were about a transaction so far.
    pub(crate) fn matched(&self) -> usize {
        self.rows.iter().filter(|row| row.is_matched).count()
    }
}

/// The rows with an id. Messages, and so labels, have ids in their printable form, which only few differ from.
fn with_id<'r>(by_id: &'r HashMap<String, Vec<usize>>, id: &str) -> Option<&'r Vec<usize>> {
    let is_printable = id.len() <= ID_CHARACTERS_MAX && id.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if is_printable { by_id.get(id) } else { by_id.get(&printable(id)) }
}

impl Row {
    fn is_about(&self, transaction: &Transaction<'_>) -> bool {
        self.user_id.as_deref().is_none_or(|user_id| user_id == transaction.user_id)
            && self.timestamp.is_none_or(|timestamp| timestamp == transaction.event_time_ms)
            && self.amount.is_none_or(|amount| amount.to_bits() == transaction.amount.to_bits())
    }
}

impl Scalar {
    /// Whether it means "anomalous"; `None` if it says nothing.
    fn truth(&self) -> Option<bool> {
        match self {
            Self::Truth(is_true) => Some(*is_true),
            Self::Number(number) => Some(*number != 0.0),
            Self::Word(word) => (!word.trim().is_empty()).then(|| truth(word)),
            Self::Other(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn transaction(user_id: &str, id: Option<&str>, amount: f64, event_time_ms: i64) -> Transaction<'static> {
        Transaction {
            user_id: user_id.to_owned().into(),
            amount,
            event_time_ms,
            transaction_id: id.map(|id| id.to_owned().into()),
            merchant_id: None,
        }
    }

    fn json(text: &str) -> anyhow::Result<Labels> {
        let mut labels = Labels::default();
        labels.read_json(Box::new(Cursor::new(text.to_owned()))).map(|()| labels)
    }

    fn csv(text: &str) -> anyhow::Result<Labels> {
        let mut labels = Labels::default();
        labels.read_csv(Box::new(Cursor::new(text.to_owned()))).map(|()| labels)
    }

    #[test]
    fn a_row_is_about_the_transaction_that_agrees_with_all_that_it_says() {
        let mut labels = json(
            "{\"transactionId\":\"t1\",\"label\":\"fraud\",\"why\":\"a dispute\"}\n\n\
             {\"transactionId\":\"t2\",\"userId\":\"u\",\"amount\":2.5,\"timestamp\":7,\"label\":\"legitimate\"}\n\
             {\"userId\":\"u\",\"timestamp\":9,\"amount\":1,\"label\":true}",
        )
        .unwrap();
        let mut label = |user, id, amount, time| labels.label(&transaction(user, id, amount, time));
        assert_eq!(label("anybody", Some("t1"), 1.0, 1), Some(true));
        assert_eq!(label("u", Some("t2"), 2.5, 7), Some(false));
        for (user, amount, time) in [("v", 2.5, 7), ("u", 2.6, 7), ("u", 2.5, 8)] {
            assert_eq!(label(user, Some("t2"), amount, time), None, "an id that returns elsewhere");
        }
        assert_eq!(label("u", None, 1.0, 9), Some(true));
        assert_eq!(label("u", Some("t9"), 1.0, 9), Some(true), "the row says nothing of an id");
        assert_eq!((label("u", None, 1.0, 8), label("u", None, 1.5, 9)), (None, None));
        assert_eq!((labels.len(), labels.matched()), (3, 3));
    }

    #[test]
    fn a_csv_has_the_usual_names_and_the_last_row_counts() {
        let mut labels = csv("txn_id,is_fraud,note\nt1,1,a\nt2,no,b\nt1,0,c\n").unwrap();
        let mut label = |id| labels.label(&transaction("u", Some(id), 1.0, 1));
        assert_eq!([label("t1"), label("t2"), label("t3")], [Some(false), Some(false), None]);
        assert_eq!((labels.len(), labels.matched()), (3, 3));
    }

    #[test]
    fn an_id_that_no_message_shows_as_it_is_still_matches() {
        let (raw, long) = ("a\u{200B}b", "x".repeat(300));
        let shown = printable(raw);
        let row = |id: &str| format!("{{\"transactionId\":\"{id}\",\"label\":1}}\n");
        let mut labels = json(&(row(&shown) + &row(&printable(&long)))).unwrap();
        for id in [raw, &long] {
            assert_eq!(labels.label(&transaction("u", Some(id), 1.0, 1)), Some(true), "{id}");
        }
    }

    #[test]
    fn a_malformed_row_is_named_with_what_a_row_looks_like() {
        for (labels, line) in [
            (json("{\"transactionId\":\"t\",\"label\":1}\n{\"label\":1}"), "line 2"),
            (json("{\"userId\":\"u\",\"timestamp\":1,\"label\":1}"), "line 1"),
            (json("{\"transactionId\":\"t\"}"), "line 1"),
            (json("{\"transactionId\":\"t\",\"label\":\" \"}"), "line 1"),
            (json("t1 fraud"), "line 1"),
            (csv("transactionId,label\nt1,1\nt2,\n"), "line 3"),
            (csv("when,label\nnoon,1\n"), "line 2"),
        ] {
            let error = format!("{:#}", labels.unwrap_err());
            assert!(error.contains(line) && error.contains("a row has a label"), "{error}");
        }
        assert!(Labels::read(Path::new("-")).is_err());
    }
}
