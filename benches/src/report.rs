//! The measurements, as a table for people and as JSON for programs.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;
use comfy_table::{CellAlignment, presets};
use serde::Serialize;

use crate::machine::Machine;
use crate::spread::Spread;

const BEGIN: &str = "<!-- begin of what `bench --write-docs` writes -->";
const END: &str = "<!-- end of what `bench --write-docs` writes -->";
/// The parts by letter, as titles.
const PARTS: [(char, &str); 9] = [
    ('a', "Decode"),
    ('b', "Step"),
    ('c', "Detector call without the network"),
    ('d', "INIT and warm invocation"),
    ('e', "DynamoDB requests, capacity and item size"),
    ('f', "End to end on the embedded store"),
    ('g', "Monthly cost, idle and at 5,000 records a minute"),
    ('h', "Backtest and training"),
    ('i', "Memory of the worst events"),
];

/// One measurement.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    part: char,
    what: String,
    unit: &'static str,
    ours: Spread,
    #[serde(skip_serializing_if = "Option::is_none")]
    beside: Option<Beside>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Target>,
}

/// The alternative that a measurement is compared with.
#[derive(Debug, Clone, Serialize)]
struct Beside {
    name: &'static str,
    theirs: Spread,
    /// How many times better ours is; for the floor and for flatness, how many times as much ours is.
    ratio: Spread,
}

/// The required value, and whether it is met.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Target {
    wanted: String,
    is_met: bool,
}

impl Target {
    /// The value itself has an upper bound.
    pub(crate) fn at_most(most: f64, value: f64) -> Self {
        Self { wanted: format!("≤ {}", short(most)), is_met: value <= most }
    }

    /// The value itself has a lower bound.
    pub(crate) fn at_least(least: f64, value: f64) -> Self {
        Self { wanted: format!("≥ {}", short(least)), is_met: value >= least }
    }

    /// The ratio has a lower bound.
    pub(crate) fn ratio_at_least(least: f64, ratio: f64) -> Self {
        Self { wanted: format!("ratio ≥ {}", short(least)), is_met: ratio >= least }
    }

    /// The ratio has an upper bound.
    pub(crate) fn ratio_at_most(most: f64, ratio: f64) -> Self {
        Self { wanted: format!("ratio ≤ {}", short(most)), is_met: ratio <= most }
    }
}

impl Figure {
    pub(crate) fn new(part: char, what: impl Into<String>, unit: &'static str) -> Self {
        Self { part, what: what.into(), unit, ours: Spread::exact(0.0), beside: None, target: None }
    }

    pub(crate) fn ours(self, ours: Spread) -> Self {
        Self { ours, ..self }
    }

    pub(crate) fn beside(self, name: &'static str, theirs: Spread, ratio: Spread) -> Self {
        Self { beside: Some(Beside { name, theirs, ratio }), ..self }
    }

    pub(crate) fn target(self, target: Target) -> Self {
        Self { target: Some(target), ..self }
    }

    fn cells(&self) -> [String; 6] {
        let (beside, ratio) = self.beside.as_ref().map_or_else(Default::default, |beside| {
            (format!("{}: {}", beside.name, spread(beside.theirs)), format!("{} ×", spread(beside.ratio)))
        });
        let target = self.target.as_ref().map_or_else(String::new, |target| {
            format!("{} {}", target.wanted, if target.is_met { "met" } else { "**not met**" })
        });
        [self.what.clone(), spread(self.ours), self.unit.to_owned(), beside, ratio, target]
    }
}

const HEADER: [&str; 6] = ["what", "median (min–max)", "unit", "beside", "ratio", "target"];

/// A table with columns of its own, shown below its part's figures.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Table {
    pub(crate) part: char,
    pub(crate) title: &'static str,
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    fn markdown(&self) -> String {
        let rule = "|---".repeat(self.header.len());
        let mut text = format!("| {} |\n{rule}|\n", self.header.join(" | "));
        for row in &self.rows {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        text
    }
}

/// All measurements of one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    figures: Vec<Figure>,
    tables: Vec<Table>,
    not_measured: Vec<String>,
}

impl Report {
    pub(crate) const fn new(machine: Machine) -> Self {
        Self { machine, figures: Vec::new(), tables: Vec::new(), not_measured: Vec::new() }
    }

    pub(crate) fn add(&mut self, figure: Figure) {
        let [what, ours, unit, beside, ratio, target] = figure.cells();
        eprintln!("({}) {what}: {ours} {unit}  {beside}  {ratio}  {target}", figure.part);
        self.figures.push(figure);
    }

    /// Adds a table below the figures of its part.
    pub(crate) fn add_table(&mut self, table: Table) {
        eprintln!("({}) {}\n{}", table.part, table.title, table.markdown());
        self.tables.push(table);
    }

    /// Notes something that this run could not measure.
    pub(crate) fn note_not_measured(&mut self, what: impl Into<String>) {
        self.not_measured.push(what.into());
    }

    /// The table for a terminal.
    pub(crate) fn table(&self) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::UTF8_BORDERS_ONLY);
        table.set_header(["", "what", "median (min–max)", "unit", "beside", "ratio", "target"]);
        for figure in &self.figures {
            let cells = figure.cells();
            table.add_row(std::iter::once(figure.part.to_string()).chain(cells));
        }
        if let Some(column) = table.column_mut(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let notes = self.not_measured.iter().fold(String::new(), |notes, note| notes + "\nNot measured: " + note);
        format!("{table}{notes}")
    }

    /// The tables for the documentation.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("{}\n", self.machine);
        for (part, _) in PARTS {
            if let Some(section) = self.section(part) {
                text.push('\n');
                text.push_str(&section);
            }
        }
        text.push_str("\nNot measured:\n\n");
        for note in &self.not_measured {
            let _ = writeln!(text, "- {note}");
        }
        text
    }

    /// A part's heading, figures and tables.
    fn section(&self, part: char) -> Option<String> {
        let rows: Vec<[String; 6]> = self.figures.iter().filter(|f| f.part == part).map(Figure::cells).collect();
        let (_, title) = PARTS.into_iter().find(|(letter, _)| *letter == part)?;
        if rows.is_empty() {
            return None;
        }
        let mut text = format!("### ({part}) {title}\n\n| {} |\n|---|---|---|---|---|---|\n", HEADER.join(" | "));
        for row in rows {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        for table in self.tables.iter().filter(|table| table.part == part) {
            let _ = write!(text, "\n**{}**\n\n{}", table.title, table.markdown());
        }
        Some(text)
    }

    /// Writes `summary.json` and `table.md` into a folder.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("summary.json"), serde_json::to_string_pretty(self)? + "\n")?;
        std::fs::write(folder.join("table.md"), self.markdown())?;
        Ok(())
    }

    /// Replaces the text between the marks in a document. A run of some parts replaces their sections alone, and says of each when it was
    /// measured.
    pub(crate) fn write_docs(&self, document: &Path) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(document).with_context(|| format!("cannot read {}", document.display()))?;
        let (before, rest) = text.split_once(BEGIN).context("the document has no begin mark")?;
        let (written, after) = rest.split_once(END).context("the document has no end mark")?;
        let sections: Vec<(char, String)> =
            PARTS.into_iter().filter_map(|(part, _)| Some((part, self.section(part)?))).collect();
        let tables = if sections.len() == PARTS.len() {
            format!("\n{}\n", self.markdown())
        } else {
            let splice = |written: String, (part, section): &(char, String)| self.splice(&written, *part, section);
            sections.iter().fold(written.to_owned(), splice)
        };
        std::fs::write(document, format!("{before}{BEGIN}{tables}{END}{after}"))?;
        Ok(())
    }

    /// `written` with another section for this part.
    fn splice(&self, written: &str, part: char, section: &str) -> String {
        let Some((before, rest)) = written.split_once(&format!("### ({part}) ")) else {
            return written.to_owned();
        };
        let next = rest.find("\n### (").or_else(|| rest.find("\nNot measured:")).unwrap_or(rest.len());
        let (heading, body) = section.split_once("\n\n").unwrap_or((section, ""));
        let after = rest.get(next..).unwrap_or_default();
        format!("{before}{heading}\n\n{}\n{body}{after}", self.machine)
    }

    /// Replaces the table between a document's marks `<!-- begin of {mark} -->` and `<!-- end of {mark} -->` by rows of one of ours,
    /// if this run has it.
    pub(crate) fn write_table(&self, document: &Path, mark: &str, title: &str, keep: &[&str]) -> anyhow::Result<()> {
        let Some(table) = self.tables.iter().find(|table| table.title == title) else {
            return Ok(());
        };
        let keeps =
            |row: &&Vec<String>| keep.is_empty() || row.first().is_some_and(|what| keep.contains(&what.as_str()));
        let table = Table { rows: table.rows.iter().filter(keeps).cloned().collect(), ..table.clone() };
        let text = std::fs::read_to_string(document).with_context(|| format!("cannot read {}", document.display()))?;
        let (begin, end) = (format!("<!-- begin of {mark} -->\n"), format!("<!-- end of {mark} -->"));
        let (before, rest) = text.split_once(&begin).with_context(|| format!("there is no {begin:?}"))?;
        let (_, after) = rest.split_once(&end).with_context(|| format!("there is no {end:?}"))?;
        // The marks may be indented, in a list; the table is then too.
        let indent = before.rsplit('\n').next().unwrap_or_default();
        let lines = table.markdown().lines().fold(String::new(), |lines, line| lines + indent + line + "\n");
        std::fs::write(document, format!("{before}{begin}{lines}{indent}{end}{after}"))?;
        Ok(())
    }
}

/// The median, with minimum and maximum if they differ.
pub(crate) fn spread(spread: Spread) -> String {
    let Spread { min, median, max } = spread;
    if short(min) == short(max) {
        return short(median);
    }
    format!("{} ({}–{})", short(median), short(min), short(max))
}

/// Three significant digits, with thousands separators.
pub(crate) fn short(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 100.0 || v == 0.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_have_thousands_separators() {
        for (value, text) in [
            (0.0, "0"),
            (0.123_4, "0.123"),
            (1.5, "1.50"),
            (23.45, "23.4"),
            (999.6, "1,000"),
            (1_234_567.0, "1,234,567"),
        ] {
            assert_eq!(short(value), text);
        }
    }
}
