//! `sigma calibrate`: thresholds that keep a budget of alerts, and the table of what is large for everybody. Needs no labels.

use std::path::{Path, PathBuf};

use anomaly_core::profile::Model;
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use training::{Budget, Calibration, Thresholds};

use crate::archive::{ArchiveOptions, budget};
use crate::files;
use crate::output::{Output, say};

/// Flags of `sigma calibrate`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Memory: 96 bytes a transaction, and some more while thresholds are searched.\n\n\
    Examples:\n  \
    sigma calibrate transactions.jsonl --out population.json\n  \
    sigma calibrate card.csv --user-column cc_num --budget 0.5 --out population.json\n  \
    sigma calibrate archive/2026/ --model model/model.json --out population.json --json\n  \
    sigma replay --input transactions.jsonl --rule profile --sigmas 3.4 --population population.json\n\n\
    docs/training.md describes the figures and the file.")]
pub struct Options {
    /// The archive.
    #[command(flatten)]
    pub archive: ArchiveOptions,
    /// File to write: the population table.
    #[arg(long, short, value_name = "FILE.json")]
    pub out: PathBuf,
    /// Alerts per 1,000 transactions.
    #[arg(long, default_value = "1", value_parser = budget, help_heading = "Alerts")]
    pub budget: Budget,
    /// A model, as `sigma train` writes it: also print the threshold that keeps the budget.
    #[arg(long, value_name = "FILE.json")]
    pub model: Option<PathBuf>,
    /// Output.
    #[command(flatten)]
    pub output: Output,
}

/// Calibrates, writes the population table and prints the thresholds.
///
/// # Errors
/// If the archive cannot be read or is too small, or if the table cannot be written.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let model: Option<Model> = options.model.as_deref().map(files::read_json).transpose()?;
    let archive = options.archive.read(None, options.output.quiet)?;
    let calibration = training::calibrate(&archive, options.budget, model.as_ref())?;
    files::write(&options.out, &(serde_json::to_string(&calibration.population)? + "\n"))?;
    if let Some(text) = options.output.render(&calibration, || text(&calibration, &options.out))? {
        say(text);
    }
    Ok(())
}

fn text(calibration: &Calibration, out: &Path) -> String {
    let Calibration { transactions, measured_on, budget, .. } = calibration;
    let mut lines = vec![
        format!("{transactions} transactions. Budget: {} alerts per 1,000, on the last {measured_on}", budget.0),
        table(calibration).to_string(),
    ];
    if calibration.exceeds_budget() {
        lines.push("Warning: even the highest SIGMAS gives more alerts than the budget.".to_owned());
    }
    lines.push(format!("Wrote {}.", out.display()));
    lines.join("\n")
}

fn table(calibration: &Calibration) -> Table {
    let [without, with] = [calibration.without_population, calibration.with_population];
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(["RULE=profile", "without the table", "with the table"]);
    let mut row = |name: &str, cell: &dyn Fn(Thresholds) -> String| {
        table.add_row([name.to_owned(), cell(without), cell(with)]);
    };
    row("SIGMAS", &|thresholds| format!("{:.2}", thresholds.sigmas));
    row("Alerts", &|thresholds| thresholds.alerts.to_string());
    if without.model_threshold.is_some() {
        row("Threshold of the model", &|thresholds| format!("{:.4}", thresholds.model_threshold.unwrap_or_default()));
        row("Alerts of the model", &|thresholds| thresholds.model_alerts.unwrap_or_default().to_string());
    }
    for index in 1..=2 {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use anomaly_core::profile::Population;
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }

    fn archive(name: &str) -> String {
        format!("{}/../../tests/data/{name}", env!("CARGO_MANIFEST_DIR"))
    }

    #[test]
    fn the_table_that_is_written_can_be_read_by_a_backtest() {
        let path = std::env::temp_dir().join(format!("sigma-population-{}.json", std::process::id()));
        let arguments =
            ["calibrate", &archive("parity/profile/input.jsonl.gz"), "--quiet", "--out", path.to_str().unwrap()];
        run(&Cli::parse_from(arguments).options).unwrap();
        let table: Population = files::read_json(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(table.bonus(40.0) > 0.0);
    }

    #[test]
    fn the_text_names_the_sigmas() {
        let options =
            Cli::parse_from(["calibrate", &archive("parity/profile/input.jsonl.gz"), "--out", "p.json"]).options;
        let read = options.archive.read(None, true).unwrap();
        let calibration = training::calibrate(&read, Budget(5.0), None).unwrap();
        let text = text(&calibration, &options.out);
        let sigmas = format!("{:.2}", calibration.without_population.sigmas);
        assert!(text.contains(&sigmas) && text.ends_with("Wrote p.json."), "{text}");
    }

    #[test]
    fn an_archive_without_enough_transactions_is_refused() {
        let options = Cli::parse_from(["calibrate", &archive("replay/mixed.jsonl"), "--quiet", "--out", "/dev/null"]);
        let error = run(&options.options).unwrap_err().to_string();
        assert!(error.starts_with("15 transactions are too few"), "{error}");
    }

    #[test]
    fn a_budget_out_of_range_is_a_wrong_call() {
        for budget in ["0", "-1", "1001", "nan", "few"] {
            let error = Cli::try_parse_from(["calibrate", "a", "--out", "p.json", "--budget", budget]).unwrap_err();
            assert_eq!(error.exit_code(), 2);
        }
    }
}
