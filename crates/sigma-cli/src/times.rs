//! Times as people read them.

/// A time in ms since the epoch as ISO 8601, with the milliseconds that it has.
pub(crate) fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| format!("{ms} ms"), |time| time.to_string())
}
