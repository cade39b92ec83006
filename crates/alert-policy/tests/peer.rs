//! The matcher against quamina, a matcher of EventBridge-like patterns, on generated patterns and documents.
#![expect(clippy::indexing_slicing, reason = "tests: a panic is a failed test")]

use alert_policy::Pattern;
use proptest::prelude::*;
use quamina::Quamina;
use serde_json::{Map, Value, json};

/// Texts, numbers and other values from a small world, so that patterns and documents meet. A field has a kind: on a text or a boolean,
/// the peer's `numeric` compares bytes, where EventBridge matches nothing.
fn text() -> impl Strategy<Value = Value> + Clone {
    prop_oneof![Just("a"), Just("ab"), Just("abc"), Just("b"), Just("")].prop_map(Value::from)
}

fn number() -> impl Strategy<Value = Value> + Clone {
    prop_oneof![(-4..5_i64).prop_map(Value::from), (-16..17_i32).prop_map(|quarters| json!(f64::from(quarters) / 4.0))]
}

fn other() -> impl Strategy<Value = Value> + Clone {
    prop_oneof![any::<bool>().prop_map(Value::from), Just(Value::Null)]
}

fn text_operator() -> impl Strategy<Value = Value> + Clone {
    let word = || prop_oneof![Just("a"), Just("ab"), Just("b")];
    prop_oneof![
        text(),
        word().prop_map(|text| json!({"prefix": text})),
        proptest::collection::vec(word(), 1..3).prop_map(|texts| json!({"anything-but": texts})),
    ]
}

fn number_operator() -> impl Strategy<Value = Value> + Clone {
    let sign = || prop_oneof![Just("<"), Just("<="), Just(">"), Just(">="), Just("=")];
    prop_oneof![
        number(),
        (sign(), -4..5_i64).prop_map(|(sign, bound)| json!({"numeric": [sign, bound]})),
        (-4..0_i64, 0..5_i64).prop_map(|(low, high)| json!({"numeric": [">", low, "<=", high]})),
    ]
}

/// An object with a text, a number and another value, each of which may be absent, and perhaps another such object in it.
fn object(leaves: [BoxedStrategy<Value>; 3]) -> impl Strategy<Value = Value> {
    let fields = move || {
        let [text, number, other] = leaves.clone().map(proptest::option::of);
        (text, number, other).prop_map(|(text, number, other)| {
            let named = [("text", text), ("number", number), ("other", other)];
            named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<Map<_, _>>()
        })
    };
    (fields(), proptest::option::of(fields())).prop_map(|(mut object, nested)| {
        let nested = nested.filter(|nested| !nested.is_empty());
        object.extend(nested.map(|nested| ("nested".to_owned(), Value::Object(nested))));
        Value::Object(object)
    })
}

fn document() -> impl Strategy<Value = Value> {
    let one_or_more = |leaf: BoxedStrategy<Value>| {
        let list = proptest::collection::vec(leaf.clone(), 1..3).prop_map(Value::from);
        prop_oneof![5 => leaf, 1 => list].boxed()
    };
    let document = object([text().boxed(), number().boxed(), other().boxed()].map(one_or_more));
    // An alert has an id.
    document.prop_map(|mut document| {
        document["id"] = json!("1");
        document
    })
}

fn pattern() -> impl Strategy<Value = Value> {
    let matchers = |operator: BoxedStrategy<Value>| {
        let exists = any::<bool>().prop_map(|wanted| json!([{"exists": wanted}]));
        let list = proptest::collection::vec(operator, 1..4).prop_map(Value::from);
        prop_oneof![5 => list, 1 => exists].boxed()
    };
    let pattern = object([text_operator().boxed(), number_operator().boxed(), other().boxed()].map(matchers));
    let pattern = pattern.prop_filter("a pattern names a field", |pattern| pattern != &json!({}));
    // Beside another field, the peer misses that one is absent.
    let is_absence = |pattern: &Value| pattern.to_string().contains(r#"{"exists":false}"#);
    let is_alone = |pattern: &Value| pattern.to_string().matches(":[").count() == 1;
    pattern.prop_filter("an absent field alone", move |pattern| !is_absence(pattern) || is_alone(pattern))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_matcher_agrees_with_quamina(pattern in pattern(), documents in proptest::collection::vec(document(), 1..8)) {
        let ours = Pattern::try_from(pattern.clone()).unwrap();
        let mut theirs = Quamina::new();
        theirs.add_pattern("p", &pattern.to_string()).unwrap();
        for document in documents {
            let is_theirs = theirs.has_matches(document.to_string().as_bytes()).unwrap();
            prop_assert_eq!(ours.matches(&document), is_theirs, "{} on {}", pattern, document);
        }
    }
}
