//! What the documents say of the code is what the code says.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anomaly_core::{KnobRow, RejectReason, knobs};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The part of a text between two others.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split_once(start).and_then(|(_, rest)| rest.split_once(end)).unwrap_or_else(|| panic!("{start} … {end}")).0
}

/// The cells of a Markdown table's rows, without its header.
fn rows(table: &str) -> Vec<Vec<&str>> {
    let lines = table.lines().map(str::trim).filter(|line| line.starts_with('|')).skip(2);
    lines.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

fn cells(row: &KnobRow) -> Vec<String> {
    let default = row.default.clone().unwrap_or_else(|| "required".to_owned());
    vec![format!("`{}`", row.name), default, row.accepts.clone(), row.meaning.to_owned()]
}

#[test]
fn the_knobs_of_the_rule_are_documented_as_they_are() {
    let document = read("docs/configuration.md");
    let documented = rows(between(&document, "<!-- knobs:begin -->", "<!-- knobs:end -->"));
    let declared: Vec<Vec<String>> = knobs::rows().iter().map(cells).collect();
    assert_eq!(documented, declared);
}

#[test]
fn every_variable_of_a_function_is_documented_with_what_it_accepts() {
    let document = read("docs/configuration.md");
    let of_the_rule: BTreeSet<&str> = knobs::rows().iter().map(|row| row.name).collect();
    for (title, next, variables) in [
        ("## The detector", "## The alerter", detector::config::variables()),
        ("## The alerter", "## Set by Lambda", alerter::config::variables()),
    ] {
        let documented: Vec<Vec<String>> = rows(between(&document, title, next))
            .iter()
            .map(|row| row[..3].iter().copied().map(str::to_owned).collect())
            .collect();
        let own = variables.iter().filter(|row| !of_the_rule.contains(row.name));
        let declared: Vec<Vec<String>> = own.map(|row| cells(row)[..3].to_vec()).collect();
        assert_eq!(documented, declared, "{title}");
    }
}

#[test]
fn every_reject_reason_is_in_the_readme_and_in_the_runbook() {
    let (readme, runbook) = (read("README.md"), read("docs/runbook.md"));
    let promises = between(&readme, "## Promises", "## Test");
    let causes = between(&runbook, "| reason | usual cause |", "## `state-corrupt`");
    for reason in RejectReason::ALL.map(|reason| format!("`{}`", reason.as_str())) {
        assert!(promises.contains(&reason), "README.md: {reason}");
        assert!(causes.contains(&reason), "docs/runbook.md: {reason}");
    }
}

#[test]
fn the_runbook_quotes_log_lines_that_exist() {
    let mut sources = String::new();
    for folder in ["functions", "crates/lambda-kit"] {
        append_sources(&root().join(folder), &mut sources);
    }
    // A quotation may wrap: runs of white space count as one.
    let runbook = read("docs/runbook.md").split_whitespace().collect::<Vec<_>>().join(" ");
    // Outside blocks of code, every second piece between quotation marks is quoted.
    let prose: String = runbook.split("```").step_by(2).collect();
    let quoted: Vec<&str> = prose.split('"').skip(1).step_by(2).filter(|text| text.ends_with('.')).collect();
    assert!(quoted.len() >= 4, "{quoted:?}");
    for sentence in quoted {
        assert!(sources.contains(&format!("\"{sentence}\"")), "nothing logs {sentence:?}");
    }
}

fn append_sources(folder: &Path, sources: &mut String) {
    for path in entries(folder) {
        if path.is_dir() {
            append_sources(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn every_mutation_is_listed_with_what_it_does() {
    let document = read("docs/reliability.md");
    let table = between(&document, "### Can it fail?", "### The small model");
    let listed: BTreeSet<(String, String)> =
        rows(table).iter().map(|row| (row[0].to_owned(), row[1].to_owned())).collect();
    let patches = entries(&root().join("tests/hunt/mutations")).into_iter();
    let patches = patches.filter(|path| path.extension().is_some_and(|extension| extension == "patch"));
    let existing: BTreeSet<(String, String)> = patches.map(|path| mutation(&path)).collect();
    assert_eq!(listed, existing);
}

/// A mutation's name, and the sentence that its patch begins with.
fn mutation(patch: &Path) -> (String, String) {
    let name = patch.file_stem().unwrap().to_string_lossy().into_owned();
    (name, fs::read_to_string(patch).unwrap().lines().next().unwrap().to_owned())
}

#[test]
fn the_costs_in_the_readme_are_those_that_the_benchmark_wrote() {
    let (readme, measured) = (read("README.md"), read("docs/performance.md"));
    let measured = rows(between(&measured, "### (g) Monthly cost", "### (h)"));
    let cost = |users: &str, window: &str| {
        let label = format!("{} users, window {window} s, 2 % anomalies", users.replace(',', ""));
        measured.iter().find(|row| row[0] == label).map_or_else(|| panic!("{label}"), |row| row[1])
    };
    let shown = rows(between(&readme, "It is cheap", "*The Flink baseline*"));
    assert_eq!(shown.len(), 3);
    for row in shown {
        assert_eq!([row[1], row[2]], [cost(row[0], "1"), cost(row[0], "30")], "{} users", row[0]);
    }
}
