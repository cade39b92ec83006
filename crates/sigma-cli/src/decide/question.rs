//! What the ledger knows of the question: asked, answered, or neither.

use std::fmt;

use alerter::ledger::layout;
use serde::Deserialize;

use crate::ledger::item::{Item, text_of};

/// Whoever has it can answer. It is not shown, not even by mistake.
#[derive(PartialEq, Eq)]
pub(super) struct Token(String);

/// Where the response to an alert has got to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Nobody was asked.
    NotAsked,
    /// Somebody was asked, and the answer needs this token.
    Open(Token),
    /// It has ended.
    Ended(Response),
}

/// What was done in the end, as the state machine records it.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Response {
    action: String,
    by: String,
    at: String,
    failed: Option<String>,
}

impl Token {
    /// For the one call that needs it.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// A text of somebody else's without the token.
    pub(super) fn redacted(&self, text: &str) -> String {
        text.replace(&self.0, "(token)")
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token")
    }
}

impl Question {
    /// Of an alert's item. One that has ended is so whatever else the item has.
    pub(super) fn of(item: &Item) -> Self {
        let (token, response) = (text_of(item, layout::RESPONSE_TOKEN), text_of(item, layout::RESPONSE));
        if !response.is_empty() {
            return Self::Ended(serde_json::from_str(response).unwrap_or_default());
        }
        if token.is_empty() { Self::NotAsked } else { Self::Open(Token(token.to_owned())) }
    }

    /// The token of a question that is open.
    pub(super) fn token(self, id: &str) -> anyhow::Result<Token> {
        match self {
            Self::Open(token) => Ok(token),
            Self::Ended(response) => anyhow::bail!("alert {id} has its response already: {}", response.in_words()),
            Self::NotAsked => anyhow::bail!(
                "nobody was asked about alert {id}. The response asks about critical alerts alone, once the channel respond has \
                 started it (docs/response.md)"
            ),
        }
    }
}

impl Response {
    fn in_words(&self) -> String {
        let part = |text: &str| if text.is_empty() { "unknown".to_owned() } else { text.to_owned() };
        let head = format!("{}, by {}, at {}", part(&self.action), part(&self.by), part(&self.at));
        self.failed.as_ref().map_or_else(|| head.clone(), |error| format!("{head}; it failed with {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Token;

    #[test]
    fn a_token_is_not_shown() {
        let token = Token("AQCkAAAA".to_owned());
        assert_eq!(format!("{token:?}"), "Token");
        assert_eq!(token.redacted("Value 'AQCkAAAA' is invalid"), "Value '(token)' is invalid");
    }
}
