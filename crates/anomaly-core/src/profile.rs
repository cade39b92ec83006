//! The rule `profile`: how unusual an amount is on the user's own scale, whatever that scale is.
//!
//! A score in sigmas is made of four parts: `amount` compares an amount with the user's own past under three power transforms,
//! `habit` takes back what is loud but usual, `heat` adds what came shortly before, `population` what is loud for everybody.
//! `early` sees a first amount that is nothing like the next, `level` a lasting change. While a model is configured, `context` remembers
//! what surrounds the amounts, and `trees` judge by it. `docs/rule.md` has the formulas, their sources and the evidence.
//!
//! Amounts are in the account's currency, times in ms since the epoch, scores in standard deviations of a normal distribution.

mod amount;
mod context;
mod early;
mod habit;
mod heat;
mod level;
mod normal;
mod population;
mod trees;

use std::sync::Arc;

pub use amount::Power;
use amount::{Amounts, Reading};
use context::{Context, Surroundings};
use early::Early;
use habit::Habit;
use heat::Heat;
use level::{LOUD_AMOUNTS, Level};
pub use population::Population;
use serde::{Deserialize, Serialize};
pub use trees::{Feature, Features, MODEL_VERSION, Model, ModelJson, Opinion, Training, Tree};

use crate::{Direction, LongTerm};

/// From this many amounts on, a long-term baseline is worth taking over.
const MIGRATED_FROM: u32 = 9;
/// Beyond this variance of the logarithm amounts are not log-normal: refunds among payments make a small mean and a large variance.
const MIGRATED_VARIANCE_MAX: f64 = 4.0;

/// Why a population table or a model cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} must {must}")]
pub struct ProfileError {
    /// Which part of it.
    pub field: String,
    /// What is expected.
    pub must: &'static str,
}

/// What the rule `profile` is set to.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileSettings {
    /// Score beyond which an amount is an anomaly.
    pub sigmas: f64,
    /// Which side alerts.
    pub direction: Direction,
    /// Transactions before the first judgement.
    pub observations_min: u32,
    /// Least spread as a share of the level.
    pub spread_ratio_min: f64,
    /// Smallest amount that means something.
    pub unit: f64,
    /// What is loud for everybody.
    pub population: Option<Arc<Population>>,
    /// A trained second opinion.
    pub model: Option<Arc<Model>>,
    /// Whether the model's opinion alone makes an anomaly.
    pub model_alerts: bool,
    /// Whether the context is kept: a model needs it, and training one.
    pub keeps_context: bool,
}

/// What the rule `profile` remembers about a user's amounts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    newest_event_time_ms: Option<i64>,
    amounts: Amounts,
    early: Early,
    habit: Habit,
    level: Level,
    heat: Heat,
    context: Option<Box<Context>>,
}

/// How a judged amount compares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// The sum of the four parts.
    pub score: f64,
    /// Whether it is an anomaly.
    pub is_anomaly: bool,
    /// The amount on the user's own scale.
    pub own: f64,
    /// What a habit takes back: 0 or negative.
    pub habit: f64,
    /// What recent unusual amounts add.
    pub heat: f64,
    /// What being loud for everybody adds.
    pub population: f64,
    /// Transactions in the profile; saturates.
    pub count: u32,
    /// The transform that fits the user best.
    pub power: Power,
    /// What is usual, as an amount.
    pub usual: f64,
    /// From about this amount on the user's own past alone makes an anomaly: under the best transform, not the mixture of all three.
    pub threshold: f64,
    /// Whether with this amount the user is at a new level.
    pub is_new_level: bool,
    /// What a model may look at, if the context is kept.
    pub features: Option<Features>,
    /// The model's opinion on an anomaly, if there is a model.
    pub model: Option<Opinion>,
}

impl Judgement {
    /// Asks the model, if there is one and it matters: whether this is an anomaly too if it may say so, and for its opinion on one.
    fn ask(&mut self, settings: &ProfileSettings) {
        let Some((model, features)) = settings.model.as_ref().zip(self.features.as_ref()) else { return };
        self.is_anomaly |= settings.model_alerts && model.is_anomaly(features);
        self.model = self.is_anomaly.then(|| model.opinion(features));
    }
}

impl Profile {
    /// A user without transactions.
    #[must_use]
    pub fn new() -> Self {
        Self {
            newest_event_time_ms: None,
            amounts: Amounts::default(),
            early: Early::default(),
            habit: Habit::default(),
            level: Level::default(),
            heat: Heat::default(),
            context: None,
        }
    }

    /// What another rule remembered, as far as it says anything here: the long-term baseline, taken as log-normal. Fewer than nine
    /// amounts, a mean that is not positive, or amounts that are hardly ever above the unit say nothing.
    #[must_use]
    pub fn from_long_term(long_term: &LongTerm, newest_event_time_ms: Option<i64>, unit: f64) -> Self {
        let new = Self { newest_event_time_ms, ..Self::new() };
        if long_term.count < MIGRATED_FROM || long_term.mean <= 0.0 {
            return new;
        }
        let variance = libm::log1p(long_term.variance / (long_term.mean * long_term.mean));
        let mean = libm::log(long_term.mean) - variance / 2.0;
        if mean < libm::log(unit) || variance > MIGRATED_VARIANCE_MAX {
            return new;
        }
        let amounts = Amounts::log_normal(long_term.count.min(amount::MEMORY), mean, variance);
        if amounts.is_sound() { Self { amounts, early: Early::Past, ..new } } else { new }
    }

    /// What another rule can take over: count, mean and variance of the clamped amounts.
    #[must_use]
    pub fn to_long_term(&self) -> LongTerm {
        let level = self.amounts.untransformed();
        let long_term = LongTerm { count: self.amounts.count, mean: level.mean, variance: level.variance };
        if long_term.is_sound() { long_term } else { LongTerm::default() }
    }

    /// Transactions in the profile; saturates.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.amounts.count
    }

    /// Event time of the user's newest transaction, in ms since the epoch.
    #[must_use]
    pub const fn newest_event_time_ms(&self) -> Option<i64> {
        self.newest_event_time_ms
    }

    /// Judges an amount, then folds it in. `None` while there are too few transactions. The caller has made sure that the event time is
    /// not late.
    pub fn step(
        &mut self,
        amount: f64,
        event_time_ms: i64,
        merchant_id: Option<&str>,
        settings: &ProfileSettings,
    ) -> Option<Judgement> {
        let elapsed_ms = self.advance(event_time_ms);
        let heat = self.heat.cool();
        let reading = self.amounts.read(amount, settings);
        let surroundings = self.surroundings(elapsed_ms, amount, event_time_ms, merchant_id, settings);
        let mut judgement = (self.amounts.count >= settings.observations_min).then(|| self.judge(&reading, settings));
        if let Some(judgement) = &mut judgement {
            let excused = judgement.own + judgement.habit;
            judgement.features = surroundings
                .as_ref()
                .map(|surroundings| features(judgement.score, heat, surroundings, reading.ln_amount()));
            judgement.ask(settings);
            self.heat.add(excused);
        }
        let is_new_level = self.fold(amount, &reading, judgement.is_some(), settings);
        if let (Some(context), Some(surroundings)) = (&mut self.context, &surroundings) {
            context.fold(surroundings, amount, is_new_level);
        }
        judgement.map(|judgement| Judgement { is_new_level, ..judgement })
    }

    /// Moves the newest event time. Returns the ms since the one before.
    fn advance(&mut self, event_time_ms: i64) -> f64 {
        let newest = self.newest_event_time_ms.unwrap_or(event_time_ms);
        self.newest_event_time_ms = Some(newest.max(event_time_ms));
        milliseconds(event_time_ms.saturating_sub(newest).max(0))
    }

    fn surroundings(
        &mut self,
        elapsed_ms: f64,
        amount: f64,
        event_time_ms: i64,
        merchant_id: Option<&str>,
        settings: &ProfileSettings,
    ) -> Option<Surroundings> {
        if !settings.keeps_context {
            self.context = None;
            return None;
        }
        let context = self.context.get_or_insert_default();
        Some(context.read(elapsed_ms, amount, event_time_ms, merchant_id, settings.unit))
    }

    fn judge(&self, reading: &Reading, settings: &ProfileSettings) -> Judgement {
        let (own, ln_amount) = (reading.own, reading.ln_amount());
        let excused = self.habit.score(own, ln_amount);
        let heat = self.heat.bonus(excused);
        let population = settings.population.as_ref().map_or(0.0, |population| population.bonus(ln_amount));
        let is_below = settings.direction == Direction::Both && own < -settings.sigmas;
        let score = if is_below { own } else { excused + heat + population };
        Judgement {
            score,
            is_anomaly: is_below || score > settings.sigmas,
            own,
            habit: excused - own,
            heat,
            population,
            count: self.amounts.count,
            power: reading.power(),
            usual: reading.usual(),
            threshold: reading.threshold(if is_below { -settings.sigmas } else { settings.sigmas }),
            is_new_level: false,
            features: None,
            model: None,
        }
    }

    /// Folds an amount in. Returns whether it makes a new level.
    fn fold(&mut self, amount: f64, reading: &Reading, is_judged: bool, settings: &ProfileSettings) -> bool {
        let ln_amount = reading.ln_amount();
        let is_loud = is_judged && habit::is_loud(reading.own);
        let is_below = is_judged && settings.direction == Direction::Both && habit::is_loud(-reading.own);
        self.habit.fold(is_loud, ln_amount);
        let new_level = if is_loud || is_below {
            self.level.add_loud(ln_amount, is_loud)
        } else {
            if is_judged {
                self.level.add_usual();
            }
            None
        };
        let Some(level) = new_level else {
            self.amounts.fold(reading);
            if let Some(amounts) = self.early.add(amount) {
                self.amounts = Amounts::default();
                for amount in amounts {
                    let reading = self.amounts.read(amount, settings);
                    self.amounts.fold(&reading);
                }
            }
            return false;
        };
        self.amounts = Amounts::at_level(LOUD_AMOUNTS.unsigned_abs().into(), level.mean, level.variance);
        self.heat = Heat::default();
        self.habit.forget_loud();
        true
    }

    /// Whether transactions can have produced this profile. Checked when it is read from storage.
    pub(crate) fn is_sound(&self) -> bool {
        self.amounts.is_sound()
            && self.early.is_sound(self.amounts.count)
            && self.habit.is_sound()
            && self.level.is_sound()
            && self.heat.is_sound()
            && self.context.as_ref().is_none_or(|context| context.is_sound())
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::new()
    }
}

/// In the order of [`Feature::ALL`].
fn features(score: f64, heat: f64, surroundings: &Surroundings, ln_amount: f64) -> Features {
    let [ten_minutes, hour, day, sum] = surroundings.velocity;
    let Surroundings { hour_surprise, merchant_surprise, hour_of_day, .. } = *surroundings;
    [score, heat, ten_minutes, hour, day, sum, hour_surprise, merchant_surprise, ln_amount, hour_of_day]
}

/// Exact up to 2⁵³ ms: 285,000 years.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "event times end in the year 9999")]
const fn milliseconds(elapsed: i64) -> f64 {
    elapsed as f64
}
