//! The figures of a message beside those of a verdict.

use anomaly_core::{
    AnomalyMessage, Assessment, ExplanationFields, SecondOpinionFields, Severity, Transaction, Verdict,
};
use serde::Serialize;

/// A figure that is not the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Its name in the message.
    pub field: &'static str,
    /// As the message has it.
    pub message: String,
    /// As the archive gives it.
    pub archive: String,
}

/// Looks up a figure by its name.
type Figure = (&'static str, Option<f64>);

/// Everything in which they differ, the verdict first. Numbers are compared bit for bit.
pub(super) fn differences(
    message: &AnomalyMessage,
    transaction: &Transaction<'_>,
    verdict: &Verdict,
) -> Vec<Difference> {
    let (name, assessment, severity) = told(verdict);
    let mut differences = Vec::new();
    note(&mut differences, "verdict", "an anomaly", name);
    compare(&mut differences, ("amount", Some(message.amount)), ("amount", Some(transaction.amount)));
    if message.event_time_ms != transaction.event_time_ms {
        let (ours, theirs) = (message.event_time_ms.to_string(), transaction.event_time_ms.to_string());
        note(&mut differences, "eventTimeMs", &ours, &theirs);
    }
    let Some(assessment) = assessment else { return differences };
    for (ours, theirs) in of_message(message).into_iter().zip(of_assessment(assessment)) {
        compare(&mut differences, ours, theirs);
    }
    let severity = severity.map_or("none", Severity::as_str);
    note(&mut differences, "severity", message.severity.as_str(), severity);
    differences
}

fn told(verdict: &Verdict) -> (&'static str, Option<&Assessment>, Option<Severity>) {
    match verdict {
        Verdict::Anomaly(assessment, severity) => ("an anomaly", Some(assessment), Some(*severity)),
        Verdict::Normal(assessment) => ("normal", Some(assessment), None),
        Verdict::WarmingUp => ("too few observations", None, None),
        Verdict::Duplicate => ("a duplicate", None, None),
        Verdict::Late => ("late", None, None),
    }
}

fn note(differences: &mut Vec<Difference>, field: &'static str, message: &str, archive: &str) {
    if message != archive {
        differences.push(Difference { field, message: message.to_owned(), archive: archive.to_owned() });
    }
}

fn compare(differences: &mut Vec<Difference>, (field, ours): Figure, (_, theirs): Figure) {
    if ours.map(f64::to_bits) != theirs.map(f64::to_bits) {
        let text = |figure: Option<f64>| figure.map_or_else(|| "none".to_owned(), |figure| figure.to_string());
        differences.push(Difference { field, message: text(ours), archive: text(theirs) });
    }
}

fn of_message(message: &AnomalyMessage) -> Vec<Figure> {
    let AnomalyMessage { mean, stddev, threshold, score, count, explanation, second_opinion, .. } = message;
    figures([*mean, *stddev, *threshold, *score, f64::from(*count)], explanation.as_ref(), second_opinion.as_ref())
}

fn of_assessment(assessment: &Assessment) -> Vec<Figure> {
    let Assessment { baseline, threshold, score, explanation, second } = assessment;
    let explanation = explanation.as_ref().map(ExplanationFields::from);
    let second = second.as_ref().map(SecondOpinionFields::from);
    let five = [baseline.mean, baseline.stddev, *threshold, *score, f64::from(baseline.count)];
    figures(five, explanation.as_ref(), second.as_ref())
}

fn figures(
    [mean, stddev, threshold, score, count]: [f64; 5],
    explanation: Option<&ExplanationFields>,
    second: Option<&SecondOpinionFields>,
) -> Vec<Figure> {
    let part = |part: fn(&ExplanationFields) -> f64| explanation.map(part);
    let model = explanation.and_then(|explanation| explanation.model.as_ref());
    vec![
        ("mean", Some(mean)),
        ("stddev", Some(stddev)),
        ("threshold", Some(threshold)),
        ("score", Some(score)),
        ("count", Some(count)),
        ("explanation.own", part(|parts| parts.own)),
        ("explanation.habit", part(|parts| parts.habit)),
        ("explanation.heat", part(|parts| parts.heat)),
        ("explanation.population", part(|parts| parts.population)),
        ("explanation.newLevel", part(|parts| f64::from(u8::from(parts.new_level)))),
        ("explanation.model.logOdds", model.map(|model| model.log_odds)),
        ("explanation.model.threshold", model.map(|model| model.threshold)),
        ("secondOpinion.score", second.map(|second| second.score)),
        ("secondOpinion.threshold", second.map(|second| second.threshold)),
    ]
}
