//! A trained second opinion: a sum of small decision trees over the features of a transaction.

use std::hint::select_unpredictable;

use serde::{Deserialize, Serialize};

use super::ProfileError;

/// The version of the model's JSON that this code reads.
pub const MODEL_VERSION: u32 = 1;
/// Most trees and nodes: a step has to stay within a microsecond or two, and the file within 64 KB.
const TREES_MAX: usize = 200;
const NODES_PER_TREE_MAX: usize = 63;
/// Beyond any odds.
const LOG_ODDS_MAX: f64 = 1e6;
/// Features whose parts are told.
const PARTS_TOLD: usize = 3;

/// What a model may look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Feature {
    /// The score of the rule.
    Score,
    /// Recent excess over the usual.
    Heat,
    /// Normal deviate of the decayed count of transactions of ten minutes.
    #[serde(rename = "count10m")]
    Count10Minutes,
    /// Of an hour.
    #[serde(rename = "count1h")]
    CountHour,
    /// Of a day.
    #[serde(rename = "count1d")]
    CountDay,
    /// Normal deviate of the decayed sum of a day.
    #[serde(rename = "sum1d")]
    SumDay,
    /// How unusual the hour is for the user.
    HourSurprise,
    /// How unusual a new merchant is for the user, if this is one.
    MerchantSurprise,
    /// Natural logarithm of the amount.
    LnAmount,
    /// Hour of the day in UTC.
    HourOfDay,
}

/// The values of all features of one transaction, in the order of [`Feature::ALL`].
pub type Features = [f64; Feature::ALL.len()];

impl Feature {
    /// Every feature.
    pub const ALL: [Self; 10] = [
        Self::Score,
        Self::Heat,
        Self::Count10Minutes,
        Self::CountHour,
        Self::CountDay,
        Self::SumDay,
        Self::HourSurprise,
        Self::MerchantSurprise,
        Self::LnAmount,
        Self::HourOfDay,
    ];

    /// Its place in [`Self::ALL`] and in [`Features`].
    const fn index(self) -> usize {
        match self {
            Self::Score => 0,
            Self::Heat => 1,
            Self::Count10Minutes => 2,
            Self::CountHour => 3,
            Self::CountDay => 4,
            Self::SumDay => 5,
            Self::HourSurprise => 6,
            Self::MerchantSurprise => 7,
            Self::LnAmount => 8,
            Self::HourOfDay => 9,
        }
    }

    /// Its value in a row of features.
    #[must_use]
    pub fn value(self, features: &Features) -> f64 {
        features.get(self.index()).copied().unwrap_or_default()
    }
}

/// Gradient-boosted trees (J. H. Friedman, "Greedy function approximation: a gradient boosting machine", The Annals of Statistics 29,
/// 2001) on the logistic loss. `sigma train` writes one as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ModelJson", into = "ModelJson")]
pub struct Model {
    /// The nodes of all trees.
    nodes: Vec<Node>,
    roots: Vec<Root>,
    base: f64,
    threshold: f64,
    json: ModelJson,
}

/// Where a tree begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Root {
    node: usize,
    /// Steps to the deepest leaf.
    depth: usize,
}

/// One node. A leaf leads to itself, so that every descent of a tree takes the same number of steps: a processor that had to guess
/// the ways and their ends would be wrong at every second.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Node {
    feature: Feature,
    cut: f64,
    /// Goes left up to the cut, right above it.
    left: usize,
    right: usize,
    value: f64,
}

/// The JSON form of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelJson {
    /// [`MODEL_VERSION`].
    pub version: u32,
    /// The features that the trees refer to by index.
    pub features: Vec<Feature>,
    /// Log-odds before any tree.
    pub base: f64,
    /// Log-odds above which the model calls a transaction an anomaly.
    pub threshold: f64,
    /// The trees.
    pub trees: Vec<Tree>,
    /// How it was trained, if the file says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained: Option<Training>,
}

/// What matters to the rule of how a model was trained. The file may say more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Training {
    /// Whether the scores that it was trained on came with a population table, if the file says so.
    pub has_population: Option<bool>,
}

/// One tree as parallel lists, a node an index; the root is 0 and children come after their parents.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tree {
    /// Index of the feature, −1 for a leaf.
    pub f: Vec<i32>,
    /// Cut: values up to it go left.
    pub t: Vec<f64>,
    /// Left child, −1 for a leaf.
    pub l: Vec<i32>,
    /// Right child, −1 for a leaf.
    pub r: Vec<i32>,
    /// Value: the log-odds that it adds as a leaf.
    pub v: Vec<f64>,
}

/// What a model says of a transaction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Opinion {
    /// Log-odds that it is fraud.
    pub log_odds: f64,
    /// Log-odds above which the model calls it an anomaly.
    pub threshold: f64,
    /// The features that moved it most, with the log-odds that each added.
    pub parts: [Option<(Feature, f64)>; PARTS_TOLD],
}

impl Node {
    /// Whether the node of this index is a leaf.
    const fn is_leaf(&self, index: usize) -> bool {
        self.left == index
    }
}

impl Model {
    /// The model as its file has it.
    pub(crate) const fn json(&self) -> &ModelJson {
        &self.json
    }

    /// Log-odds above which the model calls a transaction an anomaly.
    #[must_use]
    pub const fn threshold(&self) -> f64 {
        self.threshold
    }

    /// Whether the rule had a population table when the model was trained; `None` if the file does not say.
    #[must_use]
    pub fn was_trained_with_population(&self) -> Option<bool> {
        self.json.trained.and_then(|training| training.has_population)
    }

    /// Log-odds that a transaction with these features is fraud.
    #[must_use]
    pub fn log_odds(&self, features: &Features) -> f64 {
        self.sum(features, |_, _| {})
    }

    /// The model's opinion in full. Every feature's part is the sum of the differences of node values along the paths.
    #[must_use]
    pub fn opinion(&self, features: &Features) -> Opinion {
        let mut parts = [0.0; Feature::ALL.len()];
        let log_odds = self.sum(features, |feature, change| {
            if let Some(part) = parts.get_mut(feature.index()) {
                *part += change;
            }
        });
        Opinion { log_odds, threshold: self.threshold, parts: largest(&parts) }
    }

    /// Whether a transaction with these features is an anomaly for the model alone.
    #[must_use]
    pub fn is_anomaly(&self, features: &Features) -> bool {
        self.log_odds(features) > self.threshold
    }

    /// The base and the values of the leaves that the features lead to. `step` gets each node's feature and the change of value there.
    fn sum(&self, features: &Features, mut step: impl FnMut(Feature, f64)) -> f64 {
        let leaves = self.roots.iter().map(|root| self.descend(*root, features, &mut step));
        leaves.fold(self.base, |sum, leaf| sum + leaf)
    }

    fn descend(&self, root: Root, features: &Features, step: &mut impl FnMut(Feature, f64)) -> f64 {
        let Some(mut node) = self.nodes.get(root.node) else { return 0.0 };
        for _ in 0..root.depth {
            let goes_left = node.feature.value(features) <= node.cut;
            let Some(child) = self.nodes.get(select_unpredictable(goes_left, node.left, node.right)) else { break };
            step(node.feature, child.value - node.value);
            node = child;
        }
        node.value
    }
}

/// The three largest parts that are not 0.
fn largest(parts: &Features) -> [Option<(Feature, f64)>; PARTS_TOLD] {
    let mut told = [None; PARTS_TOLD];
    let mut left = *parts;
    for place in &mut told {
        let largest = Feature::ALL.into_iter().zip(&mut left).max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
        if let Some((feature, part)) = largest
            && *part != 0.0
        {
            *place = Some((feature, *part));
            *part = 0.0;
        }
    }
    told
}

impl From<Model> for ModelJson {
    fn from(model: Model) -> Self {
        model.json
    }
}

impl TryFrom<ModelJson> for Model {
    type Error = ProfileError;

    fn try_from(json: ModelJson) -> Result<Self, ProfileError> {
        let error = |field: String, must: &'static str| ProfileError { field, must };
        if json.version != MODEL_VERSION {
            return Err(error("version".to_owned(), "be 1: this build reads no other"));
        }
        for (field, number) in [("base", json.base), ("threshold", json.threshold)] {
            if !is_log_odds(number) {
                return Err(error(field.to_owned(), "be a number within ±1e6"));
            }
        }
        if json.trees.len() > TREES_MAX {
            return Err(error("trees".to_owned(), "be at most 200"));
        }
        let (mut nodes, mut roots) = (Vec::new(), Vec::with_capacity(json.trees.len()));
        for (number, tree) in json.trees.iter().enumerate() {
            let root = nodes.len();
            tree.append_to(&mut nodes, &json.features)
                .map_err(|(field, must)| error(format!("trees[{number}].{field}"), must))?;
            roots.push(Root { node: root, depth: depth(nodes.get(root..).unwrap_or_default(), root) });
        }
        Ok(Self { nodes, roots, base: json.base, threshold: json.threshold, json })
    }
}

/// Steps from the root of a tree to its deepest leaf. The tree's nodes begin at the index `first`; children come after their parents.
fn depth(tree: &[Node], first: usize) -> usize {
    let mut heights = vec![0; tree.len()];
    for (index, node) in tree.iter().enumerate().rev() {
        let below = |child: usize| heights.get(child - first).map_or(0, |height| height + 1);
        let height = if node.is_leaf(first + index) { 0 } else { below(node.left).max(below(node.right)) };
        if let Some(place) = heights.get_mut(index) {
            *place = height;
        }
    }
    heights.first().copied().unwrap_or_default()
}

/// Whether a sum of many such numbers stays finite.
fn is_log_odds(number: f64) -> bool {
    number.abs() <= LOG_ODDS_MAX
}

impl Tree {
    /// Appends the nodes, with children as indices into `nodes`.
    fn append_to(&self, nodes: &mut Vec<Node>, features: &[Feature]) -> Result<(), (&'static str, &'static str)> {
        let (root, length) = (nodes.len(), self.f.len());
        if !(1..=NODES_PER_TREE_MAX).contains(&length) {
            return Err(("f", "have 1 to 63 nodes"));
        }
        for (field, other) in [("t", self.t.len()), ("l", self.l.len()), ("r", self.r.len()), ("v", self.v.len())] {
            if other != length {
                return Err((field, "have as many numbers as f"));
            }
        }
        let each = self.f.iter().zip(&self.t).zip(self.l.iter().zip(&self.r)).zip(&self.v).enumerate();
        for (index, (((&feature, &cut), (&left, &right)), &value)) in each {
            if !is_log_odds(value) {
                return Err(("v", "be numbers within ±1e6"));
            }
            if !cut.is_finite() {
                return Err(("t", "be finite numbers"));
            }
            let itself = root + index;
            let leaf = Node { feature: Feature::Score, cut, left: itself, right: itself, value };
            if feature < 0 {
                nodes.push(leaf);
                continue;
            }
            let feature = usize::try_from(feature).ok().and_then(|feature| features.get(feature));
            let feature = *feature.ok_or(("f", "be indices into features, or -1"))?;
            let child = |child: i32| {
                let child = usize::try_from(child).ok().filter(|child| (index + 1..length).contains(child));
                child.map(|child| root + child)
            };
            let left = child(left).ok_or(("l", "come after their parents"))?;
            let right = child(right).ok_or(("r", "come after their parents"))?;
            nodes.push(Node { feature, left, right, ..leaf });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> ModelJson {
        let tree = Tree {
            f: vec![0, -1, 1, -1, -1],
            t: vec![2.0, 0.0, 0.5, 0.0, 0.0],
            l: vec![1, -1, 3, -1, -1],
            r: vec![2, -1, 4, -1, -1],
            v: vec![0.0, -1.0, 1.0, 0.5, 3.0],
        };
        let features = vec![Feature::LnAmount, Feature::Heat];
        ModelJson { version: 1, features, base: -2.0, threshold: 0.5, trees: vec![tree.clone(), tree], trained: None }
    }

    #[test]
    fn the_parts_add_up_to_the_opinion() {
        let model = Model::try_from(model()).unwrap();
        let mut features = [0.0; Feature::ALL.len()];
        assert_eq!(model.opinion(&features).log_odds, -4.0);
        features[Feature::LnAmount.index()] = 5.0;
        features[Feature::Heat.index()] = 1.0;
        let opinion = model.opinion(&features);
        assert_eq!(opinion.log_odds, 4.0);
        assert_eq!(model.log_odds(&features), 4.0);
        assert!(model.is_anomaly(&features));
        let parts = [Some((Feature::Heat, 4.0)), Some((Feature::LnAmount, 2.0)), None];
        assert_eq!(opinion.parts, parts);
    }

    #[test]
    fn every_feature_has_its_place() {
        assert!(Feature::ALL.iter().enumerate().all(|(index, feature)| feature.index() == index));
    }

    #[test]
    fn a_malformed_model_is_refused_by_the_name_of_its_field() {
        let broken = |change: fn(&mut ModelJson)| {
            let mut json = model();
            change(&mut json);
            Model::try_from(json).unwrap_err().field
        };
        assert_eq!(broken(|json| json.version = 2), "version");
        assert_eq!(broken(|json| json.base = f64::NAN), "base");
        assert_eq!(broken(|json| json.threshold = f64::INFINITY), "threshold");
        assert_eq!(broken(|json| json.trees[1].f[0] = 2), "trees[1].f");
        assert_eq!(broken(|json| json.trees[0].l[2] = 2), "trees[0].l");
        assert_eq!(broken(|json| json.trees[0].r[0] = 0), "trees[0].r");
        assert_eq!(broken(|json| json.trees[0].r[0] = 5), "trees[0].r");
        assert_eq!(broken(|json| json.trees[0].v.truncate(4)), "trees[0].v");
        assert_eq!(broken(|json| json.trees[0].t[1] = f64::NAN), "trees[0].t");
        assert_eq!(broken(|json| json.trees[0].v[0] = 1e308), "trees[0].v");
        assert_eq!(broken(|json| json.trees[0] = Tree::default()), "trees[0].f");
        assert_eq!(broken(|json| json.trees = vec![json.trees[0].clone(); 201]), "trees");
    }
}
