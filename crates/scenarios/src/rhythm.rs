//! When people pay: a factor on a user's rate, with mean 1 over days, weeks and pay cycles.

use std::f64::consts::TAU;

use super::{US_PER_DAY, US_PER_SECOND, exact, whole_us};

/// The busiest hour of the day, UTC, of the average user.
const PEAK_HOUR: f64 = 15.0;
/// How far the rate at the peak is above the mean of the day, as a share of it; the quietest hour is as far below.
const DAILY_SWING: f64 = 0.85;
/// Monday to Sunday; their mean is 1.
const WEEKDAYS: [f64; 7] = [0.9, 0.88, 0.92, 1.0, 1.2, 1.25, 0.85];
const BUSIEST_WEEKDAY: f64 = 1.25;
/// Days from pay day to pay day.
const PAY_CYCLE_DAYS: f64 = 30.0;
/// Days from pay day on in which users spend more.
const PAY_BURST_DAYS: f64 = 2.0;
/// Factor on the rate in those days.
const PAY_BURST_RATE: f64 = 1.5;
/// Factor on the amounts in those days.
pub(crate) const PAY_BURST_AMOUNT: f64 = 1.25;
/// Mean of the pay-day factor before it is normalised.
const PAY_MEAN: f64 = 1.0 + (PAY_BURST_RATE - 1.0) * PAY_BURST_DAYS / PAY_CYCLE_DAYS;
/// Upper bound of [`Rhythm::factor`].
pub(crate) const FACTOR_MAX: f64 = (1.0 + DAILY_SWING) * BUSIEST_WEEKDAY * PAY_BURST_RATE / PAY_MEAN;

/// A user's habits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rhythm {
    /// How much later the peak is than the average user's, in hours.
    pub(crate) hours_late: f64,
    /// Where in the pay cycle the epoch falls, 0 to 1.
    pub(crate) pay_phase: f64,
}

impl Rhythm {
    /// The factor at a time in µs since the epoch.
    pub(crate) fn factor(&self, time_us: i64) -> f64 {
        let hour = exact(time_us.rem_euclid(whole_us(US_PER_DAY))) / (3_600.0 * US_PER_SECOND);
        let daily = 1.0 + DAILY_SWING * ((hour - PEAK_HOUR - self.hours_late) / 24.0 * TAU).cos();
        let pay = if self.is_flush(time_us) { PAY_BURST_RATE } else { 1.0 };
        daily * weekday_factor(time_us) * pay / PAY_MEAN
    }

    /// Whether the last pay day is less than [`PAY_BURST_DAYS`] ago.
    pub(crate) fn is_flush(&self, time_us: i64) -> bool {
        let cycles = exact(time_us) / US_PER_DAY / PAY_CYCLE_DAYS + self.pay_phase;
        cycles.fract() * PAY_CYCLE_DAYS < PAY_BURST_DAYS
    }
}

fn weekday_factor(time_us: i64) -> f64 {
    // The epoch was a Thursday, three days after a Monday.
    let weekday = (time_us.div_euclid(whole_us(US_PER_DAY)) + 3).rem_euclid(7);
    usize::try_from(weekday).ok().and_then(|day| WEEKDAYS.get(day)).copied().unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_factor_is_one_and_none_is_above_the_maximum() {
        let rhythm = Rhythm { hours_late: 1.5, pay_phase: 0.3 };
        // 210 days are whole weeks and whole pay cycles; a step of 15 minutes.
        let factors: Vec<f64> = (0..210 * 96).map(|step| rhythm.factor(step * 900_000_000)).collect();
        let mean = factors.iter().sum::<f64>() / f64::from(210 * 96);
        assert!((mean - 1.0).abs() < 0.005, "{mean}");
        assert!(factors.iter().all(|factor| (0.0..=FACTOR_MAX).contains(factor)));
    }

    #[test]
    fn saturday_afternoon_is_busier_than_monday_night() {
        let rhythm = Rhythm { hours_late: 0.0, pay_phase: 0.5 };
        let hour = |day: i64, hour: i64| rhythm.factor((day * 24 + hour) * 3_600_000_000);
        // 1970-01-03 was a Saturday, 1970-01-05 a Monday.
        assert!(hour(2, 15) > 10.0 * hour(4, 3));
    }
}
