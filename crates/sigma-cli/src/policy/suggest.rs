//! `sigma policy suggest`: from which level on to page, so that the last 30 days would have paged at most N a day.
//!
//! The days are replayed through [`alert_policy::decide`], episodes included and without a budget. What a rule or a user's entry decided
//! is left out: it does not depend on the level.

use std::collections::BTreeMap;

use alert_policy::{Disposition, Facts, History, Page, Policy, Reason, Settings, Standing, decide, utc_day};
use anomaly_core::Severity;
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::alerts::{self, Past, Reading};
use super::store::PolicyTable;
use crate::ledger::place::Place;
use crate::output::{Output, say};

/// Pages without a budget: the level alone is to keep it.
const SETTINGS: Settings = Settings { pages_per_day_max: 0, has_digest: true };

/// Flags of `sigma policy suggest`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "It reads the whole table of the ledger. Paste what it prints into a policy, and look at it with\n\
    `sigma policy set FILE --dry-run`."
)]
pub(super) struct Options {
    /// Pages a day (UTC), at most.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    per_day: u32,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    place: Place,
}

/// An alert, as far as its level decides about it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    id: String,
    user_id: String,
    decided_at_ms: i64,
    event_time_ms: i64,
    severity: Severity,
    score: f64,
}

/// A level for pages, and what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Suggestion {
    /// To paste into a policy.
    pub(super) page: Page,
    /// Pages of the worst day under it.
    pub(super) pages_per_day_max: u32,
    /// Pages of all days under it.
    pub(super) pages: u32,
    /// Alerts it rests on.
    pub(super) samples: usize,
    /// Days with such alerts.
    pub(super) days_with_alerts: usize,
    #[serde(flatten)]
    reading: Reading,
}

/// Suggests a level.
pub(super) async fn run(options: &Options) -> anyhow::Result<()> {
    let table = PolicyTable::open(&options.place).await?;
    let suggestion = suggest(&table, options.per_day, super::now_ms()).await?;
    if let Some(text) = options.output.render(&suggestion, || suggestion.text())? {
        say(text);
    }
    Ok(())
}

/// Suggests a level from what the table has.
pub(super) async fn suggest(table: &PolicyTable, per_day: u32, now_ms: i64) -> anyhow::Result<Suggestion> {
    let mut samples = Vec::new();
    let reading = alerts::each(table, now_ms, |past| samples.extend(Sample::of(&past))).await?;
    anyhow::ensure!(
        !samples.is_empty(),
        "the ledger has no alerts of the last {} days on which a level decides: try again when it has, or use sigma replay on \
         recorded transactions",
        alerts::DAYS
    );
    samples.sort_by_key(|sample| (sample.decided_at_ms, sample.event_time_ms));
    let page = level(&samples, per_day);
    let days = pages_by_day(&samples, &page);
    Ok(Suggestion {
        pages_per_day_max: days.values().copied().max().unwrap_or_default(),
        pages: days.values().sum(),
        samples: samples.len(),
        days_with_alerts: days.len(),
        reading,
        page: Page { per_day: Some(per_day), ..page },
    })
}

impl Sample {
    fn of(past: &Past) -> Option<Self> {
        let is_listed = matches!(past.decision.reason, Reason::User(_) | Reason::Rule(_));
        let Past { alert, decided_at_ms, .. } = past;
        (!is_listed).then(|| Self {
            id: alert.id.clone(),
            user_id: alert.user_id().unwrap_or(&alert.id).to_owned(),
            decided_at_ms: *decided_at_ms,
            event_time_ms: alert.anomaly.as_ref().map_or(*decided_at_ms, |anomaly| anomaly.event_time_ms),
            severity: alert.severity(),
            score: alert.score().unwrap_or_default(),
        })
    }

    const fn facts(&self) -> Facts<'_> {
        let Self { id, event_time_ms, severity, score, .. } = self;
        Facts {
            id: id.as_str(),
            event_time_ms: *event_time_ms,
            severity: *severity,
            score: *score,
            document: &Value::Null,
        }
    }
}

/// The lowest severity that keeps to so many pages a day; if none does, the lowest score of critical alerts.
fn level(samples: &[Sample], per_day: u32) -> Page {
    let keeps = |page: &Page| pages_by_day(samples, page).values().all(|pages| *pages <= per_day);
    let severities = [Severity::Warning, Severity::High, Severity::Critical];
    let mut pages = severities.map(|severity| Page { severity, ..Page::default() }).into_iter();
    pages.find(keeps).unwrap_or_else(|| score(samples, keeps))
}

/// A higher score gives fewer pages, but for an episode whose page moves to another day: what is returned was tried.
fn score(samples: &[Sample], keeps: impl Fn(&Page) -> bool) -> Page {
    let of_score = |score: f64| Page { score: Some(score), ..Page::default() };
    let scores = scores(samples);
    let (mut low, mut high) = (0, scores.len());
    while low < high {
        let middle = low.midpoint(high);
        let is_enough = scores.get(middle).is_some_and(|score| keeps(&of_score(*score)));
        (low, high) = if is_enough { (low, middle) } else { (middle + 1, high) };
    }
    let above_all = scores.last().map_or(0.0, |score| (score * 100.0 + 1.0).round() / 100.0);
    of_score(scores.get(high).copied().unwrap_or(above_all))
}

/// The scores of critical alerts, raised ones too, in ascending order, rounded down to a hundredth: each of them pages its alert.
fn scores(samples: &[Sample]) -> Vec<f64> {
    let urgent = samples.iter().filter(|sample| sample.severity >= Severity::High);
    let mut scores: Vec<f64> = urgent.map(|sample| (sample.score.abs() * 100.0).floor() / 100.0).collect();
    scores.sort_by(f64::total_cmp);
    scores.dedup();
    scores
}

/// Pages of every day that has alerts.
fn pages_by_day(samples: &[Sample], page: &Page) -> BTreeMap<String, u32> {
    let policy = Policy { page: Page { per_day: Some(0), ..page.clone() }, ..Policy::default() };
    let mut histories: BTreeMap<&str, History> = BTreeMap::new();
    let mut days = BTreeMap::new();
    for sample in samples {
        let history = histories.entry(&sample.user_id).or_default();
        let (facts, now_ms) = (sample.facts(), sample.decided_at_ms);
        let standing = Standing { policy: Some(&policy), entries: None, history, settings: SETTINGS, now_ms };
        let decision = decide(&facts, &standing);
        history.add(&facts, &decision);
        let is_page = decision.disposition == Disposition::Page;
        *days.entry(utc_day(now_ms)).or_insert(0) += u32::from(is_page);
    }
    days
}

impl Suggestion {
    fn text(&self) -> String {
        let Self { page, pages_per_day_max, pages, samples, days_with_alerts, reading } = self;
        let page = serde_json::to_string(page).unwrap_or_default();
        let mut lines = vec![
            format!("\"page\": {page}"),
            format!(
                "It would have paged {pages} times in the last {} days, at most {pages_per_day_max} a day. It rests on {samples} \
                 alerts of {days_with_alerts} days.",
                reading.days
            ),
        ];
        lines.extend(reading.warnings());
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;

    /// Alerts of one day, each of another user.
    fn day(day: i64, scores: &[f64]) -> Vec<Sample> {
        let sample = |(index, score): (usize, &f64)| Sample {
            id: format!("{day}-{index}"),
            user_id: format!("user-{day}-{index}"),
            decided_at_ms: day * DAY_MS,
            event_time_ms: day * DAY_MS,
            severity: if *score >= 10.0 {
                Severity::Critical
            } else if *score >= 5.0 {
                Severity::High
            } else {
                Severity::Warning
            },
            score: *score,
        };
        scores.iter().enumerate().map(sample).collect()
    }

    fn page(severity: Severity, score: Option<f64>) -> Page {
        Page { severity, score, per_day: None }
    }

    #[test]
    fn the_lowest_severity_that_keeps_to_the_number_is_suggested() {
        let samples = [day(1, &[3.0, 3.5, 6.0, 12.0]), day(2, &[3.0, 7.0])].concat();
        assert_eq!(level(&samples, 4), page(Severity::Warning, None));
        assert_eq!(level(&samples, 3), page(Severity::High, None));
        assert_eq!(level(&samples, 1), page(Severity::Critical, None));
    }

    #[test]
    fn among_critical_alerts_the_score_decides() {
        let samples = [day(1, &[10.0, 11.001, 12.0]), day(2, &[30.0])].concat();
        assert_eq!(level(&samples, 2), page(Severity::Critical, Some(11.0)));
        assert_eq!(level(&samples, 1), page(Severity::Critical, Some(12.0)));
        let alike = day(1, &[20.0, 20.0]);
        assert_eq!(level(&alike, 1), page(Severity::Critical, Some(20.01)), "no level pages one of two that are alike");
    }

    #[test]
    fn an_episode_is_paged_once() {
        let mut samples = day(1, &[12.0, 13.0, 14.0]);
        for sample in &mut samples {
            "one".clone_into(&mut sample.user_id);
        }
        assert_eq!(pages_by_day(&samples, &Page::default()).values().sum::<u32>(), 1);
    }
}
