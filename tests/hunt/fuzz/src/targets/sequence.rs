//! Sequence numbers: two lines, each accepted or refused as the API reference says, and ordered as numbers.

use std::cmp::Ordering;

use anomaly_core::SequenceNumber;

/// `0|([1-9]\d{0,128})`: Kinesis API reference, `SequenceNumber`.
const DIGITS_MAX: usize = 129;

pub(super) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (left, right) = text.split_once('\n').unwrap_or((text, "0"));
    let numbers = (read(left), read(right));
    if let (Some(a), Some(b)) = numbers {
        assert_eq!(a.cmp(&b), order_of_values(left, right), "{left} {right}");
        assert_eq!(a == b, left == right);
    }
}

fn read(text: &str) -> Option<SequenceNumber> {
    let number = text.parse::<SequenceNumber>().ok();
    let is_valid = text.len() <= DIGITS_MAX
        && text.bytes().all(|c| c.is_ascii_digit())
        && (text == "0" || text.starts_with(|c| ('1'..='9').contains(&c)));
    assert_eq!(number.is_some(), is_valid, "{text}");
    if let Some(number) = number {
        assert_eq!(number.to_string(), text);
    }
    number
}

/// Compares digit by digit, with both numbers padded to the same length.
fn order_of_values(left: &str, right: &str) -> Ordering {
    format!("{left:0>DIGITS_MAX$}").cmp(&format!("{right:0>DIGITS_MAX$}"))
}
