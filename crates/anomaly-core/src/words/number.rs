//! Numbers as people read them.

/// A quotient from here on is "more than that many times".
const TIMES_MAX: f64 = 1_000.0;
/// From this quotient on, tenths say nothing.
const WHOLE_MIN: f64 = 10.0;

/// An amount with two decimals and commas between thousands: `9,120.00`.
pub(super) fn money(amount: f64) -> String {
    let text = format!("{:.2}", amount.abs());
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, "00"));
    let sign = if amount < 0.0 && text.bytes().any(|c| c.is_ascii_digit() && c != b'0') { "-" } else { "" };
    format!("{sign}{}.{decimals}", thousands(whole))
}

/// Commas between each three digits from the right.
fn thousands(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How many times one positive number is another: `37 times`, `2.4 times`. `None` if that says nothing.
pub(super) fn times(amount: f64, usual: f64) -> Option<String> {
    if amount <= 0.0 || usual <= 0.0 {
        return None;
    }
    match amount / usual {
        quotient if quotient >= TIMES_MAX => Some(format!("more than {} times", thousands(&format!("{TIMES_MAX:.0}")))),
        quotient if quotient >= WHOLE_MIN => Some(format!("{quotient:.0} times")),
        quotient => Some(format!("{quotient:.1} times")),
    }
}

/// `second`, `third`, … up to `tenth`, then `11th`.
pub(super) fn ordinal(n: u32) -> String {
    const NAMES: [&str; 10] =
        ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];
    let name = usize::try_from(n).ok().and_then(|n| NAMES.get(n.checked_sub(1)?));
    name.map_or_else(|| format!("{n}{}", suffix(n)), |name| (*name).to_owned())
}

const fn suffix(n: u32) -> &'static str {
    match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_commas_and_two_decimals() {
        let amounts = [0.0, -0.001, 1.005, 999.994, 999.995, 9_120.0, -1_234_567.891, 1e12];
        let texts = ["0.00", "0.00", "1.00", "999.99", "1,000.00", "9,120.00", "-1,234,567.89", "1,000,000,000,000.00"];
        assert_eq!(amounts.map(money), texts);
    }

    #[test]
    fn a_quotient_is_as_exact_as_it_is_useful() {
        assert_eq!(times(9_120.0, 244.81).as_deref(), Some("37 times"));
        assert_eq!(times(24.0, 10.0).as_deref(), Some("2.4 times"));
        assert_eq!(times(1e12, 0.01).as_deref(), Some("more than 1,000 times"));
        assert_eq!((times(5.0, 0.0), times(5.0, -3.0), times(-5.0, 3.0)), (None, None, None));
    }

    #[test]
    fn ordinals_are_english() {
        assert_eq!(
            [2, 3, 10, 11, 12, 21, 22, 103, 111].map(ordinal),
            ["second", "third", "tenth", "11th", "12th", "21st", "22nd", "103rd", "111th"]
        );
    }
}
