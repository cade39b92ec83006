//! Where a user pays: at a few favourites, and now and then somewhere else.
//!
//! A favourite is drawn by the popularity that all merchants have, so one user's next merchant, without knowing the user, follows it too.
//!
//! Deliberately absent: what a merchant sells, where it is, and favourites that change over time.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, Zipf};

/// Number of merchants. Their popularity follows Zipf's law with [`ZIPF_EXPONENT`].
const MERCHANTS: u16 = 1_000;
/// Places among a user's favourites. Their shares follow Zipf's law with [`ZIPF_EXPONENT`], too.
const FAVOURITES: usize = 8;
const FAVOURITES_F64: f64 = 8.0;
const ZIPF_EXPONENT: f64 = 1.0;
/// Share of a user's transactions at a merchant that is drawn by popularity alone.
const ELSEWHERE_SHARE: f64 = 0.1;

/// A merchant's number, from 1 on: the lower, the more popular.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Merchant(u16);

impl Merchant {
    /// `merchant_1` and so on.
    pub(crate) fn id(self) -> String {
        format!("merchant_{}", self.0)
    }
}

/// The distributions that all users share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MerchantLaws {
    popularity: Zipf<f64>,
    place: Zipf<f64>,
}

impl MerchantLaws {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            popularity: Zipf::new(f64::from(MERCHANTS), ZIPF_EXPONENT)?,
            place: Zipf::new(FAVOURITES_F64, ZIPF_EXPONENT)?,
        })
    }

    fn popular(&self, random: &mut impl Rng) -> Merchant {
        Merchant(whole(self.popularity.sample(random)))
    }
}

/// The merchants that a user returns to, from the most frequent on: 16 bytes. One of them may have several places.
#[derive(Debug, Clone)]
pub(crate) struct Favourites([Merchant; FAVOURITES]);

impl Favourites {
    pub(crate) fn draw(laws: &MerchantLaws, random: &mut impl Rng) -> Self {
        Self(std::array::from_fn(|_| laws.popular(random)))
    }

    /// Draws where the user pays next.
    pub(crate) fn visit(&self, laws: &MerchantLaws, random: &mut impl Rng) -> Merchant {
        if random.random_bool(ELSEWHERE_SHARE) {
            return laws.popular(random);
        }
        let place = usize::from(whole(laws.place.sample(random)));
        self.0.get(place.saturating_sub(1)).copied().unwrap_or_else(|| laws.popular(random))
    }

    /// Draws one of the merchants evenly that is neither a favourite nor `except`.
    pub(crate) fn foreign(&self, except: Option<Merchant>, random: &mut impl Rng) -> Merchant {
        // At most nine of 1,000 are refused, so the first candidate is nearly always taken.
        loop {
            let merchant = Merchant(random.random_range(1..=MERCHANTS));
            if !self.0.contains(&merchant) && Some(merchant) != except {
                return merchant;
            }
        }
    }
}

/// A number that Zipf's law gives: a whole one of at most [`MERCHANTS`].
#[expect(clippy::as_conversions, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
fn whole(number: f64) -> u16 {
    number as u16
}

#[cfg(test)]
pub(crate) mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// The share of a merchant in the transactions of all users, or of a place in those of one: 1/rank, of the sum of `ranks`.
    fn zipf_share(rank: u16, ranks: u16) -> f64 {
        let total: f64 = (1..=ranks).map(|rank| 1.0 / f64::from(rank)).sum();
        1.0 / f64::from(rank) / total
    }

    impl Favourites {
        pub(crate) fn contains(&self, merchant: Merchant) -> bool {
            self.0.contains(&merchant)
        }

        pub(crate) fn distinct(&self) -> std::collections::BTreeSet<Merchant> {
            self.0.into_iter().collect()
        }

        /// The probability that a transaction of the user is at one of the favourites.
        pub(crate) fn share(&self) -> f64 {
            let by_chance: f64 = self.distinct().into_iter().map(|Merchant(rank)| zipf_share(rank, MERCHANTS)).sum();
            1.0 - 0.1 * (1.0 - by_chance)
        }
    }

    impl Merchant {
        pub(crate) fn of(id: &str) -> Self {
            Self(id.strip_prefix("merchant_").unwrap().parse().unwrap())
        }
    }

    pub(crate) fn merchants() -> f64 {
        f64::from(MERCHANTS)
    }

    /// Within five standard errors of a binomial.
    fn assert_share(merchants: &[Merchant], merchant: Merchant, share: f64) {
        let (n, expected) = (merchants.len(), share);
        let n = f64::from(u32::try_from(n).unwrap());
        let count = merchants.iter().filter(|one| **one == merchant).count();
        let count = f64::from(u32::try_from(count).unwrap());
        let error = 5.0 * (n * expected * (1.0 - expected)).sqrt();
        assert!((count - n * expected).abs() < error, "{merchant:?}: {count}, not {} ± {error}", n * expected);
    }

    #[test]
    fn merchants_of_many_users_follow_zipf() {
        let (laws, mut random) = (MerchantLaws::new().unwrap(), ChaCha8Rng::seed_from_u64(1));
        let mut visit = || Favourites::draw(&laws, &mut random).visit(&laws, &mut random);
        let visits: Vec<_> = (0..20_000).map(|_| visit()).collect();
        for rank in [1, 2, 3, 10] {
            assert_share(&visits, Merchant(rank), zipf_share(rank, MERCHANTS));
        }
    }

    #[test]
    fn merchants_of_one_user_follow_zipf_among_the_favourites() {
        let (laws, mut random) = (MerchantLaws::new().unwrap(), ChaCha8Rng::seed_from_u64(2));
        let favourites = Favourites(std::array::from_fn(|place| Merchant(500 + u16::try_from(place).unwrap())));
        let visits: Vec<_> = (0..20_000).map(|_| favourites.visit(&laws, &mut random)).collect();
        for (place, merchant) in (1..).zip(favourites.0) {
            let by_chance = 0.1 * zipf_share(merchant.0, MERCHANTS);
            assert_share(&visits, merchant, 0.9 * zipf_share(place, 8) + by_chance);
        }
    }

    #[test]
    fn a_user_has_room_for_favourites_in_16_bytes_and_most_are_distinct() {
        assert_eq!(size_of::<Favourites>(), 16);
        let (laws, mut random) = (MerchantLaws::new().unwrap(), ChaCha8Rng::seed_from_u64(3));
        let mut distinct = || u32::try_from(Favourites::draw(&laws, &mut random).distinct().len()).unwrap();
        let mean = f64::from((0..20_000).map(|_| distinct()).sum::<u32>()) / 20_000.0;
        // Of eight draws, a merchant of share p is among them with probability 1 − (1 − p)^8. The number of distinct merchants is
        // between 1 and 8, so its standard deviation is at most 3.5.
        let is_among = |rank| 1.0 - (1.0 - zipf_share(rank, MERCHANTS)).powi(8);
        let expected: f64 = (1..=MERCHANTS).map(is_among).sum();
        assert!((mean - expected).abs() < 5.0 * 3.5 / 20_000.0_f64.sqrt(), "{mean}, not {expected}");
    }
}
