//! Tests of where, when and how fast users and thieves pay, on one sample of `fraud`. Bounds are five standard errors.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::*;
use crate::merchants::Merchant;
use crate::merchants::tests::merchants;
use crate::tests::settings;
use crate::{Kind, START_MS, US_PER_DAY, exact};

const HOUR_MS: i64 = 3_600_000;
/// Longer than nearly every gap in a burst, shorter than nearly every gap between two.
const BURST_GAP_MS_MAX: i64 = 1_800_000;

/// The transactions of one user, in order, and what they were drawn from.
struct Sampled {
    user: User,
    own_gap_us: f64,
    paid: Vec<Paid>,
}

#[derive(Clone, Copy)]
struct Paid {
    time_ms: i64,
    merchant: Merchant,
    kind: Option<Kind>,
}

/// 3,000 users, 2.9 transactions a day each, for 56 days: about 100 users of each kind of attack.
static SAMPLE: LazyLock<Vec<Sampled>> = LazyLock::new(|| {
    let settings = ScenarioSettings { users: 3_000, rate_per_second: 0.1, ..settings(Scenario::Fraud) };
    let end_ms = START_MS + whole_us(settings.horizon_seconds * US_PER_SECOND) / US_PER_MS;
    let mut retail = Retail::new(&settings).unwrap();
    let users = std::mem::take(&mut Retail::new(&settings).unwrap().users);
    let sampled = |user: User| {
        let own_gap_us = own_gap_us(&user.spender, retail.rate_per_us);
        Sampled { user, own_gap_us, paid: Vec::new() }
    };
    let mut sample: Vec<_> = users.into_iter().map(sampled).collect();
    for g in retail.by_ref().take_while(|g| g.timestamp < end_ms) {
        let number: usize = g.user_id.strip_prefix("user").unwrap().parse().unwrap();
        let paid = Paid { time_ms: g.timestamp, merchant: Merchant::of(&g.merchant_id), kind: g.kind };
        sample[number - 1].paid.push(paid);
    }
    sample
});

impl Sampled {
    fn of(&self, kind: Option<Kind>) -> impl Iterator<Item = &Paid> {
        self.paid.iter().filter(move |paid| paid.kind == kind)
    }

    fn is_favourite(&self, paid: &Paid) -> bool {
        self.user.spender.favourites.contains(paid.merchant)
    }

    /// Whether this is in the eight hours in which the user pays least.
    fn is_asleep(&self, paid: &Paid) -> bool {
        let hour = exact(paid.time_ms.rem_euclid(24 * HOUR_MS)) / exact(HOUR_MS);
        let since_quietest = hour - 3.0 - self.user.spender.rhythm.hours_late;
        (since_quietest + 4.0).rem_euclid(24.0) < 8.0
    }

    /// The leaked card's purchases, by burst.
    fn bursts(&self) -> Vec<Vec<Paid>> {
        let mut bursts: Vec<Vec<Paid>> = Vec::new();
        for paid in self.of(Some(Kind::LeakedCard)) {
            match bursts.last_mut() {
                Some(burst) if paid.time_ms - burst[burst.len() - 1].time_ms < BURST_GAP_MS_MAX => burst.push(*paid),
                _ => bursts.push(vec![*paid]),
            }
        }
        bursts
    }
}

/// A count of independent events, its expectation and variance.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    count: f64,
    expected: f64,
    variance: f64,
}

impl Tally {
    fn add(&mut self, is_event: bool, probability: f64) {
        self.count += f64::from(u8::from(is_event));
        self.expected += probability;
        self.variance += probability * (1.0 - probability);
    }

    fn assert(self) {
        assert!((self.count - self.expected).abs() < 5.0 * self.variance.sqrt(), "{self:?}");
    }
}

/// The share of a user's own transactions in the quietest eight hours: the rate is 1 − 0.85·cos around the quietest one, so it is
/// (8 − 0.85·(24/π)·sin(π/3))/24.
const ASLEEP_SHARE: f64 = 0.099;

fn at_favourites(kind: Option<Kind>) -> Tally {
    let mut tally = Tally::default();
    for sampled in SAMPLE.iter() {
        let share = sampled.user.spender.favourites.share();
        sampled.of(kind).for_each(|paid| tally.add(sampled.is_favourite(paid), share));
    }
    tally
}

fn asleep(kind: Option<Kind>) -> Tally {
    let mut tally = Tally::default();
    for sampled in SAMPLE.iter() {
        sampled.of(kind).for_each(|paid| tally.add(sampled.is_asleep(paid), ASLEEP_SHARE));
    }
    tally
}

#[test]
fn users_pay_at_their_favourites_and_seldom_when_they_sleep() {
    let favourites = at_favourites(None);
    favourites.assert();
    assert!(favourites.expected > 400_000.0 * 0.9, "{favourites:?}");
    asleep(None).assert();
}

#[test]
fn a_slow_ramp_is_at_the_users_merchants_and_hours() {
    let favourites = at_favourites(Some(Kind::SlowRamp));
    favourites.assert();
    asleep(Some(Kind::SlowRamp)).assert();
    assert!(favourites.expected > 500.0, "{favourites:?}");
}

/// Whether a thief's merchant is among those of the user's transactions before it, and how probable that is: all merchants that are
/// not favourites are equally so.
fn tally_known(tally: &mut Tally, sampled: &Sampled, stolen: &Paid) {
    let favourites = sampled.user.spender.favourites.distinct();
    let own = sampled.of(None).filter(|paid| paid.time_ms < stolen.time_ms);
    let known: BTreeSet<_> = own.map(|paid| paid.merchant).filter(|one| !favourites.contains(one)).collect();
    let count = |set: &BTreeSet<_>| f64::from(u32::try_from(set.len()).unwrap());
    assert!(!favourites.contains(&stolen.merchant));
    tally.add(known.contains(&stolen.merchant), count(&known) / (merchants() - count(&favourites)));
}

#[test]
fn a_thief_pays_where_the_user_has_hardly_ever_been() {
    let (mut tally, mut total) = (Tally::default(), 0.0);
    for sampled in SAMPLE.iter() {
        // All probes are at one merchant, so only the first counts.
        let probes = sampled.of(Some(Kind::CardTesting)).take(1);
        let purchases = [Kind::LeakedCard, Kind::CashOut].into_iter().flat_map(|kind| sampled.of(Some(kind)));
        for stolen in probes.chain(purchases) {
            tally_known(&mut tally, sampled, stolen);
            total += 1.0;
        }
    }
    tally.assert();
    assert!(total > 1_000.0 && tally.expected < 0.02 * total, "{tally:?} of {total}");
}

#[test]
fn a_leaked_card_is_used_at_any_hour() {
    let mut tally = Tally::default();
    for sampled in SAMPLE.iter() {
        // A burst is one event: its purchases are minutes apart.
        sampled.bursts().iter().for_each(|burst| tally.add(sampled.is_asleep(&burst[0]), 1.0 / 3.0));
    }
    tally.assert();
    assert!(tally.count - 5.0 * tally.variance.sqrt() > 3.0 * tally.expected * ASLEEP_SHARE, "{tally:?}");
}

#[test]
fn a_leaked_card_is_used_in_bursts_of_four_purchases_two_minutes_apart() {
    let bursts: Vec<_> = SAMPLE.iter().flat_map(Sampled::bursts).collect();
    let mut goes_on = Tally::default();
    let (mut gaps_ms, mut gaps) = (0, 0.0_f64);
    for burst in &bursts {
        for pair in burst.windows(2) {
            goes_on.add(true, 0.75);
            gaps_ms += pair[1].time_ms - pair[0].time_ms;
            gaps += 1.0;
        }
        goes_on.add(false, 0.75);
    }
    goes_on.assert();
    // The standard deviation of an exponential distribution is its mean.
    let mean_seconds = exact(gaps_ms) / 1_000.0 / gaps;
    assert!((mean_seconds - 120.0).abs() < 5.0 * 120.0 / gaps.sqrt(), "{mean_seconds} s from {gaps} gaps");
}

#[test]
fn a_leaked_card_adds_a_third_of_the_users_transactions() {
    let (mut tally, day_us) = (Tally::default(), US_PER_DAY);
    for sampled in SAMPLE.iter() {
        let stolen = sampled.of(Some(Kind::LeakedCard)).count();
        tally.count += f64::from(u32::try_from(stolen).unwrap());
        if let (Some(days), Some(first)) =
            (sampled.user.attack.and_then(|one| one.leaked_days()), sampled.of(None).next())
        {
            let absent_days = exact(first.time_ms * US_PER_MS) / day_us - days.start;
            let present_days = days.end - days.start - absent_days.max(0.0);
            tally.expected += (present_days.max(0.0) * day_us) / sampled.own_gap_us / 3.0;
        }
    }
    // Gaps between purchases are nearly always either tiny, with probability 3/4, or exponential with four times the mean gap, so
    // their variance is (1/4·2·4² − 1 = 7) times their squared mean, and that of the count 7 times its mean.
    tally.variance = 7.0 * tally.expected;
    tally.assert();
}

#[test]
fn probes_come_in_quick_succession_at_one_merchant_and_the_cash_out_is_at_another() {
    let (mut gaps, mut last_gaps): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    for sampled in SAMPLE.iter() {
        let probes: Vec<_> = sampled.of(Some(Kind::CardTesting)).collect();
        let Some(cash_out) = sampled.of(Some(Kind::CashOut)).next() else { continue };
        let shops: BTreeSet<_> = probes.iter().map(|probe| probe.merchant).collect();
        assert!(shops.len() == 1 && !shops.contains(&cash_out.merchant));
        let seconds = |from: &Paid, to: &Paid| exact(to.time_ms - from.time_ms) / 1_000.0;
        gaps.extend(probes.windows(2).map(|pair| seconds(pair[0], pair[1])));
        last_gaps.push(seconds(probes[probes.len() - 1], cash_out));
    }
    for (gaps, mean) in [(gaps, 30.0), (last_gaps, 600.0)] {
        let count = f64::from(u32::try_from(gaps.len()).unwrap());
        let measured = gaps.iter().sum::<f64>() / count;
        assert!((measured - mean).abs() < 5.0 * mean / count.sqrt(), "{measured} s from {count} gaps, not {mean}");
    }
}
