//! A rule's details for the report: scores, the most remarkable flags, delays, and some users over time.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use alert_policy::Disposition;
use anomaly_core::{AnomalyMessage, Assessment, Before, RuleKind, Severity, Transaction};
use hdrhistogram::Histogram;
use serde_json::Value;

use super::flagged::Flagged;
use super::people::{AlertingSettings, People};
use super::ranking::Ranking;
use super::seen::Seen;
use super::series::Series;
use super::summary::{Delay, Knobs, RuleSummary, ScoreHistogram};

const SCORES_START: f64 = -5.0;
const SCORES_WIDTH: f64 = 0.25;
/// From −5 to 15 standard deviations.
const SCORES_BINS: usize = 80;

/// Everything about one rule that is more than a count.
#[derive(Debug)]
pub(crate) struct Detail {
    pub(crate) scores: ScoreHistogram,
    pub(crate) ranking: Ranking,
    pub(crate) top: Top,
    pub(crate) delays: Delays,
    pub(crate) people: People,
    pub(crate) series: Series,
}

impl Detail {
    pub(crate) fn new(alerting: AlertingSettings) -> anyhow::Result<Self> {
        let bins = || vec![0; SCORES_BINS];
        let scores = ScoreHistogram {
            start: SCORES_START,
            width: SCORES_WIDTH,
            judged: bins(),
            flagged: bins(),
            labelled: bins(),
        };
        Ok(Self {
            scores,
            ranking: Ranking::default(),
            top: Top::default(),
            delays: Delays::new()?,
            people: People::new(alerting),
            series: Series::default(),
        })
    }

    /// Counts the score of a transaction that was judged by a rule with these knobs.
    pub(crate) fn judge(
        &mut self,
        label: Option<bool>,
        assessment: Option<&Assessment>,
        severity: Option<Severity>,
        knobs: &Knobs,
    ) {
        let Some(assessment) = assessment else { return };
        self.ranking.add(assessment, knobs, label == Some(true));
        let bin = bin(assessment.score);
        let count = |counts: &mut Vec<u64>, counts_it: bool| {
            if let Some(count) = counts.get_mut(bin).filter(|_| counts_it) {
                *count += 1;
            }
        };
        count(&mut self.scores.judged, true);
        count(&mut self.scores.flagged, severity.is_some());
        count(&mut self.scores.labelled, label == Some(true));
    }

    /// Tells a flag to people, and keeps it with its words if it is remarkable. `kind` is `None` for `tumbling`. A message is made
    /// only where something looks at it.
    pub(crate) fn tell(
        &mut self,
        flagged: &Flagged,
        transaction: &Transaction<'_>,
        kind: Option<RuleKind>,
    ) -> anyhow::Result<Disposition> {
        let (is_top, needs_document) = (self.top.takes(flagged), self.people.needs_document());
        let message = (is_top || needs_document).then(|| flagged.message(transaction, kind)).transpose()?;
        let document = message.as_ref().filter(|_| needs_document).map(document).transpose()?;
        let decision = self.people.tell(flagged, &document.unwrap_or_default());
        if is_top {
            let before = Before { anomalies: decision.repeats };
            self.top.add(flagged, message.filter(|_| kind.is_some()).map(|message| message.because(before)));
        }
        Ok(decision.disposition)
    }

    /// Adds a transaction to its user's series, if the user is recorded.
    pub(crate) fn record(&mut self, seen: &Seen<'_>, assessment: Option<&Assessment>, severity: Option<Severity>) {
        if let Some(recorder) = seen.arrival.recorder {
            self.series.record(recorder, seen, assessment, severity);
        }
    }
}

/// What patterns of a policy look at, as the alerter makes it: the message with its text.
fn document(message: &AnomalyMessage) -> serde_json::Result<Value> {
    let mut document = serde_json::to_value(message)?;
    if let Some(fields) = document.as_object_mut() {
        fields.insert("text".to_owned(), message.text().into());
    }
    Ok(document)
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates: a score below the first bin counts in it"
)]
fn bin(score: f64) -> usize {
    (((score - SCORES_START) / SCORES_WIDTH) as usize).min(SCORES_BINS - 1)
}

/// The flags with the highest scores.
#[derive(Debug, Default)]
pub(crate) struct Top(BinaryHeap<Reverse<ByScore>>);

/// A flag, and why it is one.
#[derive(Debug)]
struct ByScore(Flagged, Option<String>);

impl Top {
    /// Whether a flag would be kept.
    fn takes(&self, flagged: &Flagged) -> bool {
        let lowest = self.0.peek().filter(|_| self.0.len() >= RuleSummary::TOP_FLAGS_MAX);
        lowest.is_none_or(|lowest| ByScore(*flagged, None) > lowest.0)
    }

    fn add(&mut self, flagged: &Flagged, because: Option<String>) {
        self.0.push(Reverse(ByScore(*flagged, because)));
        if self.0.len() > RuleSummary::TOP_FLAGS_MAX {
            self.0.pop();
        }
    }

    /// The flags with their words, highest |score| first.
    pub(crate) fn sorted(&self) -> Vec<(Flagged, Option<String>)> {
        let mut sorted: Vec<&ByScore> = self.0.iter().map(|reverse| &reverse.0).collect();
        sorted.sort_by(|a, b| b.cmp(a));
        sorted.into_iter().map(|ByScore(flagged, because)| (*flagged, because.clone())).collect()
    }
}

/// By |score|. Among equal scores, the earlier flag is higher.
impl Ord for ByScore {
    fn cmp(&self, other: &Self) -> Ordering {
        let score = |flagged: &Flagged| flagged.assessment.score.abs();
        score(&self.0).total_cmp(&score(&other.0)).then(other.0.index.cmp(&self.0.index))
    }
}

impl PartialOrd for ByScore {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ByScore {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for ByScore {}

/// How long it took to detect episodes.
#[derive(Debug)]
pub(crate) struct Delays {
    transactions: Histogram<u64>,
    ms: Histogram<u64>,
}

impl Delays {
    fn new() -> anyhow::Result<Self> {
        // Ten thousand years in ms; three significant digits.
        let histogram = || Histogram::new_with_bounds(1, 315_576_000_000_000, 3);
        Ok(Self { transactions: histogram()?, ms: histogram()? })
    }

    pub(crate) fn add(&mut self, transactions: u64, ms: i64) {
        self.transactions.saturating_record(transactions);
        self.ms.saturating_record(u64::try_from(ms).unwrap_or_default());
    }

    /// The summary of `episodes` episodes, detected or not.
    pub(crate) fn summary(&self, episodes: u64) -> Delay {
        let quantile = |histogram: &Histogram<u64>, quantile| {
            (!histogram.is_empty()).then(|| histogram.value_at_quantile(quantile))
        };
        Delay {
            episodes,
            episodes_detected: self.transactions.len(),
            transactions_median: quantile(&self.transactions, 0.5),
            transactions_p90: quantile(&self.transactions, 0.9),
            ms_median: quantile(&self.ms, 0.5),
            ms_p90: quantile(&self.ms, 0.9),
        }
    }
}
