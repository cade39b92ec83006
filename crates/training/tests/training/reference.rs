//! The same trees as the reference in Python: `tests/data/training`.

use anomaly_core::profile::{Feature, Model, ModelJson, Tree};
use serde::Deserialize;
use training::{Boosted, Row, boost};

#[derive(Deserialize)]
struct Expected {
    base: f64,
    trees: Vec<Tree>,
    /// Log-odds of the first hundred rows.
    scores: Vec<f64>,
}

fn read(name: &str) -> String {
    std::fs::read_to_string(format!("{}/../../tests/data/training/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn rows() -> Vec<Row> {
    let row = |line: &str| {
        let numbers: Vec<f64> = line.split(',').map(|number| number.parse().unwrap()).collect();
        let (features, label) = numbers.split_at(Feature::ALL.len());
        let features = features.try_into().unwrap();
        Row { features, event_time_ms: 0, is_judged: true, is_fraud: label == [1.0] }
    };
    read("rows.csv").lines().map(row).collect()
}

fn assert_near(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{what}[{index}]: {found} {expected}");
    }
}

#[test]
fn the_trees_are_those_of_the_reference() {
    let (rows, expected): (_, Expected) = (rows(), serde_json::from_str(&read("trees.json")).unwrap());
    let Boosted { base, trees } = boost(&rows.iter().collect::<Vec<_>>(), || {});
    assert_near(&[base], &[expected.base], "base");
    assert_eq!(trees.len(), expected.trees.len());
    for (number, (found, expected)) in trees.iter().zip(&expected.trees).enumerate() {
        assert_eq!((&found.f, &found.l, &found.r), (&expected.f, &expected.l, &expected.r), "tree {number}");
        assert_near(&found.t, &expected.t, &format!("tree {number} t"));
        assert_near(&found.v, &expected.v, &format!("tree {number} v"));
    }
    let features = Feature::ALL.to_vec();
    let model =
        Model::try_from(ModelJson { version: 1, features, base, threshold: 0.0, trees, trained: None }).unwrap();
    let scores: Vec<f64> = rows.iter().take(100).map(|row| model.log_odds(&row.features)).collect();
    assert_near(&scores, &expected.scores, "log-odds");
}
