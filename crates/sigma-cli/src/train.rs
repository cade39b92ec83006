//! `sigma train`: a model for the rule `profile` from labelled transactions.
//!
//! The work is done by `training`. A model that is not better than the rule alone is not written.

mod document;
#[cfg(test)]
mod tests;
mod text;

use std::path::PathBuf;

use clap::Args;
use training::{Budget, FitSettings, ROUNDS, fit};

use crate::archive::{ArchiveOptions, budget};
use crate::files;
use crate::output::{Output, say};
use crate::progress::Progress;

/// Flags of `sigma train`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Memory: 96 bytes a transaction, and about half as much again while the trees grow.\n\n\
    Examples:\n  \
    sigma train transactions.jsonl --out model/model.json\n  \
    sigma train card.csv --label-column is_fraud --budget 5 --out model/model.json\n  \
    sigma train archive/2026/ --population population.json --out model/model.json --json > report.json\n  \
    sigma replay --input transactions.jsonl --rule profile --model model/model.json\n\n\
    docs/training.md describes the split, the figures and the file.")]
pub struct Options {
    /// The archive, with labels.
    #[command(flatten)]
    pub archive: ArchiveOptions,
    /// File to write: the model, at most 64 KB of JSON.
    #[arg(long, short, value_name = "FILE.json")]
    pub out: PathBuf,
    /// Alerts per 1,000 transactions that the model's threshold allows.
    #[arg(long, default_value = "1", value_parser = budget, help_heading = "Alerts")]
    pub budget: Budget,
    /// What is large for everybody, as `sigma calibrate` writes it. The detector then needs the same table.
    #[arg(long, value_name = "FILE.json")]
    pub population: Option<PathBuf>,
    /// Output.
    #[command(flatten)]
    pub output: Output,
}

/// Trains, measures, and writes the model if it is better than the rule alone.
///
/// # Errors
/// If the archive cannot be read, cannot teach anything, or teaches nothing; or if the model cannot be written.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let population = options.population.as_deref().map(files::read_json).transpose()?;
    let archive = options.archive.read(population, options.output.quiet)?;
    let mut progress = Progress::new("trees", ROUNDS.into(), options.output.quiet);
    let fitted = fit(&archive, FitSettings { budget: options.budget }, || progress.advance(1));
    progress.finish();
    let fitted = fitted?;
    files::write(&options.out, &document::json(&fitted)?)?;
    if let Some(text) = options.output.render(&fitted.report, || text::text(&fitted, &options.out))? {
        say(text);
    }
    Ok(())
}
