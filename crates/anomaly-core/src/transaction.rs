//! One decoded input record and its validation.

use std::borrow::Cow;

use serde::Deserialize;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use crate::RejectReason;

/// Largest |amount|. Anything larger is a mistake, and 1e300 is valid JSON that DynamoDB cannot store as a number.
pub const AMOUNT_ABSOLUTE_MAX: f64 = 1e12;
/// Latest event time, in ms since the epoch: 9999-12-31T23:59:59.999Z.
pub const EVENT_TIME_MS_MAX: i64 = 253_402_300_799_999;
/// Most characters of a user id.
pub const ID_CHARACTERS_MAX: usize = 256;

/// A text that borrows from the payload where it can. (serde would always copy a bare `Option<Cow<str>>`.)
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// The fields of the input contract with their JSON types, before validation. Unknown fields are ignored.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawTransaction<'a> {
    /// The user's id.
    #[serde(borrow)]
    pub user_id: Text<'a>,
    /// In the account's currency; negative for a refund.
    pub amount: f64,
    /// Event time in ms since the epoch.
    pub timestamp: i64,
    /// The producer's own id.
    #[serde(borrow, default)]
    pub transaction_id: Option<Text<'a>>,
    /// The merchant's id.
    #[serde(borrow, default)]
    pub merchant_id: Option<Text<'a>>,
}

/// A valid transaction: one decoded and accepted input record.
#[derive(Debug, Clone, PartialEq)]
pub struct Transaction<'a> {
    /// 1 to 256 characters, none of which is refused: control and format characters, line and paragraph separators, U+FFFE, U+FFFF.
    pub user_id: Cow<'a, str>,
    /// Finite, |amount| ≤ 1e12; never −0.0.
    pub amount: f64,
    /// Event time in ms since the epoch, 0 to [`EVENT_TIME_MS_MAX`].
    pub event_time_ms: i64,
    /// The producer's own id, if it sent one; any text that is not blank.
    pub transaction_id: Option<Cow<'a, str>>,
    /// The merchant's id, if it is known; any text.
    pub merchant_id: Option<Cow<'a, str>>,
}

impl<'a> Transaction<'a> {
    /// Validates the fields of a record that arrived at `arrival_time_ms` (ms since the epoch). An event time more than
    /// `clock_skew_ms_max` ahead of that is rejected: it would push everything else out of the user's window.
    ///
    /// # Errors
    /// The reason why the record belongs in quarantine.
    pub fn validate(
        raw: RawTransaction<'a>,
        arrival_time_ms: i64,
        clock_skew_ms_max: i64,
    ) -> Result<Self, RejectReason> {
        if !is_valid_id(&raw.user_id.0) {
            return Err(RejectReason::UserIdInvalid);
        }
        let event_time_ms_max = arrival_time_ms.saturating_add(clock_skew_ms_max).min(EVENT_TIME_MS_MAX);
        if !(0..=event_time_ms_max).contains(&raw.timestamp) {
            return Err(RejectReason::TimestampOutOfRange);
        }
        Ok(Self {
            user_id: raw.user_id.0,
            amount: valid_amount(raw.amount)?,
            event_time_ms: raw.timestamp,
            transaction_id: raw.transaction_id.map(|text| text.0).filter(|id| !is_blank(id)),
            merchant_id: raw.merchant_id.map(|text| text.0),
        })
    }
}

fn valid_amount(amount: f64) -> Result<f64, RejectReason> {
    if !amount.is_finite() {
        return Err(RejectReason::AmountNotFinite);
    }
    if amount.abs() > AMOUNT_ABSOLUTE_MAX {
        return Err(RejectReason::AmountOutOfRange);
    }
    // Adding +0.0 turns −0.0 into 0.0 and leaves every other number alone.
    Ok(amount + 0.0)
}

/// Whether a text can be a user id: 1 to 256 characters, all of them allowed in a queue message and a key.
fn is_valid_id(text: &str) -> bool {
    let within = text.len() <= ID_CHARACTERS_MAX || text.chars().count() <= ID_CHARACTERS_MAX;
    !text.is_empty() && within && !text.chars().any(is_refused)
}

/// A producer's text made safe for a message: characters that a user id may not have become U+FFFD, and anything after 256
/// characters is cut. For texts that only inform; no record is rejected because of them.
#[must_use]
pub fn printable(text: &str) -> String {
    let fit = |c: char| if is_refused(c) { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().take(ID_CHARACTERS_MAX).map(fit).collect()
}

/// SQS accepts the characters of XML 1.0, which exclude U+FFFE, U+FFFF and most control characters. The few control characters
/// it does accept have no place in an identifier.
///
/// Format characters (Cf: zero-width characters, marks that turn the direction of text) and line and paragraph separators (Zl, Zp)
/// are invisible or rearrange what stands around them: an alert must show the id that was sent.
fn is_refused(c: char) -> bool {
    use GeneralCategory::{Format, LineSeparator, ParagraphSeparator};
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    let is_invisible = || matches!(c.general_category(), Format | LineSeparator | ParagraphSeparator);
    c.is_control() || c == '\u{FFFE}' || c == '\u{FFFF}' || is_invisible()
}

/// An empty or blank id identifies nothing: taken for one, it would make equal amounts retries of each other.
fn is_blank(id: &str) -> bool {
    id.chars().all(|c| c.is_whitespace() || is_refused(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARRIVAL: i64 = 1_760_000_100_000;

    fn raw(user_id: &str, amount: f64, timestamp: i64) -> RawTransaction<'_> {
        RawTransaction { user_id: Text(user_id.into()), amount, timestamp, transaction_id: None, merchant_id: None }
    }

    fn check(user_id: &str, amount: f64, timestamp: i64) -> Result<(), RejectReason> {
        Transaction::validate(raw(user_id, amount, timestamp), ARRIVAL, 300_000).map(drop)
    }

    #[test]
    fn ids_are_bounded_in_characters_not_in_bytes() {
        assert_eq!(check(&"é".repeat(256), 1.0, ARRIVAL), Ok(()));
        assert_eq!(check(&"a".repeat(256), 1.0, ARRIVAL), Ok(()));
        for bad in ["", &"a".repeat(257), "a\u{0}", "a\nb", "\u{85}", "\u{FFFE}", "\u{FFFF}"]
            .into_iter()
            // Separators, zero-width characters, marks of direction, the byte order mark, a soft hyphen.
            .chain([
                "a\u{2028}b",
                "a\u{2029}",
                "\u{200B}",
                "a\u{200D}b",
                "\u{202E}a",
                "\u{2066}a",
                "\u{FEFF}a",
                "a\u{AD}",
            ])
        {
            assert_eq!(check(bad, 1.0, ARRIVAL), Err(RejectReason::UserIdInvalid), "{bad:?}");
        }
    }

    #[test]
    fn ids_in_any_script_are_ids() {
        for good in ["Zoë", "мария", "李雷", "سارة", "user 1", "a\u{A0}b", "🙂"] {
            assert_eq!(check(good, 1.0, ARRIVAL), Ok(()), "{good:?}");
        }
    }

    #[test]
    fn a_blank_transaction_id_is_no_id() {
        for (id, expected) in
            [("", None), (" ", None), ("\t\u{A0}\u{200B}", None), ("0", Some("0")), (" x ", Some(" x "))]
        {
            let raw = RawTransaction { transaction_id: Some(Text(id.into())), ..raw("u", 1.0, ARRIVAL) };
            let transaction = Transaction::validate(raw, ARRIVAL, 0).unwrap();
            assert_eq!(transaction.transaction_id.as_deref(), expected, "{id:?}");
        }
    }

    #[test]
    fn what_only_informs_is_shown_without_what_would_rearrange_it() {
        assert_eq!(printable("a\u{2028}ANOMALY\u{2029}\u{202E}x\u{200B}\0"), "a�ANOMALY��x��");
        assert_eq!(printable("café 1"), "café 1");
    }

    #[test]
    fn amounts_end_at_a_trillion() {
        for good in [0.0, -1.0, 1e12, -1e12] {
            assert_eq!(check("u", good, ARRIVAL), Ok(()));
        }
        for bad in [1e12_f64.next_up(), -(1e12_f64.next_up()), 1e300] {
            assert_eq!(check("u", bad, ARRIVAL), Err(RejectReason::AmountOutOfRange));
        }
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(check("u", bad, ARRIVAL), Err(RejectReason::AmountNotFinite));
        }
    }

    #[test]
    fn minus_zero_becomes_zero() {
        let transaction = Transaction::validate(raw("u", -0.0, 0), ARRIVAL, 0).unwrap();
        assert!(transaction.amount.is_sign_positive());
    }

    #[test]
    fn an_event_time_may_be_ahead_by_the_clock_skew_and_no_more() {
        assert_eq!(check("u", 1.0, ARRIVAL + 300_000), Ok(()));
        for bad in [ARRIVAL + 300_001, -1, i64::MIN, i64::MAX] {
            assert_eq!(check("u", 1.0, bad), Err(RejectReason::TimestampOutOfRange));
        }
        assert_eq!(check("u", 1.0, 0), Ok(()), "a backfill is not an error");
    }
}
