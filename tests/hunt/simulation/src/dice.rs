//! The only source of randomness of a schedule, or a script in its place.

use std::cell::RefCell;
use std::rc::Rc;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Shares of effects that meet a mishap; each schedule uses one of them.
const FAULT_SHARES: [f64; 4] = [0.0, 0.02, 0.1, 0.3];
/// Duration of a slow effect, in ms: some run past a deadline, some do not.
const SLOW_MS: (u32, u32) = (500, 28_000);

/// The fault that one effect on the world meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// Nothing: it takes place.
    None,
    /// The service refuses it: a throttle or an internal error.
    Refused,
    /// It takes place, but the response says that it failed.
    ResponseLost,
    /// The container dies before it.
    CrashBefore,
    /// The container dies after it.
    CrashAfter,
    /// It does not take place, and there is never a response.
    HangBefore,
    /// It takes place, and there is never a response.
    HangAfter,
    /// It takes place after this many ms.
    Slow(u32),
    /// It takes place, but of several users' writes the first is refused.
    OneRefused,
    /// It takes place, but of several users' writes the first is said to have failed.
    OneLost,
}

impl Mishap {
    /// The mishaps that the exhaustive search tries.
    pub(crate) const SCRIPTED: [Self; 8] = [
        Self::Refused,
        Self::ResponseLost,
        Self::CrashBefore,
        Self::CrashAfter,
        Self::HangBefore,
        Self::HangAfter,
        Self::OneRefused,
        Self::OneLost,
    ];
}

/// The mishap of each effect that meets one, by the effect's number since the script began.
pub(crate) type Script = Vec<(usize, Mishap)>;

/// Clones share the sequence.
#[derive(Debug, Clone)]
pub(crate) struct Dice(Rc<RefCell<Inner>>);

#[derive(Debug)]
struct Inner {
    random: ChaCha8Rng,
    fault_share: f64,
    script: Option<Script>,
    is_resting: bool,
    effects: usize,
    mishaps: u64,
}

impl Dice {
    /// Dice that follow the seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let fault_share = FAULT_SHARES.get(random.random_range(0..FAULT_SHARES.len())).copied().unwrap_or_default();
        Self::with(random, fault_share, None)
    }

    /// Dice that rest until [`Self::begin`] and then follow a script.
    pub(crate) fn scripted(script: Script) -> Self {
        let dice = Self::with(ChaCha8Rng::seed_from_u64(0), 0.0, Some(script));
        dice.rest();
        dice
    }

    fn with(random: ChaCha8Rng, fault_share: f64, script: Option<Script>) -> Self {
        let inner = Inner { random, fault_share, script, is_resting: false, effects: 0, mishaps: 0 };
        Self(Rc::new(RefCell::new(inner)))
    }

    /// Turns faults off.
    pub(crate) fn rest(&self) {
        self.0.borrow_mut().is_resting = true;
    }

    /// Starts the script: effects are counted from here.
    pub(crate) fn begin(&self) {
        let mut inner = self.0.borrow_mut();
        inner.is_resting = false;
        inner.effects = 0;
    }

    /// Whether this schedule has no faults at all.
    pub(crate) fn is_faultless(&self) -> bool {
        let inner = self.0.borrow();
        inner.script.is_none() && inner.fault_share == 0.0
    }

    /// True with this probability.
    pub(crate) fn chance(&self, probability: f64) -> bool {
        let mut inner = self.0.borrow_mut();
        inner.script.is_none() && inner.random.random_bool(probability)
    }

    /// A number from `low` to `high`, both included; a script always takes the lowest.
    pub(crate) fn between(&self, low: u32, high: u32) -> u32 {
        let mut inner = self.0.borrow_mut();
        if inner.script.is_some() { low } else { inner.random.random_range(low..=high) }
    }

    /// An index below `length`; 0 if that is 0.
    pub(crate) fn index(&self, length: usize) -> usize {
        let last = u32::try_from(length.saturating_sub(1)).unwrap_or(u32::MAX);
        usize::try_from(self.between(0, last)).unwrap_or_default()
    }

    /// An amount: usually ordinary, sometimes an outlier.
    pub(crate) fn amount(&self) -> f64 {
        if self.chance(0.1) { self.between(1_000, 100_000).into() } else { self.between(50, 150).into() }
    }

    /// True with the schedule's fault share, and never once the dice rest.
    pub(crate) fn fails(&self) -> bool {
        let share = {
            let inner = self.0.borrow();
            if inner.is_resting { 0.0 } else { inner.fault_share }
        };
        share > 0.0 && self.chance(share)
    }

    /// Draws the mishap of the next effect.
    pub(crate) fn mishap(&self) -> Mishap {
        let mishap = if self.0.borrow().script.is_some() { self.scripted_mishap() } else { self.random_mishap() };
        let mut inner = self.0.borrow_mut();
        inner.effects += 1;
        inner.mishaps += u64::from(mishap != Mishap::None);
        mishap
    }

    fn scripted_mishap(&self) -> Mishap {
        let inner = self.0.borrow();
        let script = inner.script.iter().flatten().filter(|_| !inner.is_resting);
        let mut due = script.filter(|(number, _)| *number == inner.effects);
        due.next().map_or(Mishap::None, |(_, mishap)| *mishap)
    }

    fn random_mishap(&self) -> Mishap {
        if !self.fails() {
            return Mishap::None;
        }
        match self.between(0, 19) {
            0..=5 => Mishap::Refused,
            6..=11 => Mishap::ResponseLost,
            12 | 13 => Mishap::CrashBefore,
            14 | 15 => Mishap::CrashAfter,
            16 => Mishap::HangBefore,
            17 => Mishap::HangAfter,
            _ => Mishap::Slow(self.between(SLOW_MS.0, SLOW_MS.1)),
        }
    }

    /// Effects so far, or since the script began.
    pub(crate) fn effects(&self) -> usize {
        self.0.borrow().effects
    }

    /// Number of effects that met a mishap.
    pub(crate) fn mishaps(&self) -> u64 {
        self.0.borrow().mishaps
    }
}
