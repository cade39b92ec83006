//! A short name for everything that decides a verdict: two detectors of one release with the same id give the same verdicts on the same
//! records.
//!
//! It is a hash of a text that lists the settings in full, the population table and the model by content. What a rule does not look at
//! is not in it: `AMOUNT_UNIT` changes nothing under `plain`. Deliberately absent: the release, whose code is the rest of what decides,
//! and whatever only says how fast, how large or how dear a detector is.

use std::fmt::{self, Write};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::profile::{Feature, Model, Population, ProfileSettings, Tree};
use crate::{Rule, RuleKind};

/// Changes when the text does, so that an id of another form is never taken for one of this form.
const TEXT_VERSION: u32 = 1;

/// Identity of a configuration: 64 bits of hash, as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConfigurationId(u64);

/// Why a text is not the id of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of a configuration is 16 lower-case hexadecimal digits")]
pub struct NotAConfigurationId;

impl TryFrom<String> for ConfigurationId {
    type Error = NotAConfigurationId;

    fn try_from(text: String) -> Result<Self, NotAConfigurationId> {
        let is_id = text.len() == 16 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        let id = is_id.then(|| u64::from_str_radix(&text, 16).ok()).flatten();
        id.map(Self).ok_or(NotAConfigurationId)
    }
}

impl From<ConfigurationId> for String {
    fn from(id: ConfigurationId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for ConfigurationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What decides a verdict beside the rule: which records are accepted, and when a silent user is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surroundings {
    /// How far an event time may be ahead of the arrival, in ms.
    pub clock_skew_ms_max: i64,
    /// How long a state is kept after its last change, in seconds.
    pub state_retention_seconds: u32,
}

impl Rule {
    /// The id of the configuration that this rule makes with what surrounds it.
    #[must_use]
    pub fn configuration_id(&self, surroundings: Surroundings) -> ConfigurationId {
        let mut text = Hashed(Xxh3::new());
        // A hash accepts any text.
        let _ = write_all(&mut text, self, surroundings);
        ConfigurationId(text.0.digest())
    }
}

/// Hashes the text that is written, which with a model can be as large as its file.
struct Hashed(Xxh3);

impl Write for Hashed {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

fn write_all(text: &mut impl Write, rule: &Rule, surroundings: Surroundings) -> fmt::Result {
    let Surroundings { clock_skew_ms_max, state_retention_seconds } = surroundings;
    writeln!(text, "configuration {TEXT_VERSION}")?;
    writeln!(text, "clock_skew_ms_max={clock_skew_ms_max} state_retention_seconds={state_retention_seconds}")?;
    write_rule(text, rule)?;
    rule.second_opinion().map_or(Ok(()), |second| write_rule(text, second))
}

fn write_rule(text: &mut impl Write, rule: &Rule) -> fmt::Result {
    let settings = rule.settings();
    write!(text, "rule={} sigmas={}", settings.kind.as_str(), settings.sigmas)?;
    write!(text, " window_seconds={} observations_min={}", settings.window_seconds, rule.observations_min())?;
    writeln!(text, " floor={} direction={}", settings.stddev_floor_ratio, settings.direction.as_str())?;
    if settings.kind == RuleKind::Profile { write_profile(text, rule.profile_settings()) } else { Ok(()) }
}

fn write_profile(text: &mut impl Write, settings: &ProfileSettings) -> fmt::Result {
    let ProfileSettings { unit, population, model, model_alerts, .. } = settings;
    writeln!(text, "unit={unit}")?;
    population.as_deref().map_or(Ok(()), |population| write_population(text, population))?;
    model.as_deref().map_or(Ok(()), |model| write_model(text, model, *model_alerts))
}

fn write_population(text: &mut impl Write, population: &Population) -> fmt::Result {
    population.knots().iter().try_for_each(|(ln, z)| writeln!(text, "knot ln={ln} z={z}"))
}

fn write_model(text: &mut impl Write, model: &Model, is_alerting: bool) -> fmt::Result {
    let json = model.json();
    writeln!(text, "model={} alerts={is_alerting} base={} threshold={}", json.version, json.base, json.threshold)?;
    let places = json.features.iter().map(|feature| Feature::ALL.iter().position(|other| other == feature));
    places.flatten().try_for_each(|place| writeln!(text, "feature={place}"))?;
    json.trees.iter().try_for_each(|tree| write_tree(text, tree))
}

fn write_tree(text: &mut impl Write, tree: &Tree) -> fmt::Result {
    writeln!(text, "tree nodes={}", tree.f.len())?;
    let nodes = tree.f.iter().zip(&tree.t).zip(&tree.l).zip(&tree.r).zip(&tree.v);
    nodes.into_iter().try_for_each(|((((f, t), l), r), v)| writeln!(text, "f={f} t={t} l={l} r={r} v={v}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::profile::ModelJson;
    use crate::{Direction, ModelMode, RuleSettings};

    const SURROUNDINGS: Surroundings = Surroundings { clock_skew_ms_max: 300_000, state_retention_seconds: 7_776_000 };

    fn rule(settings: RuleSettings) -> Rule {
        Rule::new(settings).unwrap()
    }

    fn id(rule: &Rule) -> ConfigurationId {
        rule.configuration_id(SURROUNDINGS)
    }

    fn model(value: f64) -> Model {
        let tree = Tree {
            f: vec![0, -1, -1],
            t: vec![1.0, 0.0, 0.0],
            l: vec![1, -1, -1],
            r: vec![2, -1, -1],
            v: vec![0.0, value, 1.0],
        };
        let features = vec![Feature::Score];
        Model::try_from(ModelJson { version: 1, features, base: 0.0, threshold: 0.5, trees: vec![tree], trained: None })
            .unwrap()
    }

    fn population(z: f64) -> Population {
        Population::new(&[1.0, 2.0, 3.0], &[0.0, 1.0, z]).unwrap()
    }

    #[test]
    fn the_text_names_every_setting_and_the_id_stays() {
        let mut text = String::new();
        write_all(&mut text, &rule(RuleSettings::default()), SURROUNDINGS).unwrap();
        assert_eq!(
            text,
            "configuration 1\nclock_skew_ms_max=300000 state_retention_seconds=7776000\n\
             rule=adaptive sigmas=2.5 window_seconds=300 observations_min=9 floor=0.05 direction=up\n"
        );
        let id = id(&rule(RuleSettings::default()));
        assert_eq!(id.to_string(), "fa8558cd701d9f45", "messages of earlier releases have this one");
        assert_eq!(ConfigurationId::try_from(id.to_string()), Ok(id));
        for other in ["", "0", "00000000000000000", "000000000000000G", "000000000000000A"] {
            assert_eq!(ConfigurationId::try_from(other.to_owned()), Err(NotAConfigurationId), "{other}");
        }
    }

    #[test]
    fn everything_that_decides_a_verdict_makes_another_id() {
        let adaptive = RuleSettings::default();
        let profile = RuleSettings::of(RuleKind::Profile);
        let with_model = |value, mode| rule(profile).with_model(model(value), mode);
        let rules = [
            rule(adaptive),
            rule(RuleSettings { sigmas: 2.6, ..adaptive }),
            rule(RuleSettings { window_seconds: 600, ..adaptive }),
            rule(RuleSettings { observations_min: Some(10), ..adaptive }),
            rule(RuleSettings { stddev_floor_ratio: 0.1, ..adaptive }),
            rule(RuleSettings { direction: Direction::Both, ..adaptive }),
            rule(RuleSettings::of(RuleKind::Plain)),
            rule(profile),
            rule(RuleSettings { amount_unit: 1.0, ..profile }),
            rule(adaptive).with_second_opinion(rule(profile)),
            rule(adaptive).with_second_opinion(rule(profile).with_population(population(2.0))),
            rule(profile).with_population(population(2.0)),
            rule(profile).with_population(population(2.5)),
            with_model(0.1, ModelMode::Annotate),
            with_model(0.2, ModelMode::Annotate),
            with_model(0.2, ModelMode::Alert),
        ];
        let ids: BTreeSet<ConfigurationId> = rules.iter().map(id).collect();
        assert_eq!(ids.len(), rules.len());
        let skewed = Surroundings { clock_skew_ms_max: 0, ..SURROUNDINGS };
        let forgetful = Surroundings { state_retention_seconds: 86_400, ..SURROUNDINGS };
        assert!([skewed, forgetful].iter().all(|other| !ids.contains(&rules[0].configuration_id(*other))));
    }

    #[test]
    fn what_decides_nothing_changes_nothing() {
        let adaptive = RuleSettings::default();
        let plain = id(&rule(adaptive));
        assert_eq!(id(&rule(RuleSettings { amount_unit: 1.0, ..adaptive })), plain);
        assert_eq!(id(&rule(RuleSettings { observations_min: Some(9), ..adaptive })), plain, "its own default");
        assert_eq!(
            id(&rule(adaptive).with_population(population(2.0)).with_model(model(0.1), ModelMode::Alert)),
            plain
        );
        let profile = rule(RuleSettings::of(RuleKind::Profile));
        assert_eq!(id(&profile.clone().with_model(model(0.1), ModelMode::Off)), id(&profile));
    }
}
