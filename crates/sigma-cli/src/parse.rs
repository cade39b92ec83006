//! Rates, durations and times on the command line.

use anomaly_core::EVENT_TIME_MS_MAX;
use jiff::{Span, SpanRelativeTo, Timestamp, Unit};

/// Most transactions per second: the generator's clock has microseconds.
const RATE_MAX: f64 = 1_000_000.0;

/// A duration such as 90d, 12h or 30min, in seconds.
pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    let say = || "a duration such as 90d, 12h or 30min".to_owned();
    let span: Span = text.parse().map_err(|_| say())?;
    let seconds = span.total((Unit::Second, SpanRelativeTo::days_are_24_hours())).map_err(|_| say())?;
    if seconds > 0.0 { Ok(seconds) } else { Err(say()) }
}

/// A rate such as 10/s, 200/h, 1/d, or a plain number per second; returned per second.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
    let unit_seconds = match unit {
        "s" => 1.0,
        "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => f64::NAN,
    };
    let rate = number.parse().map_or(f64::NAN, |number: f64| number / unit_seconds);
    let is_possible = rate > 0.0 && rate <= RATE_MAX;
    if is_possible { Ok(rate) } else { Err("a rate above 0 such as 10/s, 30/min, 200/h or 1/d".to_owned()) }
}

/// A time in ms since the epoch.
pub(crate) fn time_ms(text: &str) -> Result<i64, String> {
    let parsed = text.parse().ok().or_else(|| Some(text.parse::<Timestamp>().ok()?.as_millisecond()));
    let within = parsed.filter(|ms| (0..=EVENT_TIME_MS_MAX).contains(ms));
    within.ok_or_else(|| "ms since the epoch, or a time such as 2026-01-31T00:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_durations_and_times_are_read_as_written() {
        assert_eq!((rate("10/s"), rate("60/min"), rate("86400/d"), rate("2.5")), (Ok(10.0), Ok(1.0), Ok(1.0), Ok(2.5)));
        assert!(["0/s", "-1/s", "nan", "1/week", "inf", ""].iter().all(|text| rate(text).is_err()));
        assert_eq!((seconds("90d"), seconds("30min")), (Ok(7_776_000.0), Ok(1_800.0)));
        assert!(["0s", "-1d", "soon", ""].iter().all(|text| seconds(text).is_err()));
        assert_eq!(
            (time_ms("1760000100000"), time_ms("2025-10-09T08:55:00Z")),
            (Ok(1_760_000_100_000), Ok(1_760_000_100_000))
        );
        assert!(["-1", "yesterday", "99999999999999999"].iter().all(|text| time_ms(text).is_err()));
    }
}
