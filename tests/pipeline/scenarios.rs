//! `sigma generate`, and what `sigma replay` makes of it: the same records, labels and users, a page to read.

use std::path::Path;

use clap::Parser;
use sigma_cli::generator::Scenario;
use sigma_cli::replay::summary::Summary;
use sigma_cli::{generate, replay};

#[derive(Parser)]
struct Generate {
    #[command(flatten)]
    options: generate::Options,
}

#[derive(Parser)]
struct Replay {
    #[command(flatten)]
    options: replay::Options,
}

fn file(name: &str) -> String {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name).to_str().unwrap().to_owned()
}

/// Generates a file; answers with how many records are labelled, by the generator's own word.
fn generated(path: &str, arguments: &[&str]) -> u64 {
    let given = ["generate", "--quiet", "--out", path];
    let options = Generate::parse_from(given.iter().chain(arguments)).options;
    generate::run(&options).unwrap();
    let records = options.selection.generate(options.scenario, options.rate, options.start).unwrap();
    u64::try_from(records.filter(|generated| generated.kind.is_some()).count()).unwrap()
}

async fn replayed(path: &str, arguments: &[&str]) -> Summary {
    let given = ["replay", "--quiet", "--input", path, "--label-column", "label"];
    let options = Replay::parse_from(given.iter().chain(arguments)).options;
    replay::run(&options).await.unwrap();
    replay::replay(&options).await.unwrap()
}

#[tokio::test]
async fn every_scenario_in_either_format_is_read_back_whole() {
    for scenario in [Scenario::Recipe, Scenario::Retail, Scenario::Fraud] {
        for format in ["jsonl", "csv"] {
            let name = format!("{scenario:?}").to_lowercase();
            let path = file(&format!("scenario-{name}.{format}"));
            let labelled =
                generated(&path, &[&name, "--format", format, "--records", "5000", "--users", "40", "--rate", "300/d"]);
            let input = replayed(&path, &["--no-sweep"]).await.input;
            assert_eq!((input.transactions, input.rejected, input.out_of_order), (5_000, 0, 0), "{name} {format}");
            assert_eq!(input.labelled, Some(labelled), "{name} {format}");
            assert!(input.users <= 40 && (labelled > 0) == (scenario != Scenario::Retail), "{name} {format}");
        }
    }
}

#[tokio::test]
async fn from_nothing_to_a_report_in_two_commands() {
    let (transactions, report) = (file("two-commands.jsonl"), file("two-commands.html"));
    generated(&transactions, &["recipe", "--records", "5000", "--users", "5"]);
    let summary = replayed(&transactions, &["--rule", "adaptive", "--rule", "recipe", "--report", &report]).await;
    let page = std::fs::read_to_string(report).unwrap();
    let quality = summary.rules[0].detection.as_ref().unwrap().quality;
    assert!(quality.precision.unwrap() >= 0.99 && quality.recall.unwrap() >= 0.99, "{quality:?}");
    for rule in &summary.rules {
        assert!(page.contains(&format!("<h2>{}</h2>", rule.label)), "{}", rule.label);
    }
    assert!(page.contains("<strong>5,000</strong> transactions of <strong>5</strong> users"));
}
