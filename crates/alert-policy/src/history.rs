//! What came before: the episode that a user is in, and the anomalies of the last days.
//!
//! An episode is a user's alerts of which each is at most a day after the one before. Its first page and every rise above it are told;
//! what repeats goes to the summary. A repeat also raises: the second `high` within seven days is `critical`.

use anomaly_core::{REPEATS_COUNTED_MAX, Severity};
use serde::{Deserialize, Serialize};

use crate::Disposition;
use crate::decision::{Decision, Facts};

/// Longest time between two alerts of an episode.
pub const EPISODE_GAP_MS: i64 = 86_400_000;
/// How long an anomaly makes the next one more urgent.
pub const REPEAT_SPAN_MS: i64 = 7 * 86_400_000;
/// Characters of an alert's id that tell it from the user's other recent ones.
const SHORT_ID_CHARACTERS: usize = 8;

/// The alerts of one user so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// The episode: the id of the alert that opened it.
    pub episode: String,
    /// Event time of its newest alert, in ms since the epoch.
    pub last_ms: i64,
    /// Its alerts.
    pub count: u32,
    /// The highest priority that people were told at once in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paged: Option<Severity>,
    /// Whether that was only recorded, since nobody is told in shadow mode.
    #[serde(default)]
    pub paged_in_shadow: bool,
    /// Event time of the newest anomaly of severity `high` or `critical`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high_ms: Option<i64>,
    /// The alerts of the last seven days, oldest first: event time, and the end of the id. Adding one of them again changes nothing.
    #[serde(default)]
    pub recent: Vec<(i64, String)>,
}

impl History {
    /// Whether an alert at this time belongs to the episode.
    #[must_use]
    pub(crate) fn is_within(&self, event_time_ms: i64) -> bool {
        !self.episode.is_empty() && distance_ms(self.last_ms, event_time_ms) <= EPISODE_GAP_MS
    }

    /// Whether an alert at this time is from long before the episode: out of a dead-letter queue, say.
    #[must_use]
    pub(crate) fn is_past(&self, event_time_ms: i64) -> bool {
        !self.episode.is_empty() && event_time_ms < self.last_ms.saturating_sub(EPISODE_GAP_MS)
    }

    /// Anomalies in the seven days up to this time.
    #[must_use]
    pub(crate) fn repeats(&self, event_time_ms: i64) -> u32 {
        let is_recent = |(ms, _): &&(i64, String)| distance_ms(*ms, event_time_ms) <= REPEAT_SPAN_MS;
        u32::try_from(self.recent.iter().filter(is_recent).count()).unwrap_or(u32::MAX)
    }

    /// Whether the user had an anomaly of severity `high` or above in the seven days around this time.
    #[must_use]
    pub(crate) fn was_high(&self, event_time_ms: i64) -> bool {
        self.high_ms.is_some_and(|high_ms| distance_ms(high_ms, event_time_ms) <= REPEAT_SPAN_MS)
    }

    /// Adds an alert on which this was decided, in the end: what the budget refused was not told.
    pub fn add(&mut self, facts: &Facts<'_>, decision: &Decision) {
        let short_id = short(facts.id);
        if self.recent.iter().any(|(_, known)| *known == short_id) {
            return;
        }
        if facts.severity >= Severity::High {
            self.high_ms = self.high_ms.max(Some(facts.event_time_ms));
        }
        self.remember(facts.event_time_ms, short_id);
        if self.is_within(facts.event_time_ms) {
            self.last_ms = self.last_ms.max(facts.event_time_ms);
            self.count = self.count.saturating_add(1);
        } else if self.episode.is_empty() || facts.event_time_ms > self.last_ms {
            self.open(facts);
        } else {
            // An alert from long before the episode: it says nothing about it.
            return;
        }
        self.note_page(decision);
    }

    fn open(&mut self, facts: &Facts<'_>) {
        facts.id.clone_into(&mut self.episode);
        self.last_ms = facts.event_time_ms;
        self.count = 1;
        (self.paged, self.paged_in_shadow) = (None, false);
    }

    fn note_page(&mut self, decision: &Decision) {
        let is_shadow = decision.disposition == Disposition::Shadow;
        let told = decision.would.unwrap_or(decision.disposition);
        if told != Disposition::Page {
            return;
        }
        let before = self.paged.filter(|_| self.paged_in_shadow == is_shadow);
        self.paged = before.max(Some(decision.priority));
        self.paged_in_shadow = is_shadow;
    }

    fn remember(&mut self, event_time_ms: i64, short_id: String) {
        let index = self.recent.partition_point(|(ms, _)| *ms <= event_time_ms);
        self.recent.insert(index, (event_time_ms, short_id));
        let newest_ms = self.recent.last().map_or(event_time_ms, |(ms, _)| *ms);
        self.recent.retain(|(ms, _)| distance_ms(*ms, newest_ms) <= REPEAT_SPAN_MS);
        let kept = usize::try_from(REPEATS_COUNTED_MAX).unwrap_or(usize::MAX);
        self.recent.drain(..self.recent.len().saturating_sub(kept));
    }
}

fn short(id: &str) -> String {
    let skipped = id.chars().count().saturating_sub(SHORT_ID_CHARACTERS);
    id.chars().skip(skipped).collect()
}

fn distance_ms(a: i64, b: i64) -> i64 {
    a.saturating_sub(b).saturating_abs()
}
