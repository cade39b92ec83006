//! What the person on call got: the messages that their subscription lets through.

use std::collections::VecDeque;

use alert_policy::utc_day;
use alerter::publication::{Audience, Publication};
use serde::Serialize;

use super::told::{Told, told};

/// Messages that the phone shows.
const MESSAGES_MAX: usize = 30;

/// A message on the phone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Message {
    at: i64,
    /// `page` or `summary`.
    kind: &'static str,
    title: String,
    text: String,
}

/// A day's count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Day {
    /// Messages that reached the person.
    messages: u64,
    /// Anomalies, each of which would have been one without a policy.
    anomalies: u64,
}

/// The phone.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Phone {
    #[serde(skip)]
    day: String,
    today: Day,
    /// The whole day before; `None` on the first.
    yesterday: Option<Day>,
    /// The newest last.
    messages: VecDeque<Message>,
}

impl Phone {
    /// Begins a new day if there is one.
    pub(super) fn at(&mut self, now_ms: i64) {
        let day = utc_day(now_ms);
        if self.day != day {
            let is_first = std::mem::replace(&mut self.day, day).is_empty();
            let ended = std::mem::take(&mut self.today);
            self.yesterday = (!is_first).then_some(ended);
        }
    }

    /// An anomaly ended, whoever was told.
    pub(super) fn count_anomaly(&mut self) {
        self.today.anomalies += 1;
    }

    /// SNS got a message. The person's subscription filters on pages and summaries.
    pub(super) fn receive(&mut self, publication: &Publication, now_ms: i64) {
        let (kind, title, text) = match publication.audience {
            Audience::Page => page(publication),
            Audience::Summary => summary(&publication.email),
            Audience::Digest => return,
        };
        self.today.messages += 1;
        if self.messages.len() == MESSAGES_MAX {
            self.messages.pop_front();
        }
        self.messages.push_back(Message { at: now_ms, kind, title, text });
    }
}

fn page(publication: &Publication) -> (&'static str, String, String) {
    match told(&publication.document).as_slice() {
        [Told { user_id, because, .. }] => ("page", user_id.clone(), because.clone()),
        alerts => {
            let texts: Vec<&str> = alerts.iter().map(|alert| alert.because.as_str()).collect();
            ("page", format!("{} alerts at once", alerts.len()), texts.join("\n"))
        }
    }
}

/// The first line says how many waited; the alerts in words follow.
fn summary(email: &str) -> (&'static str, String, String) {
    let (title, text) = email.split_once('\n').unwrap_or((email, ""));
    ("summary", title.to_owned(), text.trim().to_owned())
}
