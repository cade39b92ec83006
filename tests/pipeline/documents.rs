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
        ("## The alerter", "## The notifier", alerter::config::variables()),
        ("## The notifier", "## Set by Lambda", notifier::config::variables()),
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
fn every_reject_reason_is_among_the_promises_and_in_the_runbook() {
    let (promises, runbook) = (read("docs/reliability.md"), read("docs/runbook.md"));
    let promises = between(&promises, "## In short", "## What is promised");
    let causes = between(&runbook, "| reason | usual cause |", "## `state-corrupt`");
    for reason in RejectReason::ALL.map(|reason| format!("`{}`", reason.as_str())) {
        assert!(promises.contains(&reason), "docs/reliability.md: {reason}");
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

/// The rows of the table below a title of part (g), which the benchmark writes.
fn costs<'a>(document: &'a str, title: &str) -> Vec<Vec<&'a str>> {
    let part = between(document, "### (g) Monthly cost", "### (h)");
    rows(between(part, &format!("**{title}**\n\n"), "\n\n"))
}

#[test]
fn the_costs_in_the_readme_and_in_the_guide_are_those_that_the_benchmark_wrote() {
    let (readme, guide, measured) = (read("README.md"), read("docs/deploy.md"), read("docs/performance.md"));
    let measured = costs(&measured, "The whole stack, in dollars a month");
    let whole = rows(between(&guide, "<!-- begin of the costs -->", "<!-- end of the costs -->"));
    assert_eq!(whole, measured);
    let short = rows(between(&readme, "<!-- begin of the costs in short -->", "<!-- end of the costs in short -->"));
    assert_eq!(short.len(), 3, "defaults, all levers, the Flink baseline");
    assert!(short.iter().all(|row| measured.contains(row)), "{short:?}");
}

/// A new default or another alarm changes the bill: `make bench BENCH="--parts g --write-docs"` computes it.
#[test]
fn the_costs_are_those_of_the_template_as_it_is() {
    let (template, measured) = (read("template.yaml"), read("docs/performance.md"));
    let assumed = costs(&measured, "What these tables assume");
    let value = |name: &str| assumed.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("{name}"))[1];
    let alarms = template.split("Type: AWS::CloudWatch::Alarm\n").skip(1).filter(|text| is_default(text)).count();
    assert_eq!(value("alarms"), alarms.to_string(), "those that are deployed by default");
    let mut parameters = 0;
    for row in assumed.iter().filter(|row| row[0].starts_with('`')) {
        let name = row[0].trim_matches('`');
        let declaration = between(&template, &format!("\n  {name}:\n"), "Description:");
        let default = declaration.split("Default:").nth(1).unwrap_or_else(|| panic!("{name} has no default"));
        let default = default.split([',', '}', '\n']).next().unwrap().trim().trim_matches('\'');
        assert_eq!(row[1], default, "{name}");
        parameters += 1;
    }
    assert!(parameters >= 10, "{assumed:?}");
}

/// Whether the rest of a resource, after its type, begins with no condition or with one that holds by default.
fn is_default(rest: &str) -> bool {
    let by_default = ["HasArchive", "HasAnomalyBand"].map(|name| format!("    Condition: {name}\n"));
    !rest.starts_with("    Condition: ") || by_default.iter().any(|condition| rest.starts_with(condition))
}

#[test]
fn the_parts_of_the_bill_add_up() {
    let measured = read("docs/performance.md");
    let parts = costs(&measured, "The defaults by component, in dollars a month");
    let (together, parts) = parts.split_last().unwrap();
    let dollars = |cell: &str| cell.replace(',', "").parse::<f64>().unwrap();
    for column in 1..=3 {
        let sum: f64 = parts.iter().map(|row| dollars(row[column])).sum();
        // Each figure is rounded to three digits.
        assert!((sum - dollars(together[column])).abs() < 1.0, "column {column}: {sum}");
    }
}
