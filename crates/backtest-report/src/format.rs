//! Numbers and times, formatted for people.

use jiff::Timestamp;

/// A count as a float, exact below 2^53.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "counts and times in ms are far below 2^53")]
pub(super) fn number(value: u64) -> f64 {
    value as f64
}

/// A signed number as a float, exact below 2^53.
#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "counts and times in ms are far below 2^53")]
pub(super) fn signed(value: i64) -> f64 {
    value as f64
}

/// The nearest whole number; saturates.
#[expect(clippy::as_conversions, clippy::cast_possible_truncation, reason = "saturates, harmless in a drawing")]
pub(super) fn whole(value: f64) -> i64 {
    value.round() as i64
}

/// 1234567 as 1,234,567.
pub(super) fn count(value: u64) -> String {
    grouped(&value.to_string())
}

fn grouped(digits: &str) -> String {
    let length = digits.len();
    let separated = digits.chars().enumerate().flat_map(|(place, digit)| {
        let is_after_group = place > 0 && (length - place).is_multiple_of(3);
        is_after_group.then_some(',').into_iter().chain([digit])
    });
    separated.collect()
}

/// About three significant digits: 1,234, 56.8, 0.0123.
pub(super) fn decimal(value: f64) -> String {
    let places: usize = match value.abs() {
        0.0 => 0,
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        v if v >= 0.01 => 2,
        _ => 4,
    };
    let text = format!("{value:.places$}");
    let trimmed = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    let (sign, digits) = trimmed.strip_prefix('-').map_or(("", trimmed), |digits| ("−", digits));
    let (integer, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{fraction}", grouped(integer))
}

/// Two decimals, grouped.
pub(super) fn money(amount: f64) -> String {
    let text = format!("{:.2}", amount.abs());
    let (integer, cents) = text.split_once('.').unwrap_or((&text, "00"));
    let sign = if amount < 0.0 { "−" } else { "" };
    format!("{sign}{}.{cents}", grouped(integer))
}

/// 0.0123 as 1.23 %, with a non-breaking space.
pub(super) fn percent(share: f64) -> String {
    format!("{}\u{a0}%", decimal(share * 100.0))
}

/// A share, or a dash where it is undefined.
pub(super) fn percent_or_dash(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), percent)
}

/// A time to the minute.
pub(super) fn minute(time_ms: i64) -> String {
    formatted(time_ms, "%Y-%m-%d %H:%M")
}

/// A time to the second.
pub(super) fn second(time_ms: i64) -> String {
    formatted(time_ms, "%Y-%m-%d %H:%M:%S")
}

/// A time in a `strftime` format. A time beyond jiff's range stays a number.
pub(super) fn formatted(time_ms: i64, format: &str) -> String {
    Timestamp::from_millisecond(time_ms).map_or_else(|_| time_ms.to_string(), |time| time.strftime(format).to_string())
}

/// A length of time in its largest unit.
pub(super) fn duration(length_ms: i64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")];
    let unit = units.into_iter().find(|(unit_ms, _)| length_ms >= *unit_ms);
    unit.map_or_else(
        || "0 s".to_owned(),
        |(unit_ms, name)| format!("{} {name}", decimal(signed(length_ms) / signed(unit_ms))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_short() {
        assert_eq!([count(0), count(999), count(1_234_567)], ["0", "999", "1,234,567"]);
        let decimals = [0.0, 0.5, 6.21, 9.999, 56.84, 1_234.5, -2.5, 0.001_23, 0.0123].map(decimal);
        assert_eq!(decimals, ["0", "0.5", "6.21", "10", "56.8", "1,234", "−2.5", "0.0012", "0.01"]);
        assert_eq!([money(1_234.5), money(-0.5)], ["1,234.50", "−0.50"]);
        assert_eq!([percent(0.5), percent_or_dash(None)], ["50\u{a0}%", "–"]);
    }

    #[test]
    fn times_are_utc_and_lengths_in_their_largest_unit() {
        assert_eq!(minute(1_760_000_100_000), "2025-10-09 08:55");
        assert_eq!(minute(i64::MAX), i64::MAX.to_string());
        assert_eq!([0, 300, 90_000, 21_600_000, 604_800_000].map(duration), ["0 s", "300 ms", "1.5 min", "6 h", "7 d"]);
    }
}
