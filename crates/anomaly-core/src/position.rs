//! A record's position in its stream. Remembering it is what makes a redelivery harmless.

use std::fmt;
use std::str::FromStr;

use smol_str::SmolStr;

/// Most digits that a Kinesis sequence number may have (API reference, `SequenceNumber`: `0|([1-9]\d{0,128})`).
const SEQUENCE_DIGITS_MAX: usize = 129;
/// Two digits to a byte.
const SEQUENCE_BYTES_MAX: usize = SEQUENCE_DIGITS_MAX.div_ceil(2);
/// Most characters of a shard id (API reference, `ShardId`: `[a-zA-Z0-9_.-]{1,128}`).
const SHARD_ID_CHARACTERS_MAX: usize = 128;

/// Why a text is not a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PositionError {
    /// Not 1 to 129 digits without a leading zero.
    #[error("a sequence number is 1 to {SEQUENCE_DIGITS_MAX} decimal digits without a leading zero")]
    SequenceNumber,
    /// Not 1 to 128 of the permitted characters.
    #[error("a shard id is 1 to {SHARD_ID_CHARACTERS_MAX} of the characters a-z A-Z 0-9 _ . -")]
    ShardId,
}

/// A Kinesis sequence number: up to 129 decimal digits, so neither a `u128` nor a DynamoDB number can hold one.
///
/// Ordered by value, which for texts without leading zeros is (number of digits, digits). Kept as packed decimal, two digits
/// a byte, so that it is `Copy` and short in storage. Numbers of different shards do not compare in time.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SequenceNumber {
    digits: u8,
    packed: [u8; SEQUENCE_BYTES_MAX],
}

impl SequenceNumber {
    /// The number of decimal digits.
    #[must_use]
    pub const fn digits(&self) -> u8 {
        self.digits
    }

    /// The packed digits, most significant first; an odd count starts with a zero nibble.
    pub(crate) fn packed(&self) -> &[u8] {
        let length = packed_length(self.digits);
        debug_assert!(length <= SEQUENCE_BYTES_MAX, "{} digits", self.digits);
        self.packed.get(..length).unwrap_or_default()
    }

    /// The inverse of [`Self::digits`] and [`Self::packed`].
    pub(crate) fn from_packed(digits: u8, bytes: &[u8]) -> Result<Self, PositionError> {
        if bytes.len() != packed_length(digits) {
            return Err(PositionError::SequenceNumber);
        }
        let text: String = bytes.iter().flat_map(|byte| [nibble(byte >> 4), nibble(byte & 15)]).collect();
        let skipped = usize::from(digits % 2);
        text.get(skipped..).ok_or(PositionError::SequenceNumber)?.parse()
    }
}

fn packed_length(digits: u8) -> usize {
    usize::from(digits).div_ceil(2)
}

/// A decimal digit, or a character that no sequence number has.
fn nibble(value: u8) -> char {
    char::from_digit(u32::from(value), 10).unwrap_or('?')
}

impl FromStr for SequenceNumber {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let bytes = text.as_bytes();
        let digits = u8::try_from(bytes.len()).map_err(|_| PositionError::SequenceNumber)?;
        let well_formed = (1..=SEQUENCE_DIGITS_MAX).contains(&bytes.len())
            && bytes.iter().all(u8::is_ascii_digit)
            && (bytes.len() == 1 || bytes.first() != Some(&b'0'));
        if !well_formed {
            return Err(PositionError::SequenceNumber);
        }
        let mut packed = [0; SEQUENCE_BYTES_MAX];
        // Pairs are aligned at the last digit, so with an odd count the first digit is alone.
        let (alone, pairs) = bytes.as_rchunks::<2>();
        let alone = alone.iter().map(|digit| digit - b'0');
        let pairs = pairs.iter().map(|[high, low]| (high - b'0') << 4 | (low - b'0'));
        for (slot, pair) in packed.iter_mut().zip(alone.chain(pairs)) {
            *slot = pair;
        }
        Ok(Self { digits, packed })
    }
}

impl Ord for SequenceNumber {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.digits, &self.packed).cmp(&(other.digits, &other.packed))
    }
}

impl PartialOrd for SequenceNumber {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nibbles = self.packed().iter().flat_map(|byte| [byte >> 4, byte & 15]);
        nibbles.skip(usize::from(self.digits % 2)).try_for_each(|digit| write!(f, "{digit}"))
    }
}

impl fmt::Debug for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SequenceNumber({self})")
    }
}

/// A record's position in its shard: the Kinesis record, and the user record inside it if it is a KPL aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The sequence number of the Kinesis record.
    pub sequence_number: SequenceNumber,
    /// Index within a KPL aggregate; 0 for a record that is not aggregated.
    pub sub_sequence: u32,
}

/// The shard within which positions compare. Cheap to clone: Kinesis's names, of 20 characters, are in place, and longer ones are shared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ShardId(SmolStr);

impl ShardId {
    /// The id as Kinesis writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ShardId {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let permitted = |c: u8| c.is_ascii_alphanumeric() || b"_.-".contains(&c);
        if (1..=SHARD_ID_CHARACTERS_MAX).contains(&text.len()) && text.bytes().all(permitted) {
            return Ok(Self(text.into()));
        }
        Err(PositionError::ShardId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> SequenceNumber {
        text.parse().unwrap()
    }

    #[test]
    fn sequence_numbers_compare_by_value_not_as_text() {
        assert!(number("9") < number("10"));
        assert!(number("99") < number("100"));
        assert!(number("101") > number("100"));
        assert!(number(&"9".repeat(128)) < number(&format!("1{}", "0".repeat(128))));
    }

    #[test]
    fn a_sequence_number_is_written_as_it_was_read() {
        let long = "49590338271490256608559692538361571095921575989136588898";
        for text in ["0", "7", "10", "123", long, &"9".repeat(129)] {
            let number = number(text);
            assert_eq!(number.to_string(), text);
            assert_eq!(SequenceNumber::from_packed(number.digits(), number.packed()), Ok(number));
        }
    }

    #[test]
    fn a_malformed_sequence_number_is_refused() {
        for text in ["", "01", "-1", "1.0", "1e3", " 1", "１", &"9".repeat(130), &"9".repeat(300)] {
            assert_eq!(text.parse::<SequenceNumber>(), Err(PositionError::SequenceNumber), "{text}");
        }
    }

    #[test]
    fn corrupt_packed_digits_are_refused() {
        assert!(SequenceNumber::from_packed(2, &[0xAB]).is_err());
        assert!(SequenceNumber::from_packed(2, &[0x12, 0x34]).is_err());
        assert!(SequenceNumber::from_packed(0, &[]).is_err());
        assert!(SequenceNumber::from_packed(255, &[0x11; 128]).is_err());
    }

    #[test]
    fn a_shard_id_is_validated() {
        assert!("shardId-000000000000".parse::<ShardId>().is_ok());
        assert!("".parse::<ShardId>().is_err());
        assert!("a b".parse::<ShardId>().is_err());
        assert!("x".repeat(129).parse::<ShardId>().is_err());
    }
}
