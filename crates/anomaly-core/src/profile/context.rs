//! What surrounds an amount: how fast and how much the user spends, at which hour and where. Kept only while a model reads it.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::amount::{CLAMP_SIGMAS, MEMORY};
use super::level::LOUD_AMOUNTS;
use super::normal::{Predictive, normal_of_t, t_of_normal};
use crate::Weighted;

/// Merchants that are remembered, least recently used first.
pub(super) const MERCHANTS_MAX: usize = 32;
const MS_PER_DAY: i64 = 86_400_000;
/// Horizons of the decayed counts, in ms: ten minutes, an hour and a day. The sum has the last.
const HORIZONS_MS: [f64; 3] = [600_000.0, 3_600_000.0, 86_400_000.0];
/// Prior spreads of ln(1 + count) at each horizon, and of ln sum.
const SPREADS: [f64; 4] = [0.5, 0.5, 0.5, 0.8];
const PRIOR_WEIGHT: f64 = 8.0;
/// The day in eighths, each with half an observation to begin with.
const HOUR_BINS: usize = 8;
const HOUR_BINS_I64: i64 = 8;
const HOUR_BINS_F64: f64 = 8.0;
const HOUR_PRIOR: f64 = 0.5;
/// What is left of an hour bin or a count of merchants at the next transaction.
const KEPT: f64 = 1.0 - 1.0 / 100.0;

/// What is remembered beside amounts: at most 250 bytes stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Context {
    /// Transactions since the context is kept, or since the last new level; saturates.
    count: u32,
    /// Decayed counts.
    counts: [f64; 3],
    /// Decayed sum of the positive amounts.
    sum: f64,
    /// Of the logarithms of counts and sum.
    velocity: [Weighted; 4],
    hours: [f64; HOUR_BINS],
    new_merchants: f64,
    known_merchants: f64,
    /// 16-bit fingerprints, least recently used first.
    merchants: SmallVec<[[u8; 2]; MERCHANTS_MAX]>,
}

impl Default for Context {
    fn default() -> Self {
        Self {
            count: 0,
            counts: [0.0; 3],
            sum: 0.0,
            velocity: [Weighted::default(); 4],
            hours: [0.0; HOUR_BINS],
            new_merchants: 1.0,
            known_merchants: 1.0,
            merchants: SmallVec::new(),
        }
    }
}

/// The surroundings of one transaction, from before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings {
    /// Normal deviates of the counts of ten minutes, an hour and a day, and of the sum of a day.
    pub(super) velocity: [f64; 4],
    /// −ln of how usual this hour is for the user: 0 where every hour is as usual as the others.
    pub(super) hour_surprise: f64,
    /// −ln of the share of transactions at new merchants if this one is, 0 otherwise.
    pub(super) merchant_surprise: f64,
    /// Hour of the day in UTC, with its fraction.
    pub(super) hour_of_day: f64,
    clamped: [f64; 4],
    bins: HourBins,
    merchant: Option<[u8; 2]>,
}

/// The two eighths of a day around a time, and the share of the second.
#[derive(Debug, Clone, Copy)]
struct HourBins {
    first: usize,
    second: usize,
    share: f64,
}

impl Context {
    /// Lets `elapsed_ms` pass, and reads what surrounds a transaction of this amount.
    pub(super) fn read(
        &mut self,
        elapsed_ms: f64,
        amount: f64,
        event_time_ms: i64,
        merchant_id: Option<&str>,
        unit: f64,
    ) -> Surroundings {
        let kept = HORIZONS_MS.map(|horizon_ms| libm::exp(-elapsed_ms / horizon_ms));
        self.counts.iter_mut().zip(kept).for_each(|(count, kept)| *count *= kept);
        let [ten_minutes, hour, day] = self.counts;
        let [.., day_kept] = kept;
        self.sum *= day_kept;
        let values = [
            libm::log1p(ten_minutes),
            libm::log1p(hour),
            libm::log1p(day),
            libm::log(self.sum + amount.max(0.0) + unit),
        ];
        let (velocity, clamped) = self.velocity(values);
        let bins = HourBins::at(event_time_ms);
        let merchant = merchant_id.map(fingerprint);
        let is_new = merchant.is_some_and(|merchant| !self.merchants.contains(&merchant));
        let new_share = self.new_merchants / (self.new_merchants + self.known_merchants);
        Surroundings {
            velocity,
            hour_surprise: -libm::log(HOUR_BINS_F64 * self.hour_share(bins)),
            merchant_surprise: if is_new { -libm::log(new_share) } else { 0.0 },
            hour_of_day: hour_of_day(event_time_ms),
            clamped,
            bins,
            merchant,
        }
    }

    /// The four values as normal deviates, and what of them is folded in.
    fn velocity(&self, values: [f64; 4]) -> ([f64; 4], [f64; 4]) {
        if self.count == 0 {
            return ([0.0; 4], values);
        }
        let count = f64::from(self.count.min(MEMORY));
        // The degrees of freedom depend on the count alone.
        let clamp = t_of_normal(CLAMP_SIGMAS, Predictive::degrees_of_freedom(count, PRIOR_WEIGHT));
        let (mut deviates, mut clamped) = ([0.0; 4], values);
        let places = deviates.iter_mut().zip(&mut clamped).zip(self.velocity).zip(SPREADS);
        for (((deviate, value), level), spread) in places {
            let Predictive { nu, scale, .. } = Predictive::new(level.variance, count, spread, PRIOR_WEIGHT, 0.0);
            *deviate = normal_of_t((*value - level.mean) / scale, nu);
            let reach = scale * clamp;
            *value = value.max(level.mean - reach).min(level.mean + reach);
        }
        (deviates, clamped)
    }

    fn hour_share(&self, HourBins { first, second, share }: HourBins) -> f64 {
        let at = |bin: usize| self.hours.get(bin).copied().unwrap_or_default() + HOUR_PRIOR;
        let total: f64 = self.hours.iter().sum::<f64>() + HOUR_BINS_F64 * HOUR_PRIOR;
        ((1.0 - share) * at(first) + share * at(second)) / total
    }

    /// Folds a transaction in; `is_new_level` if with it the user is at a new level.
    pub(super) fn fold(&mut self, read: &Surroundings, amount: f64, is_new_level: bool) {
        self.count = self.count.saturating_add(1);
        if is_new_level {
            self.count = self.count.min(LOUD_AMOUNTS.unsigned_abs().into());
        }
        let alpha = 1.0 / f64::from(self.count.min(MEMORY));
        for (level, value) in self.velocity.iter_mut().zip(read.clamped) {
            level.push(value, alpha);
        }
        for count in &mut self.counts {
            *count += 1.0;
        }
        self.sum += amount.max(0.0);
        self.fold_hour(read.bins);
        if let Some(merchant) = read.merchant {
            self.fold_merchant(merchant);
        }
    }

    fn fold_hour(&mut self, HourBins { first, second, share }: HourBins) {
        for hour in &mut self.hours {
            *hour *= KEPT;
        }
        for (bin, part) in [(first, 1.0 - share), (second, share)] {
            if let Some(hour) = self.hours.get_mut(bin) {
                *hour += part;
            }
        }
    }

    fn fold_merchant(&mut self, merchant: [u8; 2]) {
        for count in [&mut self.new_merchants, &mut self.known_merchants] {
            *count = 1.0 + (*count - 1.0) * KEPT;
        }
        if let Some(index) = self.merchants.iter().position(|known| *known == merchant) {
            self.known_merchants += 1.0;
            self.merchants.remove(index);
        } else {
            self.new_merchants += 1.0;
            if self.merchants.len() == MERCHANTS_MAX {
                self.merchants.remove(0);
            }
        }
        self.merchants.push(merchant);
    }

    /// Whether transactions can have produced these numbers.
    pub(super) fn is_sound(&self) -> bool {
        let is_count = |count: &f64| (0.0..=1e10).contains(count);
        self.counts.iter().all(is_count)
            && self.hours.iter().all(|hour| (0.0..=101.0).contains(hour))
            && [self.new_merchants, self.known_merchants].iter().all(|count| (1.0..=102.0).contains(count))
            && (0.0..=1e22).contains(&self.sum)
            && self.velocity.iter().all(|v| v.mean.abs() <= 700.0 && (0.0..=1e6).contains(&v.variance))
            && self.merchants.len() <= MERCHANTS_MAX
    }
}

impl HourBins {
    fn at(event_time_ms: i64) -> Self {
        let bin_ms = f64::from(i32::try_from(MS_PER_DAY / HOUR_BINS_I64).unwrap_or(i32::MAX));
        // Half a bin back, so that a time counts for the two bins whose middles are around it.
        let position = ms_of_day(event_time_ms) / bin_ms - 0.5;
        let below = position.floor();
        let first = (0..HOUR_BINS).rev().find(|bin| bin_number(*bin) <= below).unwrap_or(HOUR_BINS - 1);
        Self { first, second: (first + 1) % HOUR_BINS, share: position - below }
    }
}

fn bin_number(bin: usize) -> f64 {
    f64::from(u8::try_from(bin).unwrap_or(u8::MAX))
}

fn ms_of_day(event_time_ms: i64) -> f64 {
    f64::from(i32::try_from(event_time_ms.rem_euclid(MS_PER_DAY)).unwrap_or_default())
}

fn hour_of_day(event_time_ms: i64) -> f64 {
    ms_of_day(event_time_ms) / 3_600_000.0
}

/// FNV-1a of 64 bits (G. Fowler, L. C. Noll, K.-P. Vo), folded to 16: two of 32 merchants share one at 0.8 % of the users.
fn fingerprint(merchant_id: &str) -> [u8; 2] {
    let hash = merchant_id
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
    let halves = hash ^ hash >> 32;
    let [.., high, low] = (halves ^ halves >> 16).to_be_bytes();
    [high, low]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_belongs_to_the_two_eighths_around_it() {
        let at = |minutes: i64| HourBins::at(minutes * 60_000);
        let HourBins { first, second, share } = at(90);
        assert_eq!((first, second, share), (0, 1, 0.0));
        let HourBins { first, second, share } = at(0);
        assert_eq!((first, second, share), (7, 0, 0.5));
        let HourBins { first, second, .. } = at(24 * 60 - 1);
        assert_eq!((first, second), (7, 0));
    }

    #[test]
    fn merchants_are_forgotten_least_recently_used_first() {
        let mut context = Context::default();
        let mut visit = |merchant: usize| {
            let read = context.read(0.0, 1.0, 0, Some(&format!("m{merchant}")), 0.01);
            context.fold(&read, 1.0, false);
            read.merchant_surprise > 0.0
        };
        assert!((0..32).all(&mut visit));
        assert!(!visit(0));
        assert!(visit(32));
        assert!(!visit(0), "used since");
        assert!(visit(1), "forgotten");
    }
}
