//! The model's file.

use anomaly_core::profile::ModelJson;
use training::Fitted;

/// The largest model that goes into the detector's package.
const BYTES_MAX: usize = 64 * 1_024;

/// The model as JSON, a field and a tree a line, with the figures of its training as `trained`.
///
/// # Errors
/// If it is larger than 64 KB.
pub(super) fn json(Fitted { model, report }: &Fitted) -> anyhow::Result<String> {
    let ModelJson { version, features, base, threshold, trees, trained: _ } = model;
    let trees = trees.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    let fields = [
        ("version", serde_json::to_string(version)?),
        ("features", serde_json::to_string(features)?),
        ("base", serde_json::to_string(base)?),
        ("threshold", serde_json::to_string(threshold)?),
        ("trained", serde_json::to_string(report)?),
        ("trees", format!("[\n{}\n]", trees.join(",\n"))),
    ];
    let fields = fields.map(|(name, value)| format!("\"{name}\":{value}"));
    let document = format!("{{\n{}\n}}\n", fields.join(",\n"));
    anyhow::ensure!(
        document.len() <= BYTES_MAX,
        "the model has {} bytes, and the detector takes at most {BYTES_MAX}",
        document.len()
    );
    Ok(document)
}
