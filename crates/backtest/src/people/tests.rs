use anomaly_core::{Assessment, Baseline, Severity};
use serde_json::json;

use super::*;
use crate::summary::{PeopleSummary, Reach};

const HOUR_MS: i64 = 3_600_000;
/// 2025-10-09, the start of a day in UTC.
const START_MS: i64 = 1_759_968_000_000;
const DAYS: i64 = 10;

/// Alerts of 40 users over ten days, about six an hour: every third is `high`, every fifth `critical`, every seventh labelled.
fn alerts() -> Vec<Flagged> {
    let alerts = (0..1_440_u64).zip((START_MS..).step_by(10 * 60 * 1_000));
    let alert = |(index, event_time_ms): (u64, i64)| Flagged {
        index,
        user: usize::try_from(index * 7 % 40).unwrap(),
        event_time_ms,
        amount: 900.0,
        label: Some(index % 7 == 0),
        assessment: Assessment {
            baseline: Baseline { count: 20, mean: 100.0, stddev: 50.0 },
            threshold: 250.0,
            score: 16.0,
            explanation: None,
            second: None,
        },
        severity: match index {
            index if index % 5 == 0 => Severity::Critical,
            index if index % 3 == 0 => Severity::High,
            _ => Severity::Warning,
        },
        window: None,
    };
    alerts.map(alert).collect()
}

fn policy(json: &str) -> AlertingSettings {
    AlertingSettings { policy: Some(Policy::parse(json).unwrap()), ..AlertingSettings::default() }
}

/// The findings over ten days, and what became of each alert.
fn told(settings: AlertingSettings) -> (PeopleSummary, Vec<(Flagged, Decision)>) {
    let mut people = People::new(settings);
    let decisions = alerts().into_iter().map(|flagged| {
        let document = json!({ "userId": format!("u{}", flagged.user), "amount": flagged.amount });
        let decision = people.tell(&flagged, &document);
        (flagged, decision)
    });
    let decisions = decisions.collect();
    let span = Span::new(START_MS, START_MS + DAYS * 24 * HOUR_MS - 1);
    (people.summary(span, Some((100, 40))), decisions)
}

fn day(flagged: &Flagged) -> i64 {
    (flagged.event_time_ms - START_MS).div_euclid(24 * HOUR_MS)
}

#[test]
fn no_day_has_more_pages_than_its_budget() {
    for pages_per_day_max in [1, 3, 20] {
        let settings = AlertingSettings { pages_per_day_max, ..AlertingSettings::default() };
        let (people, decisions) = told(settings);
        for number in 0..DAYS {
            let is_page =
                |told: &&(Flagged, Decision)| day(&told.0) == number && told.1.disposition == Disposition::Page;
            assert!(decisions.iter().filter(is_page).count() <= usize::try_from(pages_per_day_max).unwrap());
        }
        assert!(people.messages.max <= u64::from(pages_per_day_max) + 1);
    }
    let (people, _) = told(AlertingSettings { pages_per_day_max: 1, ..AlertingSettings::default() });
    assert_eq!((people.messages.max, people.pages.alerts, people.summaries), (2, 10, 10));
    assert!(people.over_budget > 0);
    let (policys, _) = told(policy(r#"{"page":{"perDay":1}}"#));
    assert_eq!(policys, people, "the policy's budget goes before the stack's");
}

#[test]
fn every_waiting_alert_is_in_the_summary_of_its_period() {
    for digest_hours in [1, 5, 24, 48, 168] {
        let (people, decisions) = told(AlertingSettings { digest_hours, ..AlertingSettings::default() });
        let period = |flagged: &Flagged| flagged.event_time_ms.div_euclid(i64::from(digest_hours) * HOUR_MS);
        let waiting: Vec<_> =
            decisions.iter().filter(|(_, decision)| decision.disposition == Disposition::Digest).collect();
        let periods: std::collections::BTreeSet<i64> = waiting.iter().map(|(flagged, _)| period(flagged)).collect();
        assert_eq!(people.summaries, u64::try_from(periods.len()).unwrap(), "{digest_hours} h");
        assert_eq!(people.digest.alerts, u64::try_from(waiting.len()).unwrap());
    }
}

#[test]
fn without_policy_budget_and_summaries_every_alert_is_a_message() {
    let off = AlertingSettings { policy: None, pages_per_day_max: 0, digest_hours: 0 };
    let (people, decisions) = told(off);
    assert_eq!((people.pages.alerts, people.summaries), (1_440, 0));
    assert_eq!(people.messages, people.messages_without);
    assert_eq!((people.messages.mean, people.messages.max), (144.0, 144));
    assert_eq!(people.over_time.with, vec![144; 10]);
    assert!(decisions.iter().all(|(_, decision)| decision.disposition == Disposition::Page));
    let (calm, _) = told(AlertingSettings::default());
    assert_eq!(calm.messages_without, people.messages, "what is compared with does not depend on the settings");
}

#[test]
fn what_a_rule_silences_is_counted_with_its_labels() {
    let (people, decisions) = told(policy(
        r#"{"rules":[
            {"id":"seven","match":{"userId":["u7"]},"then":"silent","until":"2025-10-12","why":"test"},
            {"id":"nobody","match":{"userId":["u70"]},"then":"silent","until":"2026-01-01","why":"test"},
            {"id":"seven again","match":{"userId":["u7", "u8"]},"then":"shadow","until":"2026-01-01","why":"test"}]}"#,
    ));
    let of_user = |users: &[usize], days: std::ops::Range<i64>| {
        let matching = |flagged: &&Flagged| users.contains(&flagged.user) && days.contains(&day(flagged));
        let alerts = alerts();
        let matching: Vec<&Flagged> = alerts.iter().filter(matching).collect();
        let labelled = matching.iter().filter(|flagged| flagged.label == Some(true)).count();
        AlertCount { alerts: u64::try_from(matching.len()).unwrap(), labelled: u64::try_from(labelled).unwrap() }
    };
    // The first rule ends with the fourth day.
    let silent = of_user(&[7], 0..4);
    let (rest, other) = (of_user(&[7], 4..10), of_user(&[8], 0..10));
    let shadow = AlertCount { alerts: rest.alerts + other.alerts, labelled: rest.labelled + other.labelled };
    let found: Vec<_> = people.policy_rules.iter().map(|rule| (rule.id.as_str(), rule.count)).collect();
    assert_eq!(found, [("seven", silent), ("nobody", AlertCount::default()), ("seven again", shadow)]);
    assert!(silent.labelled > 0 && shadow.labelled > 0);
    assert_eq!((people.silent, people.shadow), (silent, shadow));
    let fates = [people.pages, people.digest, people.silent, people.shadow];
    assert_eq!(fates.iter().map(|fate| fate.alerts).sum::<u64>(), u64::try_from(decisions.len()).unwrap());
}

#[test]
fn in_shadow_mode_nobody_gets_anything() {
    let (people, _) = told(policy(r#"{"mode":"shadow"}"#));
    assert_eq!((people.messages.mean, people.messages.max, people.shadow.alerts), (0.0, 0, 1_440));
    assert_eq!(people.messages_without.max, 144);
}

#[test]
fn what_is_labelled_was_told_at_once_or_in_a_summary_or_never() {
    let mut reaches = Reaches::default();
    let [mut late, mut early, mut waiting, mut hushed] = [Reached::default(); 4];
    for disposition in [Disposition::Digest, Disposition::Page, Disposition::Page] {
        reaches.note(&mut late, 15, disposition);
    }
    for disposition in [Disposition::Page, Disposition::Digest, Disposition::Page] {
        reaches.note(&mut early, 15, disposition);
    }
    for disposition in [Disposition::Shadow, Disposition::Digest, Disposition::Digest] {
        reaches.note(&mut waiting, 15, disposition);
    }
    reaches.note(&mut hushed, 15, Disposition::Silent);
    assert_eq!(reaches.of(5), Reach { at_once: 2, in_summary: 1, never: 2 });
    let mut other = Reaches::default();
    other.note(&mut early, 0, Disposition::Digest);
    assert_eq!(other.of(1), Reach { at_once: 0, in_summary: 1, never: 0 }, "tracks do not know of each other");
}

#[test]
fn a_long_input_has_bins_of_several_days() {
    let mut people = People::new(AlertingSettings::default());
    let flagged = alerts()[0];
    let last_ms = START_MS + 1_000 * 24 * HOUR_MS;
    for event_time_ms in [START_MS, last_ms] {
        people.tell(&Flagged { event_time_ms, ..flagged }, &Value::Null);
    }
    let over_time = people.summary(Span::new(START_MS, last_ms), None).over_time;
    assert_eq!((over_time.days, over_time.bin_days, over_time.without.len()), (1_001, 5, 201));
    assert_eq!((over_time.without[0], over_time.without[200], over_time.without.iter().sum::<u64>()), (1, 1, 2));
}
