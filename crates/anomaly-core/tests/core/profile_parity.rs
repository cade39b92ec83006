//! Agreement of `profile` with an independent reference, line by line (`tests/data/parity/README.md`).

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::sync::Arc;

use anomaly_core::profile::{Feature, Judgement, Model, Opinion, Population, Power, Profile, ProfileSettings};
use anomaly_core::{Direction, RawTransaction, RuleKind};
use serde_json::Value;

/// Relative, or absolute below 1.
const TOLERANCE: f64 = 1e-6;
const WINDOW_MS: i64 = 300_000;
/// The reference's names of the features.
const NAMES: [&str; 10] = ["z", "H", "zV10", "zV1h", "zV1d", "zS1d", "hour", "mnew", "lnx", "hod"];

fn data(name: &str) -> String {
    let path = format!("{}/../../tests/data/parity/profile/{name}", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
    text
}

fn settings() -> ProfileSettings {
    ProfileSettings {
        sigmas: RuleKind::Profile.sigmas(),
        direction: Direction::Up,
        observations_min: RuleKind::Profile.observations_min(),
        spread_ratio_min: 0.05,
        unit: 0.01,
        population: None,
        model: None,
        model_alerts: false,
        keeps_context: true,
    }
}

/// The verdict and everything that the reference tells of a transaction. `Err` if it is late.
fn step(
    profiles: &mut HashMap<String, Profile>,
    line: &str,
    settings: &ProfileSettings,
) -> Result<Option<Judgement>, ()> {
    let raw: RawTransaction = serde_json::from_str(line).unwrap();
    let profile = profiles.entry(raw.user_id.0.to_string()).or_default();
    if profile.newest_event_time_ms().is_some_and(|newest| raw.timestamp <= newest - WINDOW_MS) {
        return Err(());
    }
    let merchant_id = raw.merchant_id.as_ref().map(|merchant| merchant.0.as_ref());
    Ok(profile.step(raw.amount, raw.timestamp, merchant_id, settings))
}

fn close(ours: f64, theirs: &Value) -> bool {
    let theirs = theirs.as_f64().unwrap();
    (ours - theirs).abs() <= TOLERANCE * ours.abs().max(theirs.abs()).max(1.0)
}

/// What differs from the reference; empty if nothing does. `is_even` says that all transforms fit
/// equally well: all amounts before were the same, or the one before made a new level. Rounding then decides which one is told.
fn difference(
    ours: Result<Option<Judgement>, ()>,
    theirs: &Value,
    is_even: bool,
    model: Option<&Model>,
) -> Vec<String> {
    let verdict = match &ours {
        Err(()) => "late",
        Ok(None) => "warming_up",
        Ok(Some(judgement)) if judgement.is_anomaly => "anomaly",
        Ok(Some(_)) => "normal",
    };
    let mut different = Vec::new();
    if theirs["verdict"] != verdict {
        different.push(format!("verdict {verdict}"));
    }
    let Ok(Some(judgement)) = ours else { return different };
    if theirs["newLevel"].as_bool().unwrap_or_default() != judgement.is_new_level {
        different.push(format!("new level {}", judgement.is_new_level));
    }
    let lambda = Power::lambda(judgement.power);
    let is_tied = is_even && !close(lambda, &theirs["lambda"]);
    let numbers = [
        ("score", judgement.score),
        ("own", judgement.own),
        ("habit", judgement.habit),
        ("heat", judgement.heat),
        ("population", judgement.population),
        ("lambda", lambda),
        ("usual", judgement.usual),
        ("threshold", judgement.threshold),
    ];
    let features = judgement.features.unwrap();
    let named = NAMES.into_iter().zip(features).map(|(name, value)| (name, value, &theirs["features"][name]));
    let numbers = numbers.into_iter().map(|(name, value)| (name, value, &theirs[name])).chain(named);
    let numbers = numbers.filter(|(name, _, _)| !is_tied || !["lambda", "threshold"].contains(name));
    different.extend(
        numbers.filter(|(_, ours, theirs)| !close(*ours, theirs)).map(|(name, ours, _)| format!("{name} {ours}")),
    );
    let opinion = model.map(|model| model.opinion(&features));
    different.extend(opinion.iter().flat_map(|opinion| model_difference(opinion, theirs)));
    different
}

fn model_difference(opinion: &Opinion, theirs: &Value) -> Vec<String> {
    let part = |(feature, part): (Feature, f64)| {
        let place = Feature::ALL.iter().position(|other| *other == feature).unwrap();
        (NAMES[place], part, &theirs["modelParts"][NAMES[place]])
    };
    let parts = opinion.parts.into_iter().flatten().map(part);
    let numbers = [("model", opinion.log_odds, &theirs["model"])].into_iter().chain(parts);
    numbers.filter(|(_, ours, theirs)| !close(*ours, theirs)).map(|(name, ours, _)| format!("{name} {ours}")).collect()
}

/// What came before a transaction.
#[derive(Default)]
struct Past {
    amounts: HashSet<u64>,
    is_at_new_level: bool,
}

impl Past {
    fn is_even(&self) -> bool {
        self.amounts.len() == 1 || self.is_at_new_level
    }
}

fn user_and_amount(line: &str) -> (String, f64) {
    let raw: RawTransaction = serde_json::from_str(line).unwrap();
    (raw.user_id.0.to_string(), raw.amount)
}

/// Returns how many lines the reference has as anomalies and as new levels.
fn assert_parity(expected: &str, settings: &ProfileSettings) -> (usize, usize) {
    let (input, expected) = (data("input.jsonl.gz"), data(expected));
    let (mut profiles, mut pasts, mut anomalies, mut levels) = (HashMap::new(), HashMap::new(), 0, 0);
    assert_eq!(input.lines().count(), expected.lines().count());
    for (number, (line, theirs)) in input.lines().zip(expected.lines()).enumerate() {
        let theirs: Value = serde_json::from_str(theirs).unwrap();
        let (user_id, amount) = user_and_amount(line);
        let past: &mut Past = pasts.entry(user_id).or_default();
        let different =
            difference(step(&mut profiles, line, settings), &theirs, past.is_even(), settings.model.as_deref());
        past.amounts.insert(amount.to_bits());
        past.is_at_new_level = theirs["newLevel"] == true;
        assert!(different.is_empty(), "line {}: {different:?}\n{line}\n{theirs}", number + 1);
        anomalies += usize::from(theirs["verdict"] == "anomaly");
        levels += usize::from(theirs["newLevel"] == true);
    }
    (anomalies, levels)
}

#[test]
fn every_line_agrees_with_the_reference() {
    let (anomalies, levels) = assert_parity("expected.jsonl.gz", &settings());
    println!("{anomalies} anomalies, {levels} new levels");
    assert!(anomalies > 100 && levels > 0);
}

#[test]
fn every_line_agrees_with_the_reference_with_a_population_and_a_model() {
    let population: Population =
        serde_json::from_str(include_str!("../../../../tests/data/parity/profile/population.json")).unwrap();
    let model: Model = serde_json::from_str(include_str!("../../../../tests/data/parity/profile/model.json")).unwrap();
    let settings = ProfileSettings {
        population: Some(Arc::new(population)),
        model: Some(Arc::new(model)),
        model_alerts: true,
        ..settings()
    };
    let (anomalies, _) = assert_parity("expected_population_model.jsonl.gz", &settings);
    println!("{anomalies} anomalies");
    assert!(anomalies > 200);
}
