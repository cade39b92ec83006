//! What is known of an alert, for people.

use alert_policy::{Decision, Reason};
use anomaly_core::AnomalyMessage;
use serde_json::Value;

use super::archive::{Check, Record};
use super::{Explained, Response};
use crate::label::Label;
use crate::times::time;

/// Width of the names.
const NAME_WIDTH: usize = 15;

/// Everything, a fact a line.
pub(super) fn text(explained: &Explained) -> String {
    let Explained { text, because, message, decision, label, archive, .. } = explained;
    let mut rows = vec![("Alert", explained.id.clone()), ("", text.clone())];
    rows.extend(because.iter().map(|because| ("Because", because.clone())));
    rows.extend(message.iter().flat_map(judged));
    rows.extend(decided(explained, decision));
    rows.extend(explained.response.iter().map(|response| ("Response", responded(response))));
    rows.push(("Label", label.as_ref().map_or_else(|| "none: `sigma feedback` gives one".to_owned(), Label::in_words)));
    rows.extend(archive.iter().flat_map(|check| checked(check, message.as_ref())));
    let line = |(name, value): &(&str, String)| format!("{name:NAME_WIDTH$} {value}").trim_end().to_owned();
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What the detector said.
fn judged(message: &AnomalyMessage) -> Vec<(&'static str, String)> {
    let AnomalyMessage { rule, score, mean, stddev, threshold, count, severity, .. } = message;
    let configuration = message
        .configuration_id
        .map_or_else(|| "not named: the detector was of an earlier release".to_owned(), |id| id.to_string());
    let AnomalyMessage { shard_id, sequence_number, sub_sequence, .. } = message;
    vec![
        ("Event time", time(message.event_time_ms)),
        ("Transaction", message.transaction_id.clone().unwrap_or_else(|| "without an id".to_owned())),
        ("Merchant", message.merchant_id.clone().unwrap_or_else(|| "none".to_owned())),
        ("Rule", format!("{}: {}", rule.as_str(), severity.as_str())),
        ("Figures", format!("score {score}, mean {mean}, stddev {stddev}, threshold {threshold}, count {count}")),
        ("Configuration", configuration),
        ("Record", format!("{shard_id}, sequence number {sequence_number}, {sub_sequence} within it")),
    ]
}

/// What the alerter did.
fn decided(explained: &Explained, decision: &Decision) -> Vec<(&'static str, String)> {
    let Decision { disposition, would, reason, priority, episode, repeats, .. } = decision;
    let would = would.map(|would| format!(" (live, {})", would.as_str())).unwrap_or_default();
    let policy = match decision.policy_version {
        0 => "no policy".to_owned(),
        version => format!("version {version} of the policy"),
    };
    let opener =
        if *episode == explained.id { "opened by this alert".to_owned() } else { format!("opened by {episode}") };
    let published = match explained.published_at_ms {
        Some(ms) => time(ms),
        None if disposition.is_published() => "not recorded".to_owned(),
        None => "never: nobody is told".to_owned(),
    };
    let waits = if explained.waits_for_summary { ", waits for the next summary" } else { "" };
    vec![
        ("Decided", format!("{}{would}, {}", disposition.as_str(), in_words(reason))),
        ("", format!("{}, under {policy}", time(explained.decided_at_ms))),
        ("Priority", priority.as_str().to_owned()),
        ("Episode", format!("{opener}; in the 7 days before it, anomalies of the user: {repeats}")),
        ("Published", published),
        ("Status", format!("{}{waits}", explained.status)),
        ("Kept until", explained.expires_at_seconds.map_or_else(|| "ever".to_owned(), |seconds| time(seconds * 1_000))),
    ]
}

fn in_words(reason: &Reason) -> String {
    match reason {
        Reason::User(why) => format!("by what is listed for the user: {why}"),
        Reason::Rule(id) => format!("by the rule \"{id}\" of the policy"),
        Reason::Priority => "by its priority".to_owned(),
        Reason::Repeat => "since its episode had told people of this priority already".to_owned(),
        Reason::Late => "since it is from long before the user's newest alert".to_owned(),
        Reason::Budget => "since the day's pages were used up".to_owned(),
        Reason::NoDigest => "since there are no summaries to wait for".to_owned(),
    }
}

/// What the response did.
pub(super) fn responded(Response { asked_at_ms, ended }: &Response) -> String {
    let asked = asked_at_ms.map(|ms| format!("a person was asked at {}", time(ms)));
    let Some(ended) = ended else {
        return format!("{}; `sigma decide` answers, unless the execution has ended", asked.unwrap_or_default());
    };
    let part = |name: &str| ended.get(name).and_then(Value::as_str);
    let did =
        ["action", "by", "why", "at", "failed"].into_iter().filter_map(|name| Some(format!("{name} {}", part(name)?)));
    asked.into_iter().chain(did).collect::<Vec<_>>().join(", ")
}

/// What the archive says.
fn checked(check: &Check, message: Option<&AnomalyMessage>) -> Vec<(&'static str, String)> {
    let Check { configuration_id, is_same_configuration, record, records_of_user } = check;
    let given = match is_same_configuration {
        Some(true) => format!("{configuration_id}, that of the message"),
        Some(false) => format!(
            "{configuration_id}, and the message has {}: the detector had other settings than those given",
            message.and_then(|message| message.configuration_id).map(|id| id.to_string()).unwrap_or_default()
        ),
        None => {
            format!("{configuration_id}; the message names none, so that nothing says whether the detector had these")
        }
    };
    let mut rows = vec![("Settings given", given)];
    match record {
        None => rows.push(("Archive", format!("does not have the record; it has {records_of_user} of the user"))),
        Some(record) => rows.extend(compared(record)),
    }
    rows
}

fn compared(record: &Record) -> Vec<(&'static str, String)> {
    let Record { file, line, records_before, is_same, differences } = record;
    let place = format!("{file}, line {line}, after {records_before} records of the user");
    let verdict = if *is_same { "the same to the bit".to_owned() } else { "differs:".to_owned() };
    let mut rows = vec![("Archive", place), ("Recomputed", verdict)];
    rows.extend(differences.iter().map(|difference| {
        let (field, ours, theirs) = (difference.field, &difference.message, &difference.archive);
        ("", format!("{field}: {ours} in the message, {theirs} from the archive"))
    }));
    if !is_same {
        rows.push(("", "Are these the settings, and are all records of the user before it in the archive?".to_owned()));
    }
    rows
}
