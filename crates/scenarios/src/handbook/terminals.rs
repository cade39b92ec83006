//! The terminals: one in each cell of a square of 100 by 100. A customer pays at those within 5 of home.

use rand::{Rng, RngExt};

const SIDE: i16 = 100;
const REACH: i16 = 5;

/// A terminal, by its cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terminal([i16; 2]);

impl Terminal {
    pub(super) fn any(random: &mut impl Rng) -> Self {
        Self(any_cell(random))
    }

    /// Draws one of those within reach evenly.
    pub(super) fn near([home_x, home_y]: [i16; 2], random: &mut impl Rng) -> Self {
        // In the middle two candidates in three are within reach, in a corner one in five.
        loop {
            let [right, up]: [i16; 2] = std::array::from_fn(|_| random.random_range(-REACH..=REACH));
            let [x, y] = [home_x + right, home_y + up];
            let is_within_reach = right * right + up * up <= REACH * REACH;
            if is_within_reach && (0..SIDE).contains(&x) && (0..SIDE).contains(&y) {
                return Self([x, y]);
            }
        }
    }

    /// `merchant_1` and so on.
    pub(super) fn id(self) -> String {
        let [x, y] = self.0;
        format!("merchant_{}", x * SIDE + y + 1)
    }
}

/// Draws a cell of the square evenly.
pub(super) fn any_cell(random: &mut impl Rng) -> [i16; 2] {
    std::array::from_fn(|_| random.random_range(0..SIDE))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn a_customer_pays_at_all_terminals_within_reach_and_no_others() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut reached = |home| (0..20_000).map(|_| Terminal::near(home, &mut random).id()).collect::<BTreeSet<_>>();
        // The lattice points of a disc of radius 5, and of a quarter of it.
        assert_eq!((reached([50, 50]).len(), reached([0, 0]).len(), reached([99, 99]).len()), (81, 26, 26));
        assert!(reached([0, 0]).contains("merchant_1") && reached([99, 99]).contains("merchant_10000"));
    }
}
