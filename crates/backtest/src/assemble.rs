//! Assembles the summary from the engine's counts.

use super::bootstrap::{Pair, Tally, f1_difference};
use super::engine::{ALERTS_FROM, Engine, LABELLED, TRANSACTIONS, Totals};
use super::flagged::Flagged;
use super::people::{People, Span};
use super::summary::{
    Detection, Difference, Flag, InputSummary, PeopleSummary, Quality, RuleName, RuleSummary, SweepPoint, Timeline,
    UserCount, UserSeries,
};
use super::track::{Counts, Track};

const MS_PER_DAY: f64 = 86_400_000.0;

/// The denominators of every rule's rates.
#[derive(Debug, Clone, Copy)]
struct Base {
    transactions: u64,
    users: u64,
    days: f64,
    /// `None` without a label.
    labelled: Option<u64>,
}

impl Engine {
    /// Fills in the engine's counts of the input. The reader's fields are set already.
    pub(crate) fn count_input(&self, input: &mut InputSummary) {
        let totals = &self.totals;
        input.lines = totals.records;
        input.transactions = totals.transactions;
        input.rejected = totals.rejected.values().sum();
        input.rejected_by_reason.clone_from(&totals.rejected);
        input.users = count(self.users.len());
        (input.first_event_time_ms, input.last_event_time_ms) = (totals.first_event_time_ms, totals.last_event_time_ms);
        input.out_of_order = totals.out_of_order;
        input.labelled = input.labelled.map(|_| totals.labelled);
    }

    /// Transactions over time.
    pub(crate) fn timeline(&self, input: &InputSummary) -> Timeline {
        let (start_ms, bin_ms) = self.bins.start_and_width_ms();
        let labelled = input.labelled.map(|_| self.bins.series(LABELLED)).unwrap_or_default();
        Timeline { start_ms, bin_ms, transactions: self.bins.series(TRANSACTIONS), labelled }
    }

    /// The shown rules. With `is_swept`, the other tracks become their sweeps.
    pub(crate) fn rules(&self, input: &InputSummary, is_swept: bool) -> Vec<RuleSummary> {
        let ids = self.users.ids();
        let base = Base::new(input);
        let shown = self.tracks.iter().enumerate().filter(|(_, track)| track.detail.is_some());
        shown.map(|(place, track)| self.rule(place, track, &ids, base, is_swept)).collect()
    }

    fn rule(&self, place: usize, track: &Track, ids: &[&str], base: Base, is_swept: bool) -> RuleSummary {
        let (spec, verdicts) = (&track.spec, track.counts.verdicts);
        let (alerts, users_alerted) = (verdicts.anomalies(), track.counts.users_alerted());
        let detail = track.detail.as_deref();
        let delay = detail.map(|detail| detail.delays.summary(self.totals.episodes)).unwrap_or_default();
        let mut scores = detail.map(|detail| detail.scores.clone()).unwrap_or_default();
        if base.labelled.is_none() {
            scores.labelled.clear();
        }
        RuleSummary {
            label: spec.label.clone(),
            rule: spec.rule,
            knobs: spec.knobs,
            verdicts,
            alerts,
            alerts_per_day: base.per_day(alerts),
            alerts_per_1000: base.per_1000(alerts),
            alerts_per_user: ratio(alerts, base.users),
            alerts_per_day_merged: base.per_day(track.counts.merged),
            alerts_per_user_day_merged: base.per_day(track.counts.merged) / float(base.users.max(1)),
            at_equal_alerts: self.at_equal_alerts(track, base),
            f1_difference: base.labelled.filter(|_| place > 0).map(|_| self.f1_difference(track)),
            labelled_alerts: (track.counts.labelled_alerts, track.counts.true_alerts),
            users_alerted,
            users_alerted_share: ratio(users_alerted, base.users),
            warming_up_share: ratio(verdicts.warming_up, base.transactions),
            detection: base.quality_of(&track.counts).map(|quality| Detection { quality, delay }),
            people: detail.map(|detail| self.people(&detail.people, base)),
            scores,
            alerts_over_time: self.bins.series(ALERTS_FROM + place),
            sweep: if is_swept { self.sweep(track, base) } else { Vec::new() },
            top_flags: top_flags(track, ids),
            noisiest_users: self.noisiest_users(track, ids),
            series: self.series(track, ids),
        }
    }

    /// What people would get of a track's alerts.
    fn people(&self, people: &People, base: Base) -> PeopleSummary {
        let Totals { first_event_time_ms, last_event_time_ms, episodes, .. } = self.totals;
        let span = Span::new(first_event_time_ms.unwrap_or_default(), last_event_time_ms.unwrap_or_default());
        people.summary(span, base.labelled.map(|_| (episodes, count(self.users.labelled()))))
    }

    /// What a track would find with as many alerts as the first one raises.
    fn at_equal_alerts(&self, track: &Track, base: Base) -> Option<Quality> {
        let is_ranked = track.spec.rule != RuleName::Tumbling && track.spec.aids.model.is_none();
        let detail = track.detail.as_ref().filter(|_| is_ranked)?;
        let (alerts, true_alerts) = detail.ranking.top(self.tracks.first()?.counts.verdicts.anomalies());
        base.quality(alerts, true_alerts)
    }

    /// F1 of a track less that of the first one.
    fn f1_difference(&self, track: &Track) -> Difference {
        let tally = |counts: Option<&Counts>, user: usize| {
            let of_user = counts.and_then(|counts| counts.of_users.get(user)).copied().unwrap_or_default();
            Tally { alerts: of_user.alerts.into(), true_alerts: of_user.true_alerts.into() }
        };
        let first = self.tracks.first().map(|track| &track.counts);
        let pair = |user: usize| Pair {
            labelled: self.users.get(user).map_or(0, |user| user.labelled),
            first: tally(first, user),
            second: tally(Some(&track.counts), user),
        };
        let matters = |pair: &Pair| pair.labelled + pair.first.alerts + pair.second.alerts > 0;
        let pairs: Vec<Pair> = (0..self.users.len()).map(pair).filter(matters).collect();
        f1_difference(&pairs)
    }

    /// This track and those that differ from it only in their sigmas, in ascending order of sigmas.
    fn sweep(&self, shown: &Track, base: Base) -> Vec<SweepPoint> {
        let is_same = |track: &&Track| (track.spec.rule, &track.spec.aids) == (shown.spec.rule, &shown.spec.aids);
        let mut points: Vec<_> = self.tracks.iter().filter(is_same).collect();
        points.sort_by(|a, b| a.spec.knobs.sigmas.total_cmp(&b.spec.knobs.sigmas));
        let point = |track: &Track| {
            let alerts = track.counts.verdicts.anomalies();
            SweepPoint {
                sigmas: track.spec.knobs.sigmas,
                alerts,
                alerts_per_1000: base.per_1000(alerts),
                alerts_per_day: base.per_day(alerts),
                users_alerted: track.counts.users_alerted(),
                quality: base.quality_of(&track.counts),
            }
        };
        points.into_iter().map(point).collect()
    }

    fn noisiest_users(&self, track: &Track, ids: &[&str]) -> Vec<UserCount> {
        let mut noisiest: Vec<(usize, u32)> = track
            .counts
            .of_users
            .iter()
            .map(|user| user.alerts)
            .enumerate()
            .filter(|(_, alerts)| *alerts > 0)
            .collect();
        noisiest.sort_by_key(|(user, alerts)| (std::cmp::Reverse(*alerts), *user));
        noisiest.truncate(RuleSummary::NOISIEST_USERS_MAX);
        let named = |(user, alerts): (usize, u32)| UserCount {
            user_id: ids.get(user).copied().unwrap_or_default().to_owned(),
            transactions: self.transactions_of(user),
            alerts: u64::from(alerts),
        };
        noisiest.into_iter().map(named).collect()
    }

    fn series(&self, track: &Track, ids: &[&str]) -> Vec<UserSeries> {
        let Some(detail) = &track.detail else { return Vec::new() };
        let mut busiest: Vec<usize> = detail.series.users().collect();
        busiest.sort_by_key(|user| (std::cmp::Reverse(self.transactions_of(*user)), *user));
        busiest.truncate(RuleSummary::SERIES_MAX);
        let alerts = |user: usize| track.counts.of_users.get(user).map_or(0, |user| u64::from(user.alerts));
        let series = busiest.into_iter().filter_map(|user| {
            detail.series.of(user, ids.get(user).copied()?, self.transactions_of(user), alerts(user))
        });
        series.collect()
    }

    fn transactions_of(&self, user: usize) -> u64 {
        self.users.get(user).map_or(0, |user| user.transactions)
    }
}

fn top_flags(track: &Track, ids: &[&str]) -> Vec<Flag> {
    let top = track.detail.as_ref().map(|detail| detail.top.sorted()).unwrap_or_default();
    let named = |(flagged, because): (Flagged, Option<String>)| {
        let user_id = ids.get(flagged.user).copied().unwrap_or_default();
        Flag { because, ..flagged.named(user_id, None) }
    };
    top.into_iter().map(named).collect()
}

impl Counts {
    fn users_alerted(&self) -> u64 {
        count(self.of_users.iter().filter(|user| user.alerts > 0).count())
    }
}

impl Base {
    fn new(input: &InputSummary) -> Self {
        let span = input.last_event_time_ms.zip(input.first_event_time_ms).map_or(0, |(last, first)| last - first);
        let days = (float(u64::try_from(span).unwrap_or_default()) / MS_PER_DAY).max(1.0);
        Self { transactions: input.transactions, users: input.users, days, labelled: input.labelled }
    }

    fn per_day(&self, alerts: u64) -> f64 {
        float(alerts) / self.days
    }

    fn per_1000(&self, alerts: u64) -> f64 {
        1_000.0 * ratio(alerts, self.transactions)
    }

    fn quality_of(&self, counts: &Counts) -> Option<Quality> {
        self.quality(counts.verdicts.anomalies(), counts.true_alerts)
    }

    fn quality(&self, alerts: u64, true_alerts: u64) -> Option<Quality> {
        let labelled = self.labelled?;
        let false_alerts = alerts.saturating_sub(true_alerts);
        let missed = labelled.saturating_sub(true_alerts);
        let share = |part: u64, whole: u64| (whole > 0).then(|| ratio(part, whole));
        Some(Quality {
            true_alerts,
            false_alerts,
            missed,
            precision: share(true_alerts, alerts),
            recall: share(true_alerts, labelled),
            f1: share(2 * true_alerts, alerts + labelled),
            false_alerts_per_1000: self.per_1000(false_alerts),
        })
    }
}

/// `part` / `whole`; 0 if `whole` is 0.
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { float(part) / float(whole) }
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "a ratio needs no more than 53 bits")]
fn float(count: u64) -> f64 {
    count as f64
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quality_is_counted_by_transactions() {
        let base = Base { transactions: 1_000, users: 10, days: 2.0, labelled: Some(8) };
        let quality = base.quality(6, 4).unwrap();
        assert_eq!((quality.true_alerts, quality.false_alerts, quality.missed), (4, 2, 4));
        assert_eq!((quality.precision, quality.recall), (Some(4.0 / 6.0), Some(0.5)));
        // 2PR / (P + R) = 2 · 2/3 · 1/2 / (7/6) = 4/7.
        assert!((quality.f1.unwrap() - 4.0 / 7.0).abs() < 1e-15);
        assert_eq!((quality.false_alerts_per_1000, base.per_day(6)), (2.0, 3.0));
    }

    #[test]
    fn rates_that_would_divide_by_zero_are_left_out() {
        let base = Base { transactions: 5, users: 1, days: 1.0, labelled: Some(0) };
        let quality = base.quality(0, 0).unwrap();
        assert_eq!((quality.precision, quality.recall, quality.f1), (None, None, None));
        assert_eq!(Base { labelled: None, ..base }.quality(0, 0), None);
    }
}
