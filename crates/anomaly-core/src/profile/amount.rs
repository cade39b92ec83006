//! How unusual an amount is for its user: a score under three power transforms, weighted by how well each fits.

use serde::{Deserialize, Serialize};

use super::ProfileSettings;
use super::normal::{Predictive, normal_of_t, t_of_normal};
use crate::{AMOUNT_ABSOLUTE_MAX, Direction, Weighted};

/// Transactions that the profile remembers, roughly: later ones push earlier ones out.
pub(super) const MEMORY: u32 = 100;
/// Standard deviations at which an amount enters the profile.
pub(super) const CLAMP_SIGMAS: f64 = 2.5;
/// The prior: eight pseudo-observations with a spread of 0.8 in the logarithm. From the twentieth transaction on they fade as 20/n, down
/// to two.
const PRIOR_WEIGHT: f64 = 8.0;
const PRIOR_SPREAD: f64 = 0.8;
const PRIOR_KEPT: f64 = 20.0;
const PRIOR_WEIGHT_MIN: f64 = 2.0;
/// Log-likelihoods this close are equal.
const EQUAL_WITHIN: f64 = 1e-9;
/// Smallest exponent of a weight: e to the −700 is not 0 yet.
const EXPONENT_MIN: f64 = -700.0;
/// No stored mean or variance is beyond it, whatever the amounts were: (10¹²)² times the variance of a logarithm.
const MOMENT_MAX: f64 = 1e30;

/// Power transforms (G. E. P. Box and D. R. Cox, "An analysis of transformations", Journal of the Royal Statistical Society B 26, 1964).
/// None below the logarithm: under such a one the threshold of a user can be infinite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// λ = 1: the amount itself.
    Identity,
    /// λ = ½: its square root, with its sign.
    Root,
    /// λ = 0: its natural logarithm. Amounts below the unit count as the unit.
    Log,
}

impl Power {
    /// In the order of the stored state.
    pub const ALL: [Self; 3] = [Self::Identity, Self::Root, Self::Log];

    /// The exponent λ.
    #[must_use]
    pub const fn lambda(self) -> f64 {
        match self {
            Self::Identity => 1.0,
            Self::Root => 0.5,
            Self::Log => 0.0,
        }
    }

    fn apply(self, amount: f64, ln_amount: f64) -> f64 {
        match self {
            Self::Identity => amount,
            Self::Root => libm::copysign(libm::sqrt(amount.abs()), amount),
            Self::Log => ln_amount,
        }
    }

    /// The amount that transforms to `y`.
    fn back(self, y: f64) -> f64 {
        match self {
            Self::Identity => y,
            Self::Root => libm::copysign(y * y, y),
            Self::Log => libm::exp(y.min(700.0)),
        }
    }

    /// What e to the `ln_amount` transforms to.
    fn of_logarithm(self, ln_amount: f64) -> f64 {
        match self {
            Self::Log => ln_amount,
            Self::Identity | Self::Root => libm::exp(self.lambda() * ln_amount),
        }
    }

    /// The prior spread around a mean of the transformed amounts, for a spread of 1 in the logarithm.
    fn spread(self, mean: f64, unit: f64) -> f64 {
        match self {
            Self::Identity => mean.abs().max(unit),
            Self::Root => 0.5 * mean.abs().max(libm::sqrt(unit)),
            Self::Log => 1.0,
        }
    }

    /// ln |λ|, the part of the likelihood that is the same for every amount; 0 for the logarithm.
    const fn ln_lambda(self) -> f64 {
        match self {
            Self::Identity | Self::Log => 0.0,
            Self::Root => -std::f64::consts::LN_2,
        }
    }
}

/// What is usual: mean and variance of the clamped amounts under each transform.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Amounts {
    /// Transactions since the last new level; saturates.
    pub(super) count: u32,
    /// In the order of [`Power::ALL`].
    levels: [Weighted; 3],
}

/// One amount under all transforms, before it is judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    transformed: [f64; 3],
    /// What is folded in.
    clamped: [f64; 3],
    /// Normal deviate of the amount; 0 for a user's first one.
    pub(super) own: f64,
    /// Of the transform that fits best, unless it is the first amount.
    likeliest: Option<Likeliest>,
    /// Whether what is usual may be negative.
    is_signed: bool,
}

#[derive(Debug, Clone, Copy)]
struct Likeliest {
    power: Power,
    mean: f64,
    predictive: Predictive,
}

impl Reading {
    /// Natural logarithm of the amount, or of the unit if that is more.
    pub(super) const fn ln_amount(&self) -> f64 {
        let [_, _, ln_amount] = self.transformed;
        ln_amount
    }

    /// The transform that fits best.
    pub(super) fn power(&self) -> Power {
        self.likeliest.map_or(Power::Log, |likeliest| likeliest.power)
    }

    /// What is usual, as an amount.
    pub(super) fn usual(&self) -> f64 {
        self.likeliest.map_or(0.0, |Likeliest { power, mean, .. }| match power {
            Power::Log => power.back(mean),
            Power::Identity | Power::Root => power.back(if self.is_signed { mean } else { mean.max(0.0) }),
        })
    }

    /// The amount `sigmas` above what is usual, or below it if that is negative, under the transform that fits best.
    pub(super) fn threshold(&self, sigmas: f64) -> f64 {
        self.likeliest.map_or(0.0, |Likeliest { power, mean, predictive }| {
            let reach = predictive.scale * t_of_normal(sigmas.abs(), predictive.nu);
            let y = mean + libm::copysign(reach, sigmas);
            if sigmas < 0.0 || self.is_signed {
                power.back(y)
            } else {
                power.back(if power == Power::Log { y } else { y.max(0.0) })
            }
        })
    }
}

impl Amounts {
    /// The state after `count` transactions whose logarithms have this mean and variance, if they are log-normal.
    pub(super) fn log_normal(count: u32, mean: f64, variance: f64) -> Self {
        let level = |power: Power| {
            let lambda = power.lambda();
            match power {
                Power::Log => Weighted { mean, variance },
                Power::Identity | Power::Root => {
                    let m = libm::exp(lambda * mean + lambda * lambda * variance / 2.0);
                    Weighted { mean: m, variance: m * m * libm::expm1(lambda * lambda * variance) }
                }
            }
        };
        Self { count, levels: Power::ALL.map(level) }
    }

    /// The state after `count` transactions at a new level, of which the logarithms are known.
    pub(super) fn at_level(count: u32, mean: f64, variance: f64) -> Self {
        let level = |power: Power| {
            let m = power.of_logarithm(mean);
            let slope = if power == Power::Log { 1.0 } else { power.lambda() * m };
            Weighted { mean: m, variance: if power == Power::Log { variance } else { slope * slope * variance } }
        };
        Self { count, levels: Power::ALL.map(level) }
    }

    /// Mean and population variance of the clamped amounts themselves.
    pub(super) const fn untransformed(&self) -> Weighted {
        let [identity, ..] = self.levels;
        identity
    }

    /// Observations that count.
    pub(super) fn count_within_memory(&self) -> u32 {
        self.count.min(MEMORY)
    }

    /// Compares an amount with what is usual.
    pub(super) fn read(&self, amount: f64, settings: &ProfileSettings) -> Reading {
        let (unit, spread_ratio_min) = (settings.unit, settings.spread_ratio_min);
        // Amounts below the unit have one logarithm, so that none of them would be unusual.
        let is_signed = settings.direction == Direction::Both && self.untransformed().mean < 0.0;
        let ln_amount = libm::log(amount.max(unit));
        let transformed = Power::ALL.map(|power| power.apply(amount, ln_amount));
        if self.count == 0 {
            return Reading { transformed, clamped: transformed, own: 0.0, likeliest: None, is_signed };
        }
        let count = f64::from(self.count_within_memory());
        let weight = (PRIOR_WEIGHT * (PRIOR_KEPT / f64::from(self.count)).min(1.0)).max(PRIOR_WEIGHT_MIN);
        let [_, _, log_level] = self.levels;
        let each = |index: usize| {
            let (power, level, y) = (at(Power::ALL, index), at(self.levels, index), at(transformed, index));
            let spread = power.spread(level.mean, unit);
            let predictive =
                Predictive::new(level.variance, count, PRIOR_SPREAD * spread, weight, spread_ratio_min * spread);
            let is_possible = !is_signed || power != Power::Log;
            let likelihood = count
                * (-0.5 * libm::log(predictive.variance) + (power.lambda() - 1.0) * log_level.mean + power.ln_lambda());
            let own = normal_of_t((y - level.mean) / predictive.scale, predictive.nu);
            let likelihood = if is_possible { likelihood } else { f64::NEG_INFINITY };
            (own, likelihood, Likeliest { power, mean: level.mean, predictive })
        };
        let readings = [each(0), each(1), each(2)];
        let nu = weight + count - 1.0;
        let reach = t_of_normal(CLAMP_SIGMAS, nu);
        let clamped = [0, 1, 2].map(|index| {
            let (level, (_, _, Likeliest { predictive, .. })) = (at(self.levels, index), at(readings, index));
            let reach = predictive.scale * reach;
            at(transformed, index).max(level.mean - reach).min(level.mean + reach)
        });
        let (own, likeliest) = mixture(&readings);
        Reading { transformed, clamped, own, likeliest: Some(likeliest), is_signed }
    }

    /// Folds the clamped amount in.
    pub(super) fn fold(&mut self, reading: &Reading) {
        self.count = self.count.saturating_add(1);
        let alpha = 1.0 / f64::from(self.count_within_memory());
        for (level, y) in self.levels.iter_mut().zip(reading.clamped) {
            level.push(y, alpha);
        }
    }

    /// Whether amounts can have produced these numbers.
    pub(super) fn is_sound(&self) -> bool {
        let [identity, root, log] = self.levels;
        let within = |level: Weighted, mean_max: f64| {
            level.mean.abs() <= mean_max && (0.0..=MOMENT_MAX).contains(&level.variance)
        };
        within(identity, AMOUNT_ABSOLUTE_MAX * 2.0) && within(root, AMOUNT_ABSOLUTE_MAX) && within(log, 700.0)
    }
}

/// The three scores, weighted by the profile likelihood of Box and Cox, and the likeliest transform. Of those that fit equally well but
/// for rounding it is the first.
fn mixture(readings: &[(f64, f64, Likeliest); 3]) -> (f64, Likeliest) {
    let top = readings.iter().map(|(_, likelihood, _)| *likelihood).fold(f64::NEG_INFINITY, f64::max);
    let weights = readings.map(|(_, likelihood, _)| libm::exp((likelihood - top).max(EXPONENT_MIN)));
    let sum: f64 = weights.iter().sum();
    let own = weights.iter().zip(readings).map(|(weight, (own, _, _))| weight / sum * own).sum();
    let [first, ..] = *readings;
    let fits_best = |(_, likelihood, _): &&(f64, f64, Likeliest)| *likelihood >= top - EQUAL_WITHIN;
    (own, readings.iter().find(fits_best).unwrap_or(&first).2)
}

fn at<T: Copy>(values: [T; 3], index: usize) -> T {
    let [first, second, third] = values;
    match index {
        0 => first,
        1 => second,
        _ => third,
    }
}
