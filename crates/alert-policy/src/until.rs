//! The end of a rule, and days of the budget.

use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

/// When a rule ends: the end of a day in UTC, `2027-01-31`, or a time, `2027-01-31T12:00:00Z`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Until {
    text: String,
    end_ms: i64,
}

/// Why a text is not the end of a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is neither a day such as 2027-01-31 nor a time such as 2027-01-31T12:00:00Z")]
pub struct NotATime(String);

impl Until {
    /// The first moment at which the rule no longer holds, in ms since the epoch.
    #[must_use]
    pub const fn end_ms(&self) -> i64 {
        self.end_ms
    }

    /// Whether the rule still holds.
    #[must_use]
    pub const fn holds_at(&self, now_ms: i64) -> bool {
        now_ms < self.end_ms
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Until {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let end_ms = end_of_day_ms(text).or_else(|| Some(text.parse::<Timestamp>().ok()?.as_millisecond()));
        let end_ms = end_ms.ok_or_else(|| NotATime(text.to_owned()))?;
        Ok(Self { text: text.to_owned(), end_ms })
    }
}

impl TryFrom<String> for Until {
    type Error = NotATime;

    fn try_from(text: String) -> Result<Self, NotATime> {
        text.parse()
    }
}

impl From<Until> for String {
    fn from(until: Until) -> Self {
        until.text
    }
}

/// The end of a day in UTC. Only the form `2027-01-31`: a time without its zone would be taken for a day.
fn end_of_day_ms(text: &str) -> Option<i64> {
    let date: Date = text.parse().ok().filter(|_| text.len() == "2027-01-31".len())?;
    let next = date.checked_add(1.day()).ok()?;
    Some(next.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

/// The day in UTC of a time in ms since the epoch, such as `2027-01-31`. Times before year -9999 or after 9999 have the first and the
/// last day.
#[must_use]
pub fn utc_day(now_ms: i64) -> String {
    let bound = if now_ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_millisecond(now_ms).unwrap_or(bound).to_zoned(TimeZone::UTC).date().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_lasts_until_its_end_in_utc() {
        let until: Until = "2027-01-31".parse().unwrap();
        let last_ms = "2027-01-31T23:59:59.999Z".parse::<Timestamp>().unwrap().as_millisecond();
        assert!(until.holds_at(last_ms) && !until.holds_at(last_ms + 1));
        let noon: Until = "2027-01-31T13:00:00+01:00".parse().unwrap();
        assert_eq!(last_ms + 1 - noon.end_ms(), 12 * 3_600_000);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "tomorrow", "2027-02-30", "31.1.2027", "2027-01-31T12:00:00", "2027-01-31T12"] {
            assert!(text.parse::<Until>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_has_a_day() {
        assert_eq!(utc_day(0), "1970-01-01");
        assert_eq!(utc_day(-1), "1969-12-31");
        assert_eq!(utc_day(1_795_910_399_999), "2026-11-28");
        assert_eq!((utc_day(i64::MIN).as_str(), utc_day(i64::MAX).as_str()), ("-009999-01-02", "9999-12-30"));
    }
}
