//! Attacks on a user's card: when they happen, which transactions are fraudulent, where and how.
//!
//! A leaked card and card testing add transactions that the user did not make: in quick succession, at merchants that are not the
//! user's, at any hour. A slow ramp changes amounts only.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, Exp1, Poisson};
use serde::Serialize;

use super::merchants::Merchant;
use super::spender::Spender;
use super::{ScenarioSettings, US_PER_DAY, US_PER_MS, US_PER_SECOND, cents, exact, whole_us};

/// Share of the users who are attacked.
const ATTACKED_SHARE: f64 = 0.1;
/// When attacks begin, as a share of the horizon: late enough for a usual baseline, early enough to end in time.
const ATTACK_BEGINS: std::ops::Range<f64> = 0.2..0.8;
/// How long a stolen card is used, unless that exceeds [`ATTACK_SHARE_MAX`] of the horizon.
const ATTACK_DAYS: f64 = 14.0;
const ATTACK_SHARE_MAX: f64 = 0.2;
/// The thief's transactions during an attack, as a share of those that the user makes without it.
const THIEF_SHARE: f64 = 1.0 / 3.0;
/// Leaked card: the thief's amounts are the user's times this factor.
const LEAKED_FACTOR: f64 = 5.0;
/// Leaked card: probability that the thief's purchase is followed by another of the same burst, so a burst has four on average.
const BURST_GOES_ON: f64 = 0.75;
/// Leaked card: mean gap in a burst, and its maximum as a share of the user's own mean gap, so that bursts are quick for every user.
const BURST_GAP_SECONDS: f64 = 120.0;
const BURST_GAP_SHARE_MAX: f64 = 0.1;
/// Slow ramp: the same factor at the end of the attack; it begins at 1.
const RAMP_FACTOR: f64 = 5.0;
/// Card testing: minimum number of probes, and mean number of further ones.
const PROBES_MIN: u32 = 3;
const PROBES_MORE_MEAN: f64 = 5.0;
const PROBE_AMOUNTS: std::ops::Range<f64> = 0.5..2.0;
const PROBE_GAP_SECONDS: f64 = 30.0;
/// Card testing: the purchase after the probes, as a multiple of the user's level, and how long after them.
const CASH_OUT_FACTORS: std::ops::Range<f64> = 10.0..30.0;
const CASH_OUT_GAP_SECONDS: f64 = 600.0;

/// How a transaction is anomalous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An outlier of the scenarios `uniform`, `lognormal` and `gamma`.
    Injected,
    /// A thief pays with a leaked card.
    LeakedCard,
    /// A small amount that tests whether a stolen card works.
    CardTesting,
    /// The large purchase after card testing.
    CashOut,
    /// A thief begins with usual amounts and increases them.
    SlowRamp,
    /// More than anyone should pay, in the scenario `handbook`.
    LargeAmount,
    /// A payment at a compromised terminal, in the scenario `handbook`.
    CompromisedTerminal,
}

impl Kind {
    /// The name in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Injected => "injected",
            Self::LeakedCard => "leaked-card",
            Self::CardTesting => "card-testing",
            Self::CashOut => "cash-out",
            Self::SlowRamp => "slow-ramp",
            Self::LargeAmount => "large-amount",
            Self::CompromisedTerminal => "compromised-terminal",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    LeakedCard,
    CardTesting,
    SlowRamp,
}

/// One payment, by the user or by a thief.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Payment {
    pub(crate) amount: f64,
    pub(crate) merchant: Merchant,
    /// `None` if the user paid.
    pub(crate) kind: Option<Kind>,
}

/// The attack on one user. After the horizon it is repeated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attack {
    method: Method,
    /// When the first one begins.
    begin_us: i64,
    /// From then to the beginning of this one.
    since_first_us: i64,
    length_us: f64,
    /// From the beginning of one to that of the next.
    period_us: i64,
    horizon_end_us: i64,
    probes: u32,
    probes_left: u32,
    /// Where the probes are.
    probed: Merchant,
}

impl Attack {
    /// Draws the attack on the next user, if there is one.
    pub(crate) fn draw(
        settings: &ScenarioSettings,
        spender: &Spender,
        random: &mut impl Rng,
    ) -> anyhow::Result<Option<Self>> {
        if !random.random_bool(ATTACKED_SHARE) {
            return Ok(None);
        }
        let horizon_us = settings.horizon_seconds * US_PER_SECOND;
        let method = match random.random_range(0..3) {
            0 => Method::LeakedCard,
            1 => Method::CardTesting,
            _ => Method::SlowRamp,
        };
        let more: f64 = Poisson::new(PROBES_MORE_MEAN)?.sample(random);
        let probes = PROBES_MIN + u32::try_from(whole_us(more)).unwrap_or(0);
        let since_start = |share: f64| (settings.start_ms * US_PER_MS).saturating_add(whole_us(horizon_us * share));
        Ok(Some(Self {
            method,
            begin_us: since_start(random.random_range(ATTACK_BEGINS)),
            since_first_us: 0,
            length_us: (ATTACK_DAYS * US_PER_DAY).min(horizon_us * ATTACK_SHARE_MAX),
            period_us: whole_us((ATTACK_DAYS * US_PER_DAY).max(horizon_us * (ATTACK_BEGINS.end - ATTACK_BEGINS.start))),
            horizon_end_us: since_start(1.0),
            probes,
            probes_left: probes,
            probed: spender.favourites.foreign(None, random),
        }))
    }

    /// Draws the time of the first transaction that the user did not make, if the attack has any. The user's own transactions begin at
    /// `present_us`, and are `own_gap_us` apart on average.
    pub(crate) fn first_extra_us(&mut self, present_us: i64, own_gap_us: f64, random: &mut impl Rng) -> Option<i64> {
        match self.method {
            Method::CardTesting => Some(self.begin_us),
            Method::LeakedCard => {
                let (_, between_us) = burst_gaps_us(own_gap_us);
                let first_us = after(self.begin_us.max(present_us), between_us, random);
                Some(self.or_next_attack(first_us))
            }
            Method::SlowRamp => None,
        }
    }

    /// Draws an extra transaction, and when the next one follows.
    pub(crate) fn extra(
        &mut self,
        now_us: i64,
        own_gap_us: f64,
        spender: &mut Spender,
        random: &mut impl Rng,
    ) -> (Payment, i64) {
        if self.method == Method::LeakedCard {
            return (leaked(now_us, spender, random), self.next_of_bursts_us(now_us, own_gap_us, random));
        }
        if self.probes_left == 0 {
            return (self.cash_out(spender, random), self.repeat());
        }
        self.probes_left -= 1;
        let gap_seconds = if self.probes_left == 0 { CASH_OUT_GAP_SECONDS } else { PROBE_GAP_SECONDS };
        (self.probe(random), after(now_us, gap_seconds * US_PER_SECOND, random))
    }

    /// The user's own amount at this time, or what a slow ramp makes of it, with its kind.
    pub(crate) fn ramp(&mut self, now_us: i64, amount: f64, random: &mut impl Rng) -> (f64, Option<Kind>) {
        if self.method != Method::SlowRamp {
            return (amount, None);
        }
        let progress = self.progress(now_us);
        if progress >= 1.0 {
            self.repeat();
        }
        if !(0.0..1.0).contains(&progress) || !random.random_bool(THIEF_SHARE) {
            return (amount, None);
        }
        (cents(amount * (1.0 + (RAMP_FACTOR - 1.0) * progress)), Some(Kind::SlowRamp))
    }

    fn next_of_bursts_us(&mut self, now_us: i64, own_gap_us: f64, random: &mut impl Rng) -> i64 {
        let (within_us, between_us) = burst_gaps_us(own_gap_us);
        let gap_us = if random.random_bool(BURST_GOES_ON) { within_us } else { between_us };
        self.or_next_attack(after(now_us, gap_us, random))
    }

    /// The share of the attack that is over at this time: below 0 before it, and 1 or more after it.
    fn progress(&self, time_us: i64) -> f64 {
        exact(time_us - self.this_begin_us()) / self.length_us
    }

    fn this_begin_us(&self) -> i64 {
        self.begin_us.saturating_add(self.since_first_us)
    }

    /// This time, or the beginning of the next attack if this one is over by then.
    fn or_next_attack(&mut self, time_us: i64) -> i64 {
        if self.progress(time_us) < 1.0 { time_us } else { self.repeat() }
    }

    /// Goes on to the next attack, which is after the horizon. Returns when it begins.
    fn repeat(&mut self) -> i64 {
        self.probes_left = self.probes;
        self.since_first_us = self.since_first_us.saturating_add(self.period_us);
        if self.this_begin_us() < self.horizon_end_us {
            self.since_first_us = self.since_first_us.saturating_add(self.period_us);
        }
        self.this_begin_us()
    }

    fn probe(&self, random: &mut impl Rng) -> Payment {
        let amount = cents(random.random_range(PROBE_AMOUNTS));
        Payment { amount, merchant: self.probed, kind: Some(Kind::CardTesting) }
    }

    fn cash_out(&self, spender: &Spender, random: &mut impl Rng) -> Payment {
        let amount = cents(spender.level() * random.random_range(CASH_OUT_FACTORS));
        let merchant = spender.favourites.foreign(Some(self.probed), random);
        Payment { amount, merchant, kind: Some(Kind::CashOut) }
    }
}

fn leaked(now_us: i64, spender: &mut Spender, random: &mut impl Rng) -> Payment {
    let amount = cents(spender.spend(now_us, random) * LEAKED_FACTOR);
    Payment { amount, merchant: spender.favourites.foreign(None, random), kind: Some(Kind::LeakedCard) }
}

/// The mean gaps in a burst, and from one to the next, in µs. Together they give [`THIEF_SHARE`]: a purchase is followed by the first
/// gap with probability [`BURST_GOES_ON`] and by the second otherwise.
fn burst_gaps_us(own_gap_us: f64) -> (f64, f64) {
    let within_us = (BURST_GAP_SECONDS * US_PER_SECOND).min(own_gap_us * BURST_GAP_SHARE_MAX);
    let between_us = (own_gap_us / THIEF_SHARE - BURST_GOES_ON * within_us) / (1.0 - BURST_GOES_ON);
    (within_us, between_us)
}

/// A time after `now_us` by a gap that is exponentially distributed.
fn after(now_us: i64, mean_us: f64, random: &mut impl Rng) -> i64 {
    let gap: f64 = Exp1.sample(random);
    now_us.saturating_add(whole_us(gap * mean_us))
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Attack {
        /// When a leaked card is used, in days since the epoch; `None` if it is another attack.
        pub(crate) fn leaked_days(&self) -> Option<std::ops::Range<f64>> {
            let begin = exact(self.begin_us) / US_PER_DAY;
            (self.method == Method::LeakedCard).then_some(begin..begin + self.length_us / US_PER_DAY)
        }
    }

    #[test]
    fn bursts_are_quick_for_every_user_and_keep_the_thiefs_share() {
        for own_gap_us in [US_PER_SECOND, 600.0 * US_PER_SECOND, US_PER_DAY] {
            let (within_us, between_us) = burst_gaps_us(own_gap_us);
            assert!(within_us <= own_gap_us / 10.0 && within_us <= 120.0 * US_PER_SECOND);
            let mean_us = BURST_GOES_ON * within_us + (1.0 - BURST_GOES_ON) * between_us;
            assert!((own_gap_us / mean_us - THIEF_SHARE).abs() < 1e-12);
        }
    }
}
