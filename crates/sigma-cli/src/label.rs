//! What a person says that an alert was: the label in its item of the ledger. It proposes; what becomes of it, people decide.

use std::collections::HashMap;

use alerter::ledger::layout;
use aws_sdk_dynamodb::types::AttributeValue;
use clap::ValueEnum;
use serde::Serialize;

use crate::ledger::item::{Item, number_of, text, text_of};

/// What an alert was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Judgement {
    /// The user's own doing.
    Legitimate,
    /// Fraud.
    Fraud,
    /// Nobody knows: looked at, and not to be learnt from.
    Unsure,
}

/// A label as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Label {
    /// `label` in JSON, as in the ledger.
    #[serde(rename = "label")]
    pub(crate) judgement: Judgement,
    /// ARN of who gave it.
    pub(crate) by: String,
    /// When, in ms since the epoch.
    pub(crate) at_ms: i64,
    pub(crate) why: String,
}

impl Judgement {
    const ALL: [Self; 3] = [Self::Legitimate, Self::Fraud, Self::Unsure];

    /// As it is stored.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Legitimate => "legitimate",
            Self::Fraud => "fraud",
            Self::Unsure => "unsure",
        }
    }
}

impl Label {
    /// The label of an alert's item, if it has one that this version knows.
    pub(crate) fn of(item: &Item) -> Option<Self> {
        let name = text_of(item, layout::LABEL);
        let judgement = Judgement::ALL.into_iter().find(|judgement| judgement.as_str() == name)?;
        Some(Self {
            judgement,
            by: text_of(item, layout::LABEL_BY).to_owned(),
            at_ms: number_of(item, layout::LABEL_AT)?,
            why: text_of(item, layout::LABEL_WHY).to_owned(),
        })
    }

    /// Its attributes, by their names.
    pub(crate) fn attributes(&self) -> HashMap<&'static str, AttributeValue> {
        HashMap::from([
            (layout::LABEL, text(self.judgement.as_str())),
            (layout::LABEL_BY, text(&self.by)),
            (layout::LABEL_AT, AttributeValue::N(self.at_ms.to_string())),
            (layout::LABEL_WHY, text(&self.why)),
        ])
    }

    /// For people.
    pub(crate) fn in_words(&self) -> String {
        let Self { judgement, by, at_ms, why } = self;
        format!("{}, by {by}, {}: {why}", judgement.as_str(), crate::times::time(*at_ms))
    }
}
