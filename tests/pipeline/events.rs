//! Every file of `events/` through the real handlers, compared with its `.expected.json`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::fixtures::{AlerterBench, DetectorBench, invocation};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../events")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

/// Names of the events with this prefix, without their extension.
fn names(prefix: &str) -> Vec<String> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names = files.filter_map(|file| file.strip_suffix(".expected.json").map(str::to_owned));
    let mut names: Vec<String> = names.filter(|name| name.starts_with(prefix)).collect();
    names.sort();
    names
}

#[test]
fn every_event_has_an_expectation_and_every_expectation_an_event() {
    let events = std::fs::read_dir(folder()).unwrap().count();
    let readme = 1;
    assert_eq!(events - readme, 2 * (names("kinesis-").len() + names("sqs-").len()));
}

fn expected(name: &str) -> Value {
    serde_json::from_str(&read(&format!("{name}.expected.json"))).unwrap()
}

fn strings(expected: &Value, key: &str) -> Vec<String> {
    let list = expected.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    list.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Asserts that each text starts as expected and that there are no others.
fn assert_texts(texts: &[String], expected: &Value, name: &str) {
    let starts = strings(expected, "alerts");
    assert_eq!(texts.len(), starts.len(), "{name}: {texts:?}");
    for (text, start) in texts.iter().zip(starts) {
        assert!(text.starts_with(&start), "{name}: {text}");
    }
}

async fn detect(name: &str) {
    let (bench, expected) = (DetectorBench::new(), expected(name));
    if let Some(before) = expected.get("after").and_then(Value::as_str) {
        bench.handle(&read(&format!("{before}.json"))).await;
        assert!(!bench.anomalies.take().is_empty());
    }
    let outcome = bench.detector.handle(&read(&format!("{name}.json")), &invocation(&bench.clock)).await.unwrap();
    assert_eq!(serde_json::to_value(&outcome.response).unwrap(), expected["response"], "{name}");
    let (summary, verdicts) = (&outcome.summary, outcome.summary.verdicts);
    for (key, count) in expected["counts"].as_object().unwrap() {
        let found = match key.as_str() {
            "records" => summary.records,
            "warmingUp" => verdicts.warming_up,
            "normal" => verdicts.normal,
            "anomalies" => verdicts.anomalies(),
            "duplicates" => verdicts.duplicates,
            "late" => verdicts.late,
            other => panic!("{name}: unknown count {other}"),
        };
        assert_eq!(json!(found), *count, "{name}: {key}");
    }
    let message = |body: &String| serde_json::from_str::<anomaly_core::AnomalyMessage>(body).unwrap().text();
    assert_texts(&bench.anomalies.take().iter().map(message).collect::<Vec<_>>(), &expected, name);
    let reason = |body: &String| serde_json::from_str::<Value>(body).unwrap()["reason"].as_str().unwrap().to_owned();
    let reasons: Vec<String> = bench.quarantine.take().iter().map(reason).collect();
    assert_eq!(reasons, strings(&expected, "quarantined"), "{name}");
}

async fn alert(name: &str) {
    let (bench, expected) = (AlerterBench::new(), expected(name));
    if let Some(before) = expected.get("after").and_then(Value::as_str) {
        bench.handle(&read(&format!("{before}.json"))).await;
        assert!(!bench.publisher.take().is_empty());
    }
    let counted_before = bench.metric.sum();
    let outcome = bench.alerter.handle(&read(&format!("{name}.json")), &invocation(&bench.clock)).await.unwrap();
    assert_eq!(serde_json::to_value(&outcome.response).unwrap(), expected["response"], "{name}");
    let summary = outcome.summary;
    let counts = json!({
        "messages": summary.messages, "alerts": summary.alerts, "publications": summary.publications,
        "suppressed": summary.suppressed,
    });
    assert_eq!(counts, expected["counts"], "{name}");
    assert_eq!(json!(bench.metric.sum() - counted_before), expected["anomalyCount"], "{name}");
    let texts: Vec<String> = bench.publisher.take().into_iter().map(|publication| publication.email).collect();
    assert_texts(&texts, &expected, name);
}

#[tokio::test]
async fn every_kinesis_event_has_its_expected_outcome() {
    let names = names("kinesis-");
    assert!(names.len() >= 7, "{names:?}");
    for name in names {
        detect(&name).await;
    }
}

#[tokio::test]
async fn every_sqs_event_has_its_expected_outcome() {
    let names = names("sqs-");
    assert!(names.len() >= 4, "{names:?}");
    for name in names {
        alert(&name).await;
    }
}

#[tokio::test]
async fn the_whole_folder_can_run_against_one_store_in_any_order() {
    let mut names = names("kinesis-");
    for _ in 0..names.len() {
        let bench = DetectorBench::new();
        for name in &names {
            let (failed, _) = bench.handle(&read(&format!("{name}.json"))).await;
            assert_eq!(failed, None, "{name}");
        }
        names.rotate_left(1);
    }
}

#[tokio::test]
async fn events_of_another_kind_are_refused_and_not_treated_as_empty() {
    let (detector, alerter) = (DetectorBench::new(), AlerterBench::new());
    for event in ["{}", "null", r#"{"Records":{}}"#] {
        assert!(detector.detector.handle(event, &invocation(&detector.clock)).await.is_err(), "{event}");
        assert!(alerter.alerter.handle(event, &invocation(&alerter.clock)).await.is_err(), "{event}");
    }
    let (failed, summary) = detector.handle(r#"{"Records":[]}"#).await;
    assert_eq!((failed, summary.records), (None, 0));
}
