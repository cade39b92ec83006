//! Attacks on a user's card: when they happen, which transactions are fraudulent, and how.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, Exp1, Poisson};
use serde::Serialize;

use super::{ScenarioSettings, US_PER_DAY, US_PER_MS, US_PER_SECOND, cents, exact, whole_us};

/// Share of the users who are attacked.
const ATTACKED_SHARE: f64 = 0.1;
/// When attacks begin, as a share of the horizon: late enough for a usual baseline, early enough to end in time.
const ATTACK_BEGINS: std::ops::Range<f64> = 0.2..0.8;
/// How long a stolen card is used, unless that exceeds [`ATTACK_SHARE_MAX`] of the horizon.
const ATTACK_DAYS: f64 = 14.0;
const ATTACK_SHARE_MAX: f64 = 0.2;
/// Share of the transactions during an attack that are the thief's.
const THIEF_SHARE: f64 = 1.0 / 3.0;
/// Leaked card: the thief's amounts are the user's times this factor.
const LEAKED_FACTOR: f64 = 5.0;
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
    /// An outlier of the `uniform` scenario.
    Injected,
    /// A thief pays with a leaked card.
    LeakedCard,
    /// A small amount that tests whether a stolen card works.
    CardTesting,
    /// The large purchase after card testing.
    CashOut,
    /// A thief begins with usual amounts and increases them.
    SlowRamp,
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
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    LeakedCard,
    CardTesting,
    SlowRamp,
}

/// The attack on one user.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attack {
    method: Method,
    begin_us: i64,
    length_us: f64,
    probes_left: u32,
}

impl Attack {
    /// Draws the attack on the next user, if there is one.
    pub(crate) fn draw(settings: &ScenarioSettings, random: &mut impl Rng) -> anyhow::Result<Option<Self>> {
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
        Ok(Some(Self {
            method,
            begin_us: settings.start_ms * US_PER_MS + whole_us(horizon_us * random.random_range(ATTACK_BEGINS)),
            length_us: (ATTACK_DAYS * US_PER_DAY).min(horizon_us * ATTACK_SHARE_MAX),
            probes_left: PROBES_MIN + u32::try_from(whole_us(more)).unwrap_or(0),
        }))
    }

    /// When the first extra transaction happens, one that the user did not make; `None` if the attack has none.
    pub(crate) const fn first_extra_us(&self) -> Option<i64> {
        match self.method {
            Method::CardTesting => Some(self.begin_us),
            Method::LeakedCard | Method::SlowRamp => None,
        }
    }

    /// Draws an extra transaction: amount, kind, and when the next one follows. `level` is the user's median amount.
    pub(crate) fn extra(&mut self, now_us: i64, level: f64, random: &mut impl Rng) -> (f64, Kind, Option<i64>) {
        if self.probes_left == 0 {
            return (cents(level * random.random_range(CASH_OUT_FACTORS)), Kind::CashOut, None);
        }
        self.probes_left -= 1;
        let gap_seconds = if self.probes_left == 0 { CASH_OUT_GAP_SECONDS } else { PROBE_GAP_SECONDS };
        let gap: f64 = Exp1.sample(random);
        let next_us = now_us.saturating_add(whole_us(gap * gap_seconds * US_PER_SECOND));
        (cents(random.random_range(PROBE_AMOUNTS)), Kind::CardTesting, Some(next_us))
    }

    /// The amount paid at this time: the user's own, or the thief's with its kind.
    pub(crate) fn instead(&self, now_us: i64, amount: f64, random: &mut impl Rng) -> (f64, Option<Kind>) {
        let progress = exact(now_us - self.begin_us) / self.length_us;
        if !(0.0..1.0).contains(&progress) || self.method == Method::CardTesting || !random.random_bool(THIEF_SHARE) {
            return (amount, None);
        }
        let (factor, kind) = match self.method {
            Method::SlowRamp => (1.0 + (RAMP_FACTOR - 1.0) * progress, Kind::SlowRamp),
            Method::LeakedCard | Method::CardTesting => (LEAKED_FACTOR, Kind::LeakedCard),
        };
        (cents(amount * factor), Some(kind))
    }
}
