//! Generated scenarios as files, and backtests of them: records, labels and users are read back, and there is a report.

use std::fs::File;
use std::path::{Path, PathBuf};

use backtest::{Backtest, BacktestSummary, ColumnNames, ReaderSettings, RuleChoices, RuleName};
use scenarios::{RowFormat, RowWriter, START_MS, Scenario, Selection};

/// Transactions per second of event time: 300 a day.
const RATE: f64 = 300.0 / 86_400.0;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Writes 5,000 records to a file. Returns the number of labelled ones.
fn generated(path: &Path, scenario: Scenario, format: RowFormat, users: u32, rate: f64) -> u64 {
    let selection = Selection { users, records: Some(5_000), duration_seconds: None, seed: 42 };
    let mut rows = RowWriter::new(format, File::create(path).unwrap());
    let mut labelled = 0;
    for generated in selection.generate(scenario, rate, START_MS).unwrap() {
        labelled += u64::from(generated.kind.is_some());
        rows.write(&generated).unwrap();
    }
    rows.finish().unwrap();
    labelled
}

fn backtested(path: &Path, choices: &RuleChoices) -> BacktestSummary {
    let columns = ColumnNames { label: Some("label".to_owned()), ..ColumnNames::default() };
    let settings = ReaderSettings { columns, ..ReaderSettings::default() };
    let backtest = Backtest::open(path, settings, &choices.plan(false).unwrap(), false).unwrap();
    backtest.run().unwrap().0
}

#[test]
fn every_scenario_in_either_format_is_read_back_whole() {
    for scenario in Scenario::ALL {
        for (format, extension) in [(RowFormat::Jsonl, "jsonl"), (RowFormat::Csv, "csv")] {
            let name = format!("{}.{extension}", scenario.as_str());
            let path = file(&format!("scenario-{name}"));
            let labelled = generated(&path, scenario, format, 40, RATE);
            let input = backtested(&path, &RuleChoices::default()).input;
            assert_eq!((input.transactions, input.rejected, input.out_of_order), (5_000, 0, 0), "{name}");
            assert_eq!(input.labelled, Some(labelled), "{name}");
            assert!(input.users <= 40 && (labelled > 0) == (scenario != Scenario::Retail), "{name}");
        }
    }
}

#[test]
fn from_nothing_to_a_report() {
    let path = file("from-nothing.jsonl");
    generated(&path, Scenario::Uniform, RowFormat::Jsonl, 5, 10.0);
    let rules = vec![RuleName::Adaptive, RuleName::Tumbling];
    let summary = backtested(&path, &RuleChoices { rules, ..RuleChoices::default() });
    let page = backtest_report::render(&summary);
    let quality = summary.rules[0].detection.as_ref().unwrap().quality;
    assert!(quality.precision.unwrap() >= 0.99 && quality.recall.unwrap() >= 0.99, "{quality:?}");
    for rule in &summary.rules {
        assert!(page.contains(&format!("<h2>{}</h2>", rule.label)), "{}", rule.label);
    }
    assert!(page.contains("<strong>5,000</strong> transactions by <strong>5</strong> users"));
}
