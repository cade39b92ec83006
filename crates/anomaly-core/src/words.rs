//! An anomaly in words: why it is one, for people who have ten seconds.
//!
//! A pure function of the message and of what came before it. Bounded, one line, no markup: whoever puts it into a page or a chat escapes
//! it there. Its numbers are those of the message and the quotient of two of them. It gives no probability: amounts are heavier-tailed
//! than a number of standard deviations promises.

mod number;

use crate::profile::Feature;
use crate::{AnomalyMessage, ExplanationFields, ModelFields, SecondOpinionFields};
use number::{money, ordinal, times};

/// Longest name of a user or a merchant in a sentence, in characters; the rest is cut.
const NAME_CHARACTERS_MAX: usize = 64;
/// Longest text, in bytes: two names of four-byte characters and every clause.
pub const WORDS_BYTES_MAX: usize = 1_200;
/// From this many sigmas on, a part of the score is worth a clause.
const PART_MIN: f64 = 0.5;
/// From this quotient on, an amount is that many times the usual one.
const TIMES_MIN: f64 = 1.5;

/// From this many anomalies on, those of a user are no longer counted.
pub const REPEATS_COUNTED_MAX: u32 = 20;

/// What came before an anomaly of the same user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Before {
    /// Anomalies of the last seven days, this one not counted, up to [`REPEATS_COUNTED_MAX`].
    pub anomalies: u32,
}

impl AnomalyMessage {
    /// Why this is an anomaly, in one to three sentences of at most [`WORDS_BYTES_MAX`] bytes.
    #[must_use]
    pub fn because(&self, before: Before) -> String {
        let parts = self.explanation.as_ref().map(parts).unwrap_or_default();
        let clauses = [Some(self.amount_in_words()), repeated(before)].into_iter().flatten().chain(parts);
        let mut text = clauses.collect::<Vec<_>>().join("; ") + ".";
        let model = self.explanation.as_ref().and_then(|explanation| explanation.model.as_ref());
        text.extend(model.map(|model| model_in_words(model, self.merchant_id.as_deref())));
        text.extend(self.second_opinion.as_ref().map(second_in_words));
        debug_assert!(text.len() <= WORDS_BYTES_MAX, "bounded: {} bytes", text.len());
        text
    }

    /// The amount beside what is usual.
    fn amount_in_words(&self) -> String {
        let (amount, user) = (money(self.amount), name(&self.user_id));
        let beyond = if self.score < 0.0 { "below" } else { "above" };
        let usual =
            format!("{}; rarely {beyond} {} in {} payments", money(self.mean), money(self.threshold), self.count);
        match times(self.amount, self.mean).filter(|_| self.score >= 0.0 && self.amount >= TIMES_MIN * self.mean) {
            Some(times) => format!("{amount} is {times} what {user} usually spends ({usual})"),
            None => format!("{amount} is {beyond} what {user} usually spends ({usual})"),
        }
    }
}

/// The anomalies before this one.
fn repeated(before: Before) -> Option<String> {
    match before.anomalies {
        0 => None,
        REPEATS_COUNTED_MAX.. => Some(format!("one of more than {REPEATS_COUNTED_MAX} unusual payments in 7 days")),
        before => Some(format!("{} unusual payment in 7 days", ordinal(before + 1))),
    }
}

/// What the score of `profile` is made of beside the amount.
fn parts(explanation: &ExplanationFields) -> Vec<String> {
    let parts = [
        (explanation.population >= PART_MIN, "large for anybody"),
        (explanation.heat >= PART_MIN, "payments just before were unusual too"),
        (explanation.habit <= -PART_MIN, "large payments are a habit of this user, which lowers the score"),
        (explanation.new_level, "from here on taken as the user's new level"),
    ];
    parts.into_iter().filter(|(is_told, _)| *is_told).map(|(_, words)| words.to_owned()).collect()
}

/// What the trained model says, and what moved it most.
fn model_in_words(model: &ModelFields, merchant: Option<&str>) -> String {
    let speaks = if model.log_odds > model.threshold { "calls it" } else { "does not call it" };
    let toward = model.parts.iter().filter(|part| part.log_odds > 0.0);
    let reasons: Vec<String> = toward.map(|part| feature_in_words(part.feature, merchant)).collect();
    let because =
        if reasons.is_empty() { String::new() } else { format!(" Toward fraud speaks {}.", reasons.join(", ")) };
    format!(" The trained model {speaks} an anomaly.{because}")
}

fn feature_in_words(feature: Feature, merchant: Option<&str>) -> String {
    let words = match feature {
        Feature::Score => "the amount beside the user's usual ones",
        Feature::LnAmount => "the amount itself",
        Feature::Heat => "the payments just before",
        Feature::Count10Minutes | Feature::CountHour | Feature::CountDay => "how often the user pays",
        Feature::SumDay => "the sum of a day",
        Feature::HourSurprise => "an hour that is unusual for the user",
        Feature::HourOfDay => "the hour of the day",
        Feature::MerchantSurprise => {
            return format!("how rarely the user pays {}", merchant.map_or("there".to_owned(), name));
        }
    };
    words.to_owned()
}

/// What the other rule says.
fn second_in_words(second: &SecondOpinionFields) -> String {
    let rule = second.rule.as_str();
    match second.severity {
        Some(severity) => format!(" The rule {rule} agrees: {}.", severity.as_str()),
        None => format!(" The rule {rule} would not have alerted."),
    }
}

/// A name, cut if it is long.
fn name(text: &str) -> String {
    match text.char_indices().nth(NAME_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
