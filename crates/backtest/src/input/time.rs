//! Event times as people write them.

use std::convert::Infallible;
use std::str::FromStr;

use anomaly_core::RejectReason;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

/// Numbers below this are seconds (up to the year 5138), the others ms (from 1973 on).
const MS_FROM: f64 = 1e11;

/// How the times of a CSV are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TimeFormat {
    /// ISO 8601, or seconds or ms since the epoch, detected from each value.
    #[default]
    Auto,
    /// ISO 8601, with `T` or a space; without a zone it is UTC.
    Iso,
    /// Seconds since the epoch, decimals allowed.
    Seconds,
    /// Milliseconds since the epoch.
    Milliseconds,
    /// A `strptime` pattern, such as `%d/%m/%Y %H:%M`; without a zone it is UTC.
    Pattern(String),
}

impl FromStr for TimeFormat {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "auto" => Self::Auto,
            "iso" => Self::Iso,
            "s" => Self::Seconds,
            "ms" => Self::Milliseconds,
            pattern => Self::Pattern(pattern.to_owned()),
        })
    }
}

impl TimeFormat {
    /// The time in ms since the epoch.
    ///
    /// # Errors
    /// `wrong-type` if the text is not a time in this format, `timestamp-out-of-range` if the ms do not fit into 64 bits.
    pub fn parse(&self, text: &str) -> Result<i64, RejectReason> {
        match self {
            Self::Auto => number(text).map_or_else(|| iso(text), |number| epoch_ms(number, number.abs() < MS_FROM)),
            Self::Iso => iso(text),
            Self::Seconds => epoch_ms(number(text).ok_or(RejectReason::WrongType)?, true),
            Self::Milliseconds => epoch_ms(number(text).ok_or(RejectReason::WrongType)?, false),
            Self::Pattern(pattern) => by_pattern(pattern, text),
        }
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

#[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "within the range checked before it")]
fn epoch_ms(number: f64, is_seconds: bool) -> Result<i64, RejectReason> {
    let ms = if is_seconds { (number * 1_000.0).round() } else { number.trunc() };
    if ms.abs() < 1e18 { Ok(ms as i64) } else { Err(RejectReason::TimestampOutOfRange) }
}

fn iso(text: &str) -> Result<i64, RejectReason> {
    if let Ok(with_zone) = text.parse::<Timestamp>() {
        return Ok(with_zone.as_millisecond());
    }
    in_utc(text.parse::<DateTime>())
}

fn by_pattern(pattern: &str, text: &str) -> Result<i64, RejectReason> {
    let parsed = strtime::parse(pattern, text).map_err(|_| RejectReason::WrongType)?;
    match parsed.to_timestamp() {
        Ok(with_zone) => Ok(with_zone.as_millisecond()),
        Err(_) => in_utc(parsed.to_datetime().or_else(|_| parsed.to_date().map(DateTime::from))),
    }
}

fn in_utc(time: Result<DateTime, jiff::Error>) -> Result<i64, RejectReason> {
    let zoned = time.and_then(|time| TimeZone::UTC.to_timestamp(time));
    zoned.map(Timestamp::as_millisecond).map_err(|_| RejectReason::WrongType)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(format: &str, text: &str) -> Result<i64, RejectReason> {
        format.parse::<TimeFormat>().unwrap().parse(text)
    }

    // Expected times: `date -u -d '2019-01-01 00:00:18' +%s` of GNU coreutils.
    #[test]
    fn a_time_is_recognised_however_it_is_written() {
        for text in [
            "2019-01-01 00:00:18",
            "2019-01-01T00:00:18",
            "2019-01-01T00:00:18Z",
            "2019-01-01T01:00:18+01:00",
            "2018-12-31 19:00:18-05:00",
            "1546300818",
            "1546300818.0",
            "1546300818000",
            "1.546300818e9",
        ] {
            assert_eq!(parse("auto", text), Ok(1_546_300_818_000), "{text}");
        }
        assert_eq!(parse("auto", "2019-01-01"), Ok(1_546_300_800_000));
        assert_eq!(parse("auto", "2019-01-01T00:00:18.250Z"), Ok(1_546_300_818_250));
    }

    #[test]
    fn a_named_format_is_taken_at_its_word() {
        assert_eq!(parse("s", "7"), Ok(7_000));
        assert_eq!(parse("ms", "7"), Ok(7));
        assert_eq!(parse("iso", "1546300818"), Err(RejectReason::WrongType));
        assert_eq!(parse("%d/%m/%Y %H:%M", "01/02/2019 03:04"), Ok(1_548_990_240_000));
        assert_eq!(parse("%d.%m.%Y", "01.02.2019"), Ok(1_548_979_200_000));
        assert_eq!(parse("%Y-%m-%d %H:%M %z", "2019-02-01 04:04 +0100"), Ok(1_548_990_240_000));
    }

    #[test]
    fn text_that_is_not_a_time_is_rejected() {
        for text in ["", "yesterday", "2019-13-01", "NaN", "inf", "12:00"] {
            assert_eq!(parse("auto", text), Err(RejectReason::WrongType), "{text}");
        }
        assert_eq!(parse("auto", "1e300"), Err(RejectReason::TimestampOutOfRange));
    }
}
