//! A first amount that is nothing like the next two.
//!
//! Every amount is clamped by those before it, but the first has none. A first payment of 10,000 before a life of 50s would otherwise hide
//! a 500 for two months of payments. So the first two are remembered until the third arrives; if the first is far beyond both of the
//! others, the profile is made of those two, and the first is folded in last, clamped like any other.

use serde::{Deserialize, Serialize};

/// The first has to be more than this many times larger than both others, in absolute value.
const FAR: f64 = 100.0;

/// The first amounts, as long as they are needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) enum Early {
    /// No amount yet.
    #[default]
    None,
    /// The first amount.
    One(f64),
    /// The first two.
    Two(f64, f64),
    /// The third is known: nothing is remembered.
    Past,
}

impl Early {
    /// Adds an amount. Returns the order in which the first three are to be folded in, if it is not the one in which they came.
    pub(super) fn add(&mut self, amount: f64) -> Option<[f64; 3]> {
        let (next, reordered) = match *self {
            Self::None => (Self::One(amount), None),
            Self::One(first) => (Self::Two(first, amount), None),
            Self::Two(first, second) => {
                let is_far = first.abs() > FAR * second.abs().max(amount.abs());
                (Self::Past, is_far.then_some([second, amount, first]))
            }
            Self::Past => (Self::Past, None),
        };
        *self = next;
        reordered
    }

    /// Whether `count` transactions can have left it.
    pub(super) fn is_sound(self, count: u32) -> bool {
        let is_amount = crate::moments::is_mean;
        match self {
            Self::None => count == 0,
            Self::One(first) => count == 1 && is_amount(first),
            Self::Two(first, second) => count == 2 && is_amount(first) && is_amount(second),
            Self::Past => count > 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(amounts: [f64; 3]) -> Option<[f64; 3]> {
        let mut early = Early::default();
        let [first, second, third] = amounts;
        assert_eq!((early.add(first), early.add(second)), (None, None));
        let order = early.add(third);
        assert_eq!((early, early.add(1e9)), (Early::Past, None));
        order
    }

    #[test]
    fn only_a_first_amount_far_beyond_both_others_comes_last() {
        assert_eq!(order([1e4, 50.0, 60.0]), Some([50.0, 60.0, 1e4]));
        assert_eq!(order([-1e4, 50.0, 60.0]), Some([50.0, 60.0, -1e4]));
        assert_eq!(order([1e4, 50.0, 1e3]), None);
        assert_eq!(order([50.0, 1e4, 60.0]), None);
        assert_eq!(order([0.0, 0.0, 0.0]), None);
        assert_eq!(order([1e4, 50.0, 100.0]), None, "a hundred times is not far yet");
    }
}
