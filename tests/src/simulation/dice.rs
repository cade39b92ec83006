//! The one source of chance of a schedule.

use std::cell::RefCell;
use std::rc::Rc;

use lambda_kit::Fault;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Shares of effects that fail; each schedule has one of them.
const FAULT_SHARES: [f64; 4] = [0.0, 0.02, 0.1, 0.3];

/// Clones share the sequence.
#[derive(Debug, Clone)]
pub(super) struct Dice(Rc<RefCell<Inner>>);

#[derive(Debug)]
struct Inner {
    random: ChaCha8Rng,
    fault_share: f64,
    is_resting: bool,
    is_dead: bool,
    faults: u64,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let fault_share = FAULT_SHARES.get(random.random_range(0..FAULT_SHARES.len())).copied().unwrap_or_default();
        Self(Rc::new(RefCell::new(Inner { random, fault_share, is_resting: false, is_dead: false, faults: 0 })))
    }

    /// From now on nothing fails.
    pub(super) fn rest(&self) {
        self.0.borrow_mut().is_resting = true;
    }

    /// True with this probability.
    pub(super) fn chance(&self, probability: f64) -> bool {
        self.0.borrow_mut().random.random_bool(probability)
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&self, low: u32, high: u32) -> u32 {
        self.0.borrow_mut().random.random_range(low..=high)
    }

    /// An amount: mostly usual, sometimes far out.
    pub(super) fn amount(&self) -> f64 {
        let mut inner = self.0.borrow_mut();
        let amount: f64 = if inner.random.random_bool(0.1) {
            inner.random.random_range(1_000.0..100_000.0)
        } else {
            inner.random.random_range(50.0..150.0)
        };
        amount.round()
    }

    /// True with the schedule's fault share, and never once the dice rest.
    pub(super) fn fails(&self) -> bool {
        let mut inner = self.0.borrow_mut();
        let share = if inner.is_resting { 0.0 } else { inner.fault_share };
        let fails = inner.random.random_bool(share);
        inner.faults += u64::from(fails);
        fails
    }

    /// What happens to an effect. A container that has died has no effects any more.
    pub(super) fn fault(&self) -> Fault {
        if self.is_dead() {
            return Fault::Refused;
        }
        if self.fails() && self.chance(0.3) {
            self.0.borrow_mut().is_dead = true;
        }
        match (self.fails(), self.chance(0.5)) {
            (false, _) => Fault::None,
            (true, false) => Fault::Refused,
            (true, true) => Fault::AppliedButFailed,
        }
    }

    /// Whether the container that is working has died.
    pub(super) fn is_dead(&self) -> bool {
        self.0.borrow().is_dead
    }

    /// The next container is alive.
    pub(super) fn revive(&self) {
        self.0.borrow_mut().is_dead = false;
    }

    /// How many effects failed.
    pub(super) fn faults(&self) -> u64 {
        self.0.borrow().faults
    }
}
