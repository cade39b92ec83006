//! Settings that are accepted and have no effect, or that do not fit each other. The function starts with them; its log says so.

use anomaly_core::{Choice, Rule, RuleKind, knobs};
use lambda_kit::Env;

use super::rule::{MODEL, POPULATION};

/// One such setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigWarning {
    /// The environment variable.
    pub variable: &'static str,
    /// What is the matter with it, and what to do.
    pub advice: String,
}

impl ConfigWarning {
    fn new(variable: &'static str, advice: String) -> Self {
        Self { variable, advice }
    }

    /// Writes it to the log.
    pub fn log(&self) {
        tracing::warn!(config.variable = self.variable, "{}", self.advice);
    }
}

/// What is the matter with the settings that help `profile`, in an environment that gives this rule.
pub(super) fn of(env: &Env, rule: &Rule) -> Vec<ConfigWarning> {
    [model_mode(env), second_opinion(env, rule), model(env, rule), population(env, rule), training(rule)]
        .into_iter()
        .flatten()
        .collect()
}

fn model_mode(env: &Env) -> Option<ConfigWarning> {
    let name = knobs::MODEL_MODE.name;
    let mode = other_than_default(env, &knobs::MODEL_MODE).filter(|_| env.text(MODEL).is_none())?;
    let advice = format!(
        "{name} is {mode}, but there is no {MODEL}, so it does nothing: name a model's file in {MODEL}, or unset {name}."
    );
    Some(ConfigWarning::new(name, advice))
}

fn second_opinion(env: &Env, rule: &Rule) -> Option<ConfigWarning> {
    let name = knobs::SECOND_OPINION.name;
    other_than_default(env, &knobs::SECOND_OPINION).filter(|_| is_profile(rule))?;
    let advice = format!(
        "{name} does nothing while profile itself is the rule: unset {name}, or choose another {}.",
        knobs::RULE.name
    );
    Some(ConfigWarning::new(name, advice))
}

fn model(env: &Env, rule: &Rule) -> Option<ConfigWarning> {
    env.text(MODEL).filter(|_| !is_profile(rule))?;
    Some(ConfigWarning::new(MODEL, only_profile(MODEL, rule)))
}

fn population(env: &Env, rule: &Rule) -> Option<ConfigWarning> {
    env.text(POPULATION).filter(|_| !is_profile(rule) && rule.second_opinion().is_none())?;
    Some(ConfigWarning::new(POPULATION, only_profile(POPULATION, rule)))
}

/// A model sees the scores that it was trained on only with the table that it was trained with.
fn training(rule: &Rule) -> Option<ConfigWarning> {
    let profile = rule.profile_settings();
    let has_population = profile.population.is_some();
    let model = profile.model.as_ref().filter(|_| is_profile(rule))?;
    let was_used = model.was_trained_with_population().filter(|was_used| *was_used != has_population)?;
    let advice = if was_used {
        format!(
            "{MODEL} was trained with a population table, but {POPULATION} is not set, so its scores are off: name the same table, or train without one."
        )
    } else {
        format!(
            "{MODEL} was trained without a population table, but {POPULATION} is set, so its scores are off: unset {POPULATION}, or train with the same table."
        )
    };
    Some(ConfigWarning::new(POPULATION, advice))
}

fn only_profile(name: &str, rule: &Rule) -> String {
    let (rule, kind) = (knobs::RULE.name, rule.settings().kind.as_str());
    format!("{name} does nothing while {rule} is {kind}: set {rule} to profile, or unset {name}.")
}

/// The text of a variable that is set to something else than its default, which the template always sets.
fn other_than_default<'a, T: Copy>(env: &'a Env, choice: &Choice<T>) -> Option<&'a str> {
    env.text(choice.name).filter(|text| *text != (choice.name_of)(choice.default))
}

fn is_profile(rule: &Rule) -> bool {
    rule.settings().kind == RuleKind::Profile
}

#[cfg(test)]
mod tests {
    use anomaly_core::ModelMode;
    use anomaly_core::profile::{Model, Population};
    use serde_json::json;

    use super::*;
    use crate::config::rule;
    use crate::config::rule::tests::{MODEL_FILE, POPULATION_FILE};

    /// The variables that are warned of.
    fn warned(pairs: &[(&str, &str)]) -> Vec<&'static str> {
        let env = Env::from_pairs(pairs.iter().copied());
        let warnings = of(&env, &rule::from_env(&env).unwrap());
        assert!(warnings.iter().all(|warning| warning.advice.contains(warning.variable)), "{warnings:?}");
        warnings.into_iter().map(|warning| warning.variable).collect()
    }

    #[test]
    fn what_does_something_is_not_warned_of() {
        let (population, model) = (("POPULATION", POPULATION_FILE), ("MODEL", MODEL_FILE));
        for pairs in [
            &[][..],
            &[("MODEL_MODE", "annotate"), ("SECOND_OPINION", "none"), ("RULE", "profile")],
            &[("RULE", "profile"), population, model, ("MODEL_MODE", "alert")],
            &[("RULE", "profile"), model, ("MODEL_MODE", "off")],
            &[("SECOND_OPINION", "profile"), population],
        ] {
            assert_eq!(warned(pairs), [""; 0], "{pairs:?}");
        }
    }

    #[test]
    fn what_does_nothing_is_warned_of() {
        let (population, model) = (("POPULATION", POPULATION_FILE), ("MODEL", MODEL_FILE));
        assert_eq!(warned(&[("RULE", "profile"), ("MODEL_MODE", "alert")]), ["MODEL_MODE"]);
        assert_eq!(warned(&[("RULE", "profile"), ("SECOND_OPINION", "profile")]), ["SECOND_OPINION"]);
        assert_eq!(warned(&[model, population]), ["MODEL", "POPULATION"]);
        assert_eq!(warned(&[("RULE", "plain"), model, population, ("SECOND_OPINION", "profile")]), ["MODEL"]);
    }

    #[test]
    fn a_model_is_warned_of_without_the_kind_of_table_that_it_was_trained_with() {
        let population: Population = serde_json::from_value(json!({"ln": [1, 2, 3], "z": [0, 1, 2]})).unwrap();
        let is_warned = |was_used: Option<bool>, is_set: bool, mode: ModelMode| {
            let trained = was_used.map(|was_used| json!({"hasPopulation": was_used, "transactions": 9}));
            let model =
                json!({"version": 1, "features": [], "base": 0, "threshold": 0, "trees": [], "trained": trained});
            let model: Model = serde_json::from_value(model).unwrap();
            let rule = rule::from_env(&Env::from_pairs([("RULE", "profile")])).unwrap().with_model(model, mode);
            let rule = if is_set { rule.with_population(population.clone()) } else { rule };
            let warnings = of(&Env::default(), &rule);
            warnings.iter().any(|warning| warning.variable == POPULATION && warning.advice.contains("trained"))
        };
        for is_used in [true, false] {
            assert!(is_warned(Some(is_used), !is_used, ModelMode::Annotate));
            assert!(!is_warned(Some(is_used), is_used, ModelMode::Annotate), "the same");
            assert!(!is_warned(Some(is_used), !is_used, ModelMode::Off), "it is not asked");
            assert!(!is_warned(None, is_used, ModelMode::Alert), "its file does not say");
        }
    }
}
