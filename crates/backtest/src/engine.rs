//! All rules, side by side, in one pass over the input.

use std::collections::BTreeMap;

use alert_policy::Disposition;
use anomaly_core::{RejectReason, Transaction};

use super::detail::Detail;
use super::flagged::Flagged;
use super::input::InputRecord;
use super::plan::Plan;
use super::seen::Seen;
use super::summary::Flag;
use super::timeline::Bins;
use super::track::Track;
use super::users::{User, Users};

/// Indices of the timeline's series: transactions, labelled transactions, then the alerts of each shown track.
pub(crate) const TRANSACTIONS: usize = 0;
pub(crate) const LABELLED: usize = 1;
pub(crate) const ALERTS_FROM: usize = 2;

/// The tracks and everything counted so far. It grows with users and rules, not with lines.
#[derive(Debug)]
pub(crate) struct Engine {
    /// The shown tracks first.
    pub(crate) tracks: Vec<Track>,
    pub(crate) users: Users,
    pub(crate) bins: Bins,
    pub(crate) totals: Totals,
    shown: usize,
    keeps_flags: bool,
    /// Flags that nobody has taken yet.
    flags: Vec<Flag>,
}

/// Counts of the input.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) records: u64,
    pub(crate) transactions: u64,
    pub(crate) rejected: BTreeMap<RejectReason, u64>,
    pub(crate) first_event_time_ms: Option<i64>,
    pub(crate) last_event_time_ms: Option<i64>,
    pub(crate) out_of_order: u64,
    pub(crate) labelled: u64,
    pub(crate) episodes: u64,
}

impl Engine {
    pub(crate) fn new(plan: &Plan, keeps_flags: bool) -> anyhow::Result<Self> {
        let mut tracks = Vec::new();
        for (place, spec) in plan.specs.iter().enumerate() {
            let detail = (place < plan.shown).then(|| Detail::new(plan.alerting.clone())).transpose()?.map(Box::new);
            tracks.push(Track::new(spec.clone(), spec.rule()?, detail)?);
        }
        Ok(Self {
            tracks,
            users: Users::default(),
            bins: Bins::new(ALERTS_FROM + plan.shown),
            totals: Totals::default(),
            shown: plan.shown,
            keeps_flags,
            flags: Vec::new(),
        })
    }

    /// Adds a record. Returns its index.
    pub(crate) fn add(&mut self, record: &InputRecord<'_>) -> anyhow::Result<u64> {
        let index = self.totals.records;
        self.totals.records += 1;
        match &record.outcome {
            Ok(transaction) => self.add_transaction(index, transaction, record.label)?,
            Err(reason) => *self.totals.rejected.entry(*reason).or_default() += 1,
        }
        Ok(index)
    }

    fn add_transaction(
        &mut self,
        index: u64,
        transaction: &Transaction<'_>,
        label: Option<bool>,
    ) -> anyhow::Result<()> {
        let event_time_ms = transaction.event_time_ms;
        let arrival = self.users.arrive(&transaction.user_id, event_time_ms, label);
        self.totals.add(event_time_ms, label, arrival.silence_ms < 0, arrival.begins_episode);
        self.bins.count(TRANSACTIONS, event_time_ms);
        if label == Some(true) {
            self.bins.count(LABELLED, event_time_ms);
        }
        let seen = Seen { index, transaction, label, arrival };
        for place in 0..self.tracks.len() {
            let Some(track) = self.tracks.get_mut(place) else { continue };
            let Some(flagged) = track.add(&seen)?.filter(|_| place < self.shown) else { continue };
            // What an ended window flags is an earlier transaction of the user.
            let ended = flagged.window.map(|_| flagged.transaction(&transaction.user_id));
            self.note(place, &flagged, ended.as_ref().unwrap_or(transaction))?;
        }
        Ok(())
    }

    /// Ends the input.
    pub(crate) fn finish(&mut self) -> anyhow::Result<()> {
        for place in 0..self.tracks.len() {
            let recorder = |user| self.users.get(user).and_then(|user| user.recorder);
            let flagged = self.tracks.get_mut(place).map(|track| track.finish(recorder)).unwrap_or_default();
            if place < self.shown && !flagged.is_empty() {
                let ids: Vec<String> = self.users.ids().into_iter().map(str::to_owned).collect();
                for flagged in &flagged {
                    let user_id = ids.get(flagged.user).map_or("", String::as_str);
                    self.note(place, flagged, &flagged.transaction(user_id))?;
                }
            }
        }
        Ok(())
    }

    /// Adds a shown track's flag to the outputs.
    fn note(&mut self, place: usize, flagged: &Flagged, transaction: &Transaction<'_>) -> anyhow::Result<()> {
        self.bins.count(ALERTS_FROM + place, flagged.event_time_ms);
        let Some(track) = self.tracks.get_mut(place) else { return Ok(()) };
        if self.keeps_flags {
            let rule = (self.shown > 1).then_some(track.spec.label.as_str());
            self.flags.push(flagged.named(&transaction.user_id, rule));
        }
        let Some(detail) = &mut track.detail else { return Ok(()) };
        let disposition = detail.tell(flagged, transaction, track.spec.rule.kind())?;
        let user = self.users.get_mut(flagged.user).filter(|_| flagged.label == Some(true));
        if let Some(user) = user {
            note_labelled(place, flagged, disposition, detail, user);
        }
        Ok(())
    }

    /// Takes the flags since the last call, in the order in which they became known.
    pub(crate) fn take_flags(&mut self) -> std::vec::Drain<'_, Flag> {
        self.flags.drain(..)
    }
}

/// Notes what a labelled flag says about its episode and its user.
fn note_labelled(place: usize, flagged: &Flagged, disposition: Disposition, detail: &mut Detail, user: &mut User) {
    detail.people.users.note(&mut user.reached, place, disposition);
    let episode = user.episode.as_mut().filter(|episode| flagged.event_time_ms >= episode.first_ms);
    let Some(episode) = episode else { return };
    detail.people.episodes.note(&mut episode.reached, place, disposition);
    if episode.detected >> place & 1 == 0 {
        episode.detected |= 1 << place;
        detail.delays.add(episode.transactions, flagged.known_ms() - episode.first_ms);
    }
}

impl Totals {
    fn add(&mut self, event_time_ms: i64, label: Option<bool>, is_out_of_order: bool, begins_episode: bool) {
        self.transactions += 1;
        let first = self.first_event_time_ms.map_or(event_time_ms, |first| first.min(event_time_ms));
        let last = self.last_event_time_ms.map_or(event_time_ms, |last| last.max(event_time_ms));
        (self.first_event_time_ms, self.last_event_time_ms) = (Some(first), Some(last));
        self.out_of_order += u64::from(is_out_of_order);
        self.labelled += u64::from(label == Some(true));
        self.episodes += u64::from(begins_episode);
    }
}
