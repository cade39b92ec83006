use std::collections::BTreeMap;

use alert_policy::{Disposition, Mode};
use anomaly_core::{Direction, RejectReason, Severity};

use super::*;
use backtest::summary::{
    AlertCount, AlertingSummary, Delay, Detection, Difference, Flag, Knobs, MessagesOverTime, MessagesPerDay,
    PeopleSummary, Point, PolicyRuleSummary, Quality, Reach, RuleName, RuleSummary, ScoreHistogram, SweepPoint,
    Timeline, UserCount, UserSeries,
};

const HOSTILE: &str = r#"</script></title><img src=x onerror="alert(1)">' onclick='x"#;

fn quality(precision: f64, recall: f64) -> Quality {
    let f1 = 2.0 * precision * recall / (precision + recall);
    Quality { precision: Some(precision), recall: Some(recall), f1: Some(f1), ..Quality::default() }
}

fn sweep_point(sigmas: f64, alerts_per_1000: f64) -> SweepPoint {
    SweepPoint {
        sigmas,
        alerts: 9,
        alerts_per_1000,
        alerts_per_day: alerts_per_1000 * 12.0,
        users_alerted: 1,
        quality: Some(quality(1.0 - 1.0 / (sigmas + 2.0), 1.0 / sigmas)),
    }
}

fn point(event_time_ms: i64, amount: f64, severity: Option<Severity>) -> Point {
    Point { event_time_ms, amount, mean: Some(20.0), threshold: Some(50.0), severity, label: Some(severity.is_some()) }
}

fn rule(label: &str) -> RuleSummary {
    let knobs = Knobs {
        sigmas: 2.5,
        window_seconds: 300,
        min_observations: 9,
        stddev_floor_ratio: 0.05,
        direction: Direction::Up,
        amount_unit: 0.01,
    };
    let flag = Flag {
        index: 7,
        user_id: HOSTILE.to_owned(),
        timestamp: 1_760_000_100_000,
        amount: 9_120.0,
        count: 84,
        mean: 244.81,
        stddev: 139.56,
        threshold: 611.48,
        score: 63.6,
        severity: Severity::Critical,
        rule: None,
        label: None,
        because: Some(format!("9,120.00 is 37 times what {HOSTILE} usually spends.")),
        window_start: None,
        window_end: None,
    };
    let points = vec![point(0, 10.0, None), point(60_000, 900.0, Some(Severity::High)), point(90_000, 12.0, None)];
    RuleSummary {
        label: label.to_owned(),
        rule: RuleName::Adaptive,
        knobs,
        verdicts: anomaly_core::VerdictCounts { normal: 900, warning: 9, ..Default::default() },
        alerts: 9,
        alerts_per_day: 108.0,
        alerts_per_1000: 9.0,
        alerts_per_user: 1.0,
        alerts_per_day_merged: 12.0,
        alerts_per_user_day_merged: 0.5,
        at_equal_alerts: Some(quality(0.6, 0.45)),
        f1_difference: None,
        labelled_alerts: (9, 4),
        users_alerted: 1,
        users_alerted_share: 0.5,
        warming_up_share: 0.2,
        detection: Some(Detection { quality: quality(0.5, 0.4), delay: Delay::default() }),
        people: Some(people()),
        scores: ScoreHistogram {
            start: -1.0,
            width: 2.0,
            judged: vec![500, 400, 9],
            flagged: vec![0, 0, 9],
            labelled: vec![0, 1, 5],
        },
        alerts_over_time: vec![4, 0, 5],
        sweep: vec![sweep_point(2.5, 9.0), sweep_point(3.0, 4.0), sweep_point(3.5, 0.5)],
        top_flags: vec![flag],
        noisiest_users: vec![UserCount { user_id: HOSTILE.to_owned(), transactions: 1_000, alerts: 9 }],
        series: vec![UserSeries {
            user_id: HOSTILE.to_owned(),
            transactions: 1_000,
            alerts: 9,
            flagged_left_out: 0,
            points,
        }],
    }
}

/// 11 days in bins of 5.
fn people() -> PeopleSummary {
    let count = |alerts, labelled| AlertCount { alerts, labelled };
    PeopleSummary {
        messages: MessagesPerDay { mean: 1.5, max: 4 },
        messages_without: MessagesPerDay { mean: 9.0, max: 14 },
        summaries: 3,
        pages: count(5, 3),
        digest: count(2, 1),
        silent: count(2, 1),
        shadow: count(0, 0),
        over_budget: 0,
        episodes: Some(Reach { at_once: 2, in_summary: 1, never: 1 }),
        labelled_users: Some(Reach::default()),
        policy_rules: vec![PolicyRuleSummary { id: HOSTILE.to_owned(), then: Disposition::Silent, count: count(2, 1) }],
        over_time: MessagesOverTime {
            start_ms: 1_759_968_000_000,
            days: 11,
            bin_days: 5,
            with: vec![10, 5, 2],
            without: vec![40, 50, 9],
        },
    }
}

fn summary(rules: Vec<RuleSummary>) -> BacktestSummary {
    BacktestSummary {
        version: 1,
        tool: "sigma 0.1.0".to_owned(),
        input: InputSummary {
            source: HOSTILE.to_owned(),
            transactions: 1_000,
            users: 2,
            lines: 1_003,
            rejected: 3,
            rejected_by_reason: BTreeMap::from([(RejectReason::NotJson, 3)]),
            labelled: Some(6),
            first_event_time_ms: Some(1_760_000_100_000),
            last_event_time_ms: Some(1_760_000_400_000),
            ..InputSummary::default()
        },
        timeline: Timeline {
            start_ms: 1_760_000_100_000,
            bin_ms: 100_000,
            transactions: vec![300, 300, 400],
            labelled: vec![1, 0, 5],
        },
        alerting: Some(AlertingSummary {
            policy_version: Some(7),
            mode: Mode::Live,
            pages_per_day_max: 20,
            digest_hours: 24,
        }),
        rules,
        elapsed_seconds: 0.5,
        lines_per_second: 2_006.0,
    }
}

/// Number of marks in the figures whose id begins with `id`.
fn marks(page: &str, id: &str) -> usize {
    let figures = page.split("<figure").filter(|figure| figure.contains(&format!(r#"id="{id}"#)));
    let bodies = figures.map(|figure| figure.split("</figure>").next().unwrap());
    bodies.map(|figure| figure.matches(r#"class="mark""#).count() + figure.matches(r#"class="mark "#).count()).sum()
}

#[test]
fn each_value_is_a_mark_and_a_row() {
    let page = render(&summary(vec![rule("adaptive 2.5σ"), rule("plain 3σ")]));
    for (id, expected) in
        [("timeline-0", 3), ("scores-1", 3), ("messages-1", 3), ("series-0-0", 3), ("alerts-by-sigmas", 6)]
    {
        assert_eq!(marks(&page, id), expected, "{id}");
    }
    assert_eq!(marks(&page, "precision-by-recall"), 6);
    assert!(page.contains("Values (3)") && page.contains("Values (6)"));
}

#[test]
fn text_from_users_is_never_markup() {
    let page = render(&summary(vec![rule(HOSTILE)]));
    assert_eq!(page.matches("<script>").count(), 1);
    assert_eq!(page.matches("</script>").count(), 1);
    assert!(!page.contains("<img") && !page.contains(r#"onerror=""#));
    assert!(page.contains("&lt;/script&gt;"));
}

#[test]
fn nothing_is_fetched_and_only_the_named_script_runs() {
    let page = render(&summary(vec![rule("adaptive 2.5σ")]));
    assert!(page.contains("default-src 'none'") && page.contains("script-src 'sha256-"));
    for loader in ["http://", "https://", "src=", "url(", "@import", "<link", "<iframe", "unsafe-eval"] {
        assert!(!page.replace(&html! { (HOSTILE) }.into_string(), "").contains(loader), "{loader}");
    }
}

#[test]
fn the_advice_names_a_quieter_threshold() {
    let page = render(&summary(vec![rule("adaptive 2.5σ")]));
    assert!(page.contains("adaptive 2.5σ raises <strong>9</strong> alerts per 1,000"), "{page}");
    assert!(page.contains("σ = 3.5 raises <strong>0.5</strong>"));
    assert!(page.contains("<strong>20\u{a0}%</strong> of the transactions could not be judged"));
    assert!(page.contains("<strong>3</strong> records are not transactions (3 not-json)"));
}

#[test]
fn messages_are_means_over_the_days_of_a_column() {
    let page = render(&summary(vec![rule("adaptive 2.5σ")]));
    for row in [["2025-10-09", "2", "8"], ["2025-10-14", "1", "10"], ["2025-10-19", "2", "9"]] {
        let cells = row.map(|cell| format!("<td>{cell}</td>")).concat();
        assert!(page.contains(&format!("<tr>{cells}</tr>")), "{cells}");
    }
    assert!(page.contains("would get <strong>1.5 messages a day</strong>, at most 4; 9 if every alert"));
    assert!(page.contains("policy version 7") && page.contains("<td>silent</td><td>2</td><td>1</td>"));
    assert!(page.contains("9,120.00 is 37 times what"));
}

#[test]
fn a_summary_from_before_messages_were_counted_has_a_report_too() {
    let old = RuleSummary { people: None, ..rule("adaptive 2.5σ") };
    let page = render(&BacktestSummary { alerting: None, ..summary(vec![old]) });
    assert!(!page.contains("What people would get") && !page.contains("messages a day"));
}

#[test]
fn an_empty_backtest_has_a_report_too() {
    let empty =
        BacktestSummary { input: InputSummary::default(), timeline: Timeline::default(), ..summary(Vec::new()) };
    assert!(render(&empty).contains("<strong>0</strong> transactions"));
    let silent = RuleSummary {
        alerts: 0,
        sweep: Vec::new(),
        series: Vec::new(),
        scores: ScoreHistogram {
            judged: Vec::new(),
            flagged: Vec::new(),
            labelled: Vec::new(),
            start: 0.0,
            width: 1.0,
        },
        alerts_over_time: Vec::new(),
        detection: None,
        ..rule("plain 2.5σ")
    };
    let page = render(&BacktestSummary { timeline: Timeline::default(), ..summary(vec![silent]) });
    assert!(page.contains("raises no alerts here") && !page.contains("NaN"));
}

/// The sentence on which rule is better, for F1s of two rules and the interval of their difference.
fn advice(first: f64, second: f64, low: f64, high: f64) -> String {
    let with = |label: &str, f1: f64| {
        let mut rule = rule(label);
        rule.detection.as_mut().unwrap().quality.f1 = Some(f1);
        rule
    };
    let mut other = with("profile 3.25σ", second);
    other.f1_difference = Some(Difference { observed: second - first, low, high });
    let page = render(&summary(vec![with("adaptive 2.5σ", first), other]));
    let finding =
        page.split("<li>").find(|finding| finding.contains("better rule") || finding.contains("None of these"));
    finding.unwrap().split("</li>").next().unwrap().replace("<strong>", "").replace("</strong>", "")
}

#[test]
fn the_advice_names_the_better_rule_and_says_when_it_is_noise() {
    let sure = advice(0.2, 0.6, 0.3, 0.5);
    assert!(
        sure.starts_with("For this file profile 3.25σ is the better rule: F1 0.6") && !sure.contains("noise"),
        "{sure}"
    );
    let noise = advice(0.6, 0.59, -0.03, 0.01);
    assert!(noise.starts_with("For this file adaptive 2.5σ is the better rule"), "{noise}");
    assert!(noise.contains("within noise") && noise.contains("-0.010 to +0.030"), "{noise}");
    assert!(advice(0.0, 0.0, 0.0, 0.0).starts_with("None of these rules finds anything"));
}
