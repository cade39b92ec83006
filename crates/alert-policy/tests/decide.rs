//! Decisions against what the documentation promises.
#![expect(clippy::unwrap_used, reason = "tests: a panic is a failed test")]

use alert_policy::{Decision, Disposition, Facts, History, Policy, Reason, Settings, Standing, UserEntries, decide};
use anomaly_core::Severity;
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW_MS: i64 = 1_795_910_400_000;
const HOUR_MS: i64 = 3_600_000;
const SETTINGS: Settings = Settings { pages_per_day_max: 20, has_digest: true };

/// A user's alerts, decided in order.
struct User {
    policy: Option<Policy>,
    entries: Option<UserEntries>,
    settings: Settings,
    history: History,
    alerts: u32,
}

impl User {
    fn new(policy: Option<Value>) -> Self {
        let policy = policy.map(|json| Policy::parse(&json.to_string()).unwrap());
        Self { policy, entries: None, settings: SETTINGS, history: History::default(), alerts: 0 }
    }

    fn listed(entries: &Value) -> Self {
        Self { entries: Some(UserEntries::parse(&entries.to_string()).unwrap()), ..Self::new(None) }
    }

    fn alert(&mut self, hours: i64, severity: Severity) -> Decision {
        self.alerts += 1;
        let (id, document) = (self.alerts.to_string(), json!({"userId": "u1", "merchantId": "m12", "amount": 900}));
        let event_time_ms = NOW_MS + hours * HOUR_MS;
        let facts = Facts { id: &id, event_time_ms, severity, score: 6.0, document: &document };
        let Self { policy, entries, history, settings, .. } = self;
        let standing = Standing {
            policy: policy.as_ref(),
            entries: entries.as_ref(),
            history,
            settings: *settings,
            now_ms: event_time_ms,
        };
        let decision = decide(&facts, &standing);
        self.history.add(&facts, &decision);
        decision
    }

    fn dispositions(&mut self, alerts: &[(i64, Severity)]) -> Vec<Disposition> {
        alerts.iter().map(|(hours, severity)| self.alert(*hours, *severity).disposition).collect()
    }
}

use Disposition::{Digest, Page, Shadow, Silent};
use Severity::{Critical, High, Warning};

#[test]
fn by_default_only_critical_alerts_page_once_an_episode() {
    let mut user = User::new(None);
    assert_eq!(
        user.dispositions(&[(0, Warning), (1, High), (2, Critical), (3, Critical)]),
        [Digest, Digest, Page, Digest]
    );
    assert_eq!(user.dispositions(&[(30, Critical)]), [Page], "27 hours later: another episode");
}

#[test]
fn the_second_high_in_seven_days_is_critical() {
    let mut user = User::new(None);
    assert_eq!(user.alert(0, High).priority, High);
    let second = user.alert(6 * 24, High);
    assert_eq!((second.priority, second.disposition, second.repeats), (Critical, Page, 1));
    let mut other = User::new(None);
    other.alert(0, High);
    assert_eq!(other.alert(8 * 24, High).priority, High);
}

#[test]
fn a_rise_within_an_episode_is_told() {
    let mut user = User::new(Some(json!({"page": {"severity": "warning"}})));
    let alerts = [(0, Warning), (1, Warning), (2, High), (3, Warning), (4, Critical), (5, Critical)];
    assert_eq!(user.dispositions(&alerts), [Page, Digest, Page, Digest, Page, Digest]);
    assert_eq!(user.history.count, 6);
    assert_eq!(user.history.episode, "1");
}

#[test]
fn a_user_who_never_stops_makes_a_message_for_each_severity() {
    let mut user = User::new(Some(json!({"page": {"severity": "warning"}})));
    let decided: Vec<_> = (0..2_000)
        .map(|hour| user.alert(hour, [Warning, High, Critical][usize::try_from(hour % 3).unwrap()]))
        .collect();
    assert_eq!(decided.iter().filter(|decision| decision.disposition == Page).count(), 3);
    assert!(user.history.recent.len() <= 20);
}

#[test]
fn an_alert_that_was_added_changes_nothing_when_it_is_added_again() {
    let (mut user, document) = (User::new(None), json!({}));
    let facts = |id| Facts { id, event_time_ms: NOW_MS, severity: High, score: 6.0, document: &document };
    let decision = user.alert(0, High);
    user.alert(1, Warning);
    let before = user.history.clone();
    user.history.add(&facts("1"), &decision);
    assert_eq!(user.history, before);
}

#[test]
fn a_backlog_from_before_the_episode_waits_for_the_summary() {
    let mut user = User::new(None);
    user.alert(100, Critical);
    let late: Vec<_> = (0..20).map(|hour| user.alert(hour, Critical)).collect();
    assert!(late.iter().all(|decision| (decision.disposition, &decision.reason) == (Digest, &Reason::Late)));
    assert_eq!(user.history.episode, "1", "the episode is still today's");
}

#[test]
fn what_the_budget_refuses_was_not_told() {
    let mut user = User::new(None);
    let document = json!({});
    let facts = Facts { id: "a", event_time_ms: NOW_MS, severity: Critical, score: 12.0, document: &document };
    let refused = user.alert(0, Warning).over_budget();
    user.history.add(&facts, &refused);
    assert_eq!((refused.disposition, refused.reason), (Digest, Reason::Budget));
    assert_eq!(user.alert(1, Critical).disposition, Page);
}

#[test]
fn a_rule_decides_before_the_priority_until_it_ends() {
    let rule =
        json!({"id": "r", "match": {"merchantId": ["m12"]}, "then": "silent", "until": "2026-11-30", "why": "w"});
    let mut user = User::new(Some(json!({"version": 3, "rules": [rule]})));
    let decision = user.alert(0, Critical);
    assert_eq!(
        (decision.disposition, decision.reason, decision.policy_version),
        (Silent, Reason::Rule("r".to_owned()), 3)
    );
    assert_eq!(user.alert(72, Critical).disposition, Page, "the rule has ended");
}

#[test]
fn a_users_entry_decides_before_every_rule() {
    let entry = json!({"then": "silent", "until": "2027-01-31", "why": "holiday"});
    let mut user = User::listed(&json!({"entries": [entry]}));
    user.policy = Some(
        Policy::parse(
            &json!({"rules": [
                {"id": "r", "match": {"userId": ["u1"]}, "then": "page", "until": "2027-01-31", "why": "w"}
            ]})
            .to_string(),
        )
        .unwrap(),
    );
    assert_eq!(user.alert(0, Critical).reason, Reason::User("holiday".to_owned()));
    user.entries = Some(
        UserEntries::parse(
            r#"{"entries":[{"match":{"merchantId":["m1"]},"then":"silent","until":"2027-01-31","why":"w"}]}"#,
        )
        .unwrap(),
    );
    assert_eq!(user.alert(1, Warning).disposition, Page, "the entry is for another merchant, the rule pages");
}

#[test]
fn in_shadow_mode_nobody_is_told_and_what_would_have_been_is_known() {
    let alerts = [(0, Warning), (1, Critical), (2, Critical)];
    let (mut live, mut shadow) = (User::new(None), User::new(Some(json!({"mode": "shadow"}))));
    let would: Vec<_> = alerts.iter().map(|(hours, severity)| shadow.alert(*hours, *severity)).collect();
    assert!(would.iter().all(|decision| decision.disposition == Shadow));
    assert_eq!(would.iter().filter_map(|decision| decision.would).collect::<Vec<_>>(), live.dispositions(&alerts));
    shadow.policy = None;
    assert_eq!(shadow.alert(3, Critical).disposition, Page, "nobody was told of this episode yet");
}

#[test]
fn without_summaries_every_alert_is_a_page_without_a_limit() {
    let mut user = User::new(Some(json!({"page": {"perDay": 5}})));
    user.settings = Settings { pages_per_day_max: 0, has_digest: false };
    assert_eq!(user.dispositions(&[(0, Warning), (1, Warning)]), [Page, Page]);
    assert_eq!(user.alert(2, Critical).pages_per_day_max, 0);
}

#[test]
fn the_policy_sets_level_and_budget() {
    let mut user = User::new(Some(json!({"page": {"severity": "warning", "score": 6.5, "perDay": 3}})));
    let decision = user.alert(0, Critical);
    assert_eq!((decision.disposition, decision.pages_per_day_max), (Digest, 3), "a score of 6 is below the level");
}

fn severities() -> impl Strategy<Value = Severity> {
    prop_oneof![Just(Warning), Just(High), Just(Critical)]
}

proptest! {
    /// An episode raises and never hushes: of every priority that an episode reaches, or a higher one, people were told at once.
    #[test]
    fn never_fewer_are_told_than_priorities_reached(alerts in proptest::collection::vec((0..200_i64, severities()), 1..60)) {
        let mut user = User::new(Some(json!({"page": {"severity": "warning"}})));
        let mut alerts = alerts;
        alerts.sort_by_key(|(hours, _)| *hours);
        let decided: Vec<_> = alerts.iter().map(|(hours, severity)| (*hours, user.alert(*hours, *severity))).collect();
        for (index, (hours, decision)) in decided.iter().enumerate() {
            let was_told = decided[..=index].iter().any(|(at, told)| {
                told.disposition == Page && told.priority >= decision.priority && (hours - at).abs() <= 24 * i64::try_from(index + 1).unwrap()
            });
            prop_assert!(was_told, "{index}: {decision:?}");
        }
    }

    #[test]
    fn a_priority_is_never_below_the_severity(alerts in proptest::collection::vec((0..400_i64, severities()), 1..60)) {
        let mut user = User::new(None);
        for (hours, severity) in alerts {
            prop_assert!(user.alert(hours, severity).priority >= severity);
        }
    }

    #[test]
    fn any_event_time_is_survived(times in proptest::collection::vec(any::<i64>(), 1..20)) {
        let mut history = History::default();
        let document = json!({});
        for (index, event_time_ms) in times.into_iter().enumerate() {
            let id = index.to_string();
            let facts = Facts { id: &id, event_time_ms, severity: High, score: f64::NAN, document: &document };
            let standing = Standing { policy: None, entries: None, history: &history, settings: SETTINGS, now_ms: 0 };
            let decision = decide(&facts, &standing);
            history.add(&facts, &decision);
            let json = serde_json::to_string(&history).unwrap();
            prop_assert_eq!(&serde_json::from_str::<History>(&json).unwrap(), &history);
        }
    }
}
