//! The ranked summary of the alerts that waited.

use std::collections::BTreeMap;

use anomaly_core::Severity;
use serde_json::{Value, json};

use super::text::for_subscribers;
use super::{Audience, MESSAGE_BYTES_MAX, Publication};
use crate::case::Case;
use crate::ledger::Waiting;
use crate::message::PLAIN_TEXT_RULE;

/// How many alerts there are of each priority.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted(BTreeMap<Severity, usize>);

impl Counted {
    fn of(priorities: impl Iterator<Item = Severity>) -> Self {
        let mut counted = BTreeMap::new();
        for priority in priorities {
            *counted.entry(priority).or_default() += 1;
        }
        Self(counted)
    }

    fn without(&self, other: &Self) -> Self {
        let left = |(priority, count): (&Severity, &usize)| {
            (*priority, count.saturating_sub(other.0.get(priority).copied().unwrap_or_default()))
        };
        Self(self.0.iter().map(left).filter(|(_, count)| *count > 0).collect())
    }

    fn total(&self) -> usize {
        self.0.values().sum()
    }

    /// `3 critical, 40 high, 174 warning`.
    fn in_words(&self) -> String {
        let parts = self.0.iter().rev().map(|(priority, count)| format!("{count} {}", priority.as_str()));
        parts.collect::<Vec<_>>().join(", ")
    }

    fn json(&self) -> Value {
        self.0.iter().map(|(priority, count)| (priority.as_str().to_owned(), json!(count))).collect()
    }
}

/// One message on everything that waited, the most urgent first: `top` in words, as far as they fit, the others counted.
#[must_use]
pub fn summary(waiting: &[Waiting], top: &[Case]) -> Publication {
    let shorter = (0..=top.len()).rev().filter_map(|length| top.get(..length));
    let mut publications = shorter.map(|top| summary_of(waiting, top));
    let fits = publications.find(|publication| publication.message().len() <= MESSAGE_BYTES_MAX);
    fits.unwrap_or_else(|| summary_of(waiting, &[]))
}

fn summary_of(waiting: &[Waiting], top: &[Case]) -> Publication {
    let all = Counted::of(waiting.iter().map(|waiting| waiting.rank.priority));
    let rest = all.without(&Counted::of(top.iter().map(|case| case.decision.priority)));
    let documents: Vec<Value> = top.iter().map(for_subscribers).collect();
    let fields = json!({ "alerts": all.total(), "byPriority": all.json(), "top": documents });
    Publication {
        alert_ids: waiting.iter().map(|waiting| waiting.id.clone()).collect(),
        audience: Audience::Summary,
        email: email(&all, &rest, top),
        document: json!({ "version": 1, "summary": fields }).to_string(),
        severity: all.0.keys().last().copied().unwrap_or(Severity::Warning),
        rule: top.first().map_or(PLAIN_TEXT_RULE, |case| case.alert.rule()),
        score: top.iter().filter_map(|case| case.alert.score()).max_by(|a, b| a.abs().total_cmp(&b.abs())),
    }
}

fn email(all: &Counted, rest: &Counted, top: &[Case]) -> String {
    let anomalies = if all.total() == 1 { "anomaly" } else { "anomalies" };
    let mut text =
        format!("{} {anomalies} since the last summary: {}. The most urgent first:\n", all.total(), all.in_words());
    text.extend(top.iter().enumerate().map(|(index, case)| ranked(index + 1, case)));
    let more = (rest.total() > 0).then(|| format!("\nAnd {} more: {}.\n", rest.total(), rest.in_words()));
    text.extend(more);
    text
}

fn ranked(place: usize, case: &Case) -> String {
    let (priority, id) = (case.decision.priority.as_str(), &case.alert.id);
    let because = case.because().unwrap_or_else(|| case.alert.text.clone());
    format!("\n{place}. {priority}: {because}\n   Alert id {id}\n")
}
