use std::path::Path;

use anomaly_core::profile::Model;
use clap::Parser;
use scenarios::{RowFormat, RowWriter, Scenario, Selection};

use super::*;

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = Self(std::env::temp_dir().join(format!("sigma-train-{name}-{}", std::process::id())));
        std::fs::create_dir_all(&folder.0).unwrap();
        folder
    }

    fn options(&self, archive: &Path) -> Options {
        let out = self.0.join("model").join("model.json");
        Cli::parse_from(["train".as_ref(), archive.as_os_str(), "--quiet".as_ref(), "--out".as_ref(), out.as_os_str()])
            .options
    }

    /// Generated transactions with fraud.
    fn archive(&self) -> PathBuf {
        let path = self.0.join("transactions.jsonl");
        let days = 90.0 * 86_400.0;
        let selection = Selection { users: 300, records: None, duration_seconds: Some(days), seed: 5 };
        let mut rows = RowWriter::new(RowFormat::Jsonl, std::fs::File::create(&path).unwrap());
        let rate = 900.0 / 86_400.0;
        for generated in selection.generate(Scenario::Fraud, rate, scenarios::START_MS).unwrap() {
            rows.write(&generated).unwrap();
        }
        rows.finish().unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_model_that_is_written_is_one_that_the_detector_takes() {
    let folder = Folder::new("model");
    let options = folder.options(&folder.archive());
    run(&options).unwrap();
    let text = std::fs::read_to_string(&options.out).unwrap();
    let model: Model = serde_json::from_str(&text).unwrap();
    assert!(model.threshold().is_finite());
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let trained = &document["trained"];
    assert!(trained["frauds"].as_u64().unwrap() > 0);
    let precision = &trained["averagePrecision"];
    assert!(precision["model"].as_f64() > precision["score"].as_f64(), "{precision}");
    // The same archive gives the same bytes.
    run(&options).unwrap();
    assert_eq!(std::fs::read_to_string(&options.out).unwrap(), text);
}

#[test]
fn the_text_has_the_figures_of_both() {
    let folder = Folder::new("text");
    let options = folder.options(&folder.archive());
    let archive = options.archive.read(None, true).unwrap();
    let fitted = fit(&archive, FitSettings { budget: Budget(5.0) }, || {}).unwrap();
    let text = text::text(&fitted, &options.out);
    for expected in ["Trained on 2025-10-09", "Average precision", "Alerts at 0.1 per 1,000", "at most 5 per 1,000"] {
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn without_labels_nothing_is_written_and_the_message_says_what_to_do() {
    let folder = Folder::new("unlabelled");
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/parity/profile/input.jsonl.gz");
    let options = folder.options(&archive);
    let error = run(&options).unwrap_err().to_string();
    assert!(error.contains("--label-column") && error.contains("sigma calibrate"), "{error}");
    assert!(!options.out.exists());
}

#[test]
fn labels_of_a_file_of_their_own_teach_the_same() {
    let folder = Folder::new("labels");
    let archive = folder.archive();
    let with_labels = folder.options(&archive).archive.read(None, true).unwrap();
    let (bare, labels) = (folder.0.join("bare.jsonl"), folder.0.join("labels.jsonl"));
    let (mut records, mut rows) = (String::new(), String::new());
    for line in std::fs::read_to_string(&archive).unwrap().lines() {
        let mut record: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        let label = record.remove("label").unwrap();
        records += &(serde_json::to_string(&record).unwrap() + "\n");
        if label.as_u64() != Some(0) && label != serde_json::json!(false) {
            record.insert("label".to_owned(), "fraud".into());
            rows += &(serde_json::to_string(&record).unwrap() + "\n");
        }
    }
    std::fs::write(&bare, records).unwrap();
    std::fs::write(&labels, rows).unwrap();
    let mut options = folder.options(&bare);
    assert!(!options.archive.read(None, true).unwrap().has_label());
    options.archive.reader.labels = Some(labels);
    let joined = options.archive.read(None, true).unwrap();
    assert!(joined.has_label() && joined.rows().iter().any(|row| row.is_fraud));
    assert!(joined.rows() == with_labels.rows());
}
