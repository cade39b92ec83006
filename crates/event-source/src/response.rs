//! How Lambda reads a function's response when `ReportBatchItemFailures` is on.

use serde_json::Value;

/// What a response reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Everything succeeded.
    Success,
    /// These identifiers failed; at least one.
    Partial(Vec<String>),
    /// Everything failed.
    Failure,
}

/// Reads a response. An empty or null response means success, and so does an empty, null or missing list. The whole batch fails
/// if an identifier is empty, null or missing, if the list is not a list, or if the text is not JSON or not an object
/// ("Configuring partial batch response" for Kinesis and "Implementing partial batch responses" for SQS, in the AWS Lambda Developer
/// Guide).
pub(crate) fn read(payload: &str) -> Reading {
    if payload.trim().is_empty() {
        return Reading::Success;
    }
    let response = match serde_json::from_str::<Value>(payload) {
        Ok(Value::Null) => return Reading::Success,
        Ok(Value::Object(response)) => response,
        Ok(_) | Err(_) => return Reading::Failure,
    };
    match response.get("batchItemFailures") {
        None | Some(Value::Null) => Reading::Success,
        Some(Value::Array(failures)) if failures.is_empty() => Reading::Success,
        Some(Value::Array(failures)) => {
            let identifiers: Option<Vec<String>> = failures.iter().map(identifier).collect();
            identifiers.map_or(Reading::Failure, Reading::Partial)
        }
        Some(_) => Reading::Failure,
    }
}

fn identifier(failure: &Value) -> Option<String> {
    let identifier = failure.get("itemIdentifier")?.as_str()?;
    (!identifier.is_empty()).then(|| identifier.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reported_is_success() {
        for payload in ["", "null", "{}", r#"{"batchItemFailures":[]}"#, r#"{"batchItemFailures":null}"#] {
            assert_eq!(read(payload), Reading::Success, "{payload}");
        }
    }

    #[test]
    fn a_broken_report_fails_the_whole_batch() {
        for payload in [
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"wrongKey":"1"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"1"},{}]}"#,
            r#"{"batchItemFailures":1}"#,
            "not json",
            "7",
            "[]",
            r#""ok""#,
        ] {
            assert_eq!(read(payload), Reading::Failure, "{payload}");
        }
    }

    #[test]
    fn identifiers_keep_their_order() {
        let payload = r#"{"batchItemFailures":[{"itemIdentifier":"2"},{"itemIdentifier":"1"}]}"#;
        assert_eq!(read(payload), Reading::Partial(vec!["2".to_owned(), "1".to_owned()]));
    }
}
