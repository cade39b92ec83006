//! The rule as configured: its knobs, and the documents that help `profile`.

use anomaly_core::profile::{Model, Population};
use anomaly_core::{KnobRow, ModelMode, Rule, RuleKind, RuleSettings, knobs};
use lambda_kit::{Env, EnvError};
use serde::de::DeserializeOwned;

pub(super) const POPULATION: &str = "POPULATION";
pub(super) const MODEL: &str = "MODEL";
/// Largest document, in bytes.
const BYTES_MAX: usize = 64 * 1024;

/// The variables that name a document.
pub(super) fn documents() -> [KnobRow; 2] {
    let population = "the file with what is large for everybody, for `profile`; `sigma calibrate` writes it";
    let model = "the file with a trained model, for `profile`; `sigma train` writes it";
    [(POPULATION, population), (MODEL, model)].map(|(name, meaning)| KnobRow::text(name, "none", "a path", meaning))
}

/// The rule, with what helps it.
pub(super) fn from_env(env: &Env) -> Result<Rule, EnvError> {
    let settings = settings(env)?;
    let population: Option<Population> = document(env, POPULATION)?;
    let (model, mode) = (document(env, MODEL)?, env.choice(&knobs::MODEL_MODE)?);
    let is_second_asked = env.choice(&knobs::SECOND_OPINION)?;
    let rule = with(Rule::new(settings)?, population.clone(), model, mode);
    if !is_second_asked {
        return Ok(rule);
    }
    let second = RuleSettings {
        kind: RuleKind::Profile,
        sigmas: RuleKind::Profile.sigmas(),
        observations_min: None,
        ..settings
    };
    Ok(rule.with_second_opinion(with(Rule::new(second)?, population, None, ModelMode::Off)))
}

fn with(rule: Rule, population: Option<Population>, model: Option<Model>, mode: ModelMode) -> Rule {
    let rule = population.into_iter().fold(rule, Rule::with_population);
    model.into_iter().fold(rule, |rule, model| rule.with_model(model, mode))
}

fn settings(env: &Env) -> Result<RuleSettings, EnvError> {
    let kind = env.choice(&knobs::RULE)?;
    let is_observations_set = env.text(knobs::MIN_OBSERVATIONS.name).is_some();
    let sigmas = knobs::SIGMAS;
    Ok(RuleSettings {
        kind,
        sigmas: env.parsed_with(sigmas.name, sigmas.accepts(), kind.sigmas(), |text| sigmas.parse(text))?,
        window_seconds: env.knob(&knobs::WINDOW_SECONDS)?,
        observations_min: is_observations_set.then(|| env.knob(&knobs::MIN_OBSERVATIONS)).transpose()?,
        stddev_floor_ratio: env.knob(&knobs::STDDEV_FLOOR_RATIO)?,
        direction: env.choice(&knobs::DIRECTION)?,
        amount_unit: env.knob(&knobs::AMOUNT_UNIT)?,
    })
}

/// The document in the file that a variable names.
fn document<T: DeserializeOwned>(env: &Env, name: &'static str) -> Result<Option<T>, EnvError> {
    let Some(path) = env.text(name) else { return Ok(None) };
    let unusable = |reason: String| EnvError::Unusable { name, reason: format!("{path}: {reason}") };
    let json = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
    if json.len() > BYTES_MAX {
        return Err(unusable(format!("it has {} bytes; at most {BYTES_MAX} are read", json.len())));
    }
    serde_json::from_slice(&json).map(Some).map_err(|error| unusable(error.to_string()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const MODEL_FILE: &str =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/parity/profile/model.json");
    pub(crate) const POPULATION_FILE: &str =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/parity/profile/population.json");

    fn rule(pairs: &[(&str, &str)]) -> Result<Rule, EnvError> {
        from_env(&Env::from_pairs(pairs.iter().copied()))
    }

    fn error(pairs: &[(&str, &str)]) -> String {
        rule(pairs).unwrap_err().to_string()
    }

    #[test]
    fn each_rule_has_its_own_sigmas_unless_they_are_set() {
        assert_eq!(rule(&[]).unwrap().settings().sigmas, 2.5);
        assert_eq!(rule(&[("RULE", "profile")]).unwrap().settings().sigmas, 3.25);
        assert_eq!(rule(&[("RULE", "profile"), ("SIGMAS", "4")]).unwrap().settings().sigmas, 4.0);
        let both = rule(&[("SIGMAS", "3"), ("SECOND_OPINION", "profile"), ("MIN_OBSERVATIONS", "12")]).unwrap();
        let second = both.second_opinion().unwrap();
        assert_eq!((second.settings().sigmas, second.observations_min()), (3.25, 3));
    }

    #[test]
    fn the_documents_reach_the_rule() {
        let pairs = [("RULE", "profile"), ("POPULATION", POPULATION_FILE), ("MODEL", MODEL_FILE)];
        let settings = rule(&pairs).unwrap().profile_settings().clone();
        assert!(settings.population.is_some() && settings.model.is_some() && settings.keeps_context);
        assert!(!settings.model_alerts, "it annotates unless it is told to alert");
        let off = [&pairs[..], &[("MODEL_MODE", "off")]].concat();
        assert!(!rule(&off).unwrap().profile_settings().keeps_context);
    }

    /// The error for a document with this content.
    fn error_for(name: &'static str, json: &str) -> String {
        let path = std::env::temp_dir().join(format!("sigma-{name}-{}.json", std::process::id()));
        std::fs::write(&path, json).unwrap();
        let error = error(&[(name, path.to_str().unwrap())]);
        std::fs::remove_file(&path).unwrap();
        let prefix = format!("{name} cannot be used: {}: ", path.display());
        error.strip_prefix(&prefix).unwrap_or_else(|| panic!("{error}")).to_owned()
    }

    #[test]
    fn a_malformed_document_stops_the_start_and_names_the_field() {
        assert!(error(&[("MODEL", "/no/such.json")]).starts_with("MODEL cannot be used: /no/such.json: No such"));
        assert!(error_for("POPULATION", "{}").starts_with("missing field `ln`"));
        assert!(error_for("POPULATION", r#"{"ln":[1,2],"z":[0,1]}"#).starts_with("ln must have 3 to 32 numbers"));
        let unknown = r#"{"version":1,"features":["shoeSize"],"base":0,"threshold":0,"trees":[]}"#;
        assert!(error_for("MODEL", unknown).starts_with("unknown variant `shoeSize`"));
        let newer = r#"{"version":2,"features":[],"base":0,"threshold":0,"trees":[]}"#;
        assert!(error_for("MODEL", newer).starts_with("version must be 1"));
        assert!(error_for("MODEL", &" ".repeat(70_000)).starts_with("it has 70000 bytes"));
    }
}
