//! Backtests compared with results from other sources: real Flink, the detector's handler, and counting by hand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anomaly_core::{AnomalyMessage, RejectReason, VerdictCounts};
use backtest::{
    Backtest, BacktestSummary, ColumnNames, Flag, InputFormat, Reader, ReaderSettings, Recomputation, RuleChoices,
    RuleName, TimeFormat,
};
use detector::DetectorSettings;
use event_source::kinesis::StreamRecord;
use lambda_kit::Env;
use serde_json::Value;

use crate::fixtures::{DetectorBench, SharedStore, kinesis_event, sequence};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
}

fn only(rule: RuleName) -> RuleChoices {
    RuleChoices { rules: vec![rule], ..RuleChoices::default() }
}

/// The settings for `replay/cards.csv`, whose time and user columns are not detected automatically.
fn cards() -> ReaderSettings {
    let name = |name: &str| Some(name.to_owned());
    ReaderSettings {
        columns: ColumnNames {
            user: name("card number"),
            time: name("Date of purchase"),
            label: name("Fraud?"),
            ..ColumnNames::default()
        },
        time_format: TimeFormat::Pattern("%d/%m/%Y %H:%M:%S".to_owned()),
        ..ReaderSettings::default()
    }
}

fn open(input: &str, settings: ReaderSettings, choices: &RuleChoices, is_swept: bool) -> anyhow::Result<Backtest> {
    Backtest::open(&fixture(input), settings, &choices.plan(is_swept)?, true)
}

/// Runs a backtest. Returns its summary and the flagged transactions.
fn flagged(input: &str, settings: ReaderSettings, choices: &RuleChoices) -> (BacktestSummary, Vec<Flag>) {
    open(input, settings, choices, false).unwrap().run().unwrap()
}

fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn tumbling_finds_what_real_flink_found() {
    let (summary, mut flags) = flagged("parity/input.jsonl", ReaderSettings::default(), &only(RuleName::Tumbling));
    flags.sort_by(|a, b| (a.window_start, &a.user_id).cmp(&(b.window_start, &b.user_id)));
    let flink = lines(&fixture("parity/flink_anomalies.jsonl"));
    assert_eq!((flags.len(), summary.rules[0].alerts), (flink.len(), 35));
    for (ours, theirs) in flags.iter().zip(&flink) {
        assert_eq!(ours.user_id, theirs["userId"].as_str().unwrap());
        assert_eq!(
            (ours.window_start, ours.window_end),
            (theirs["windowStart"].as_i64(), theirs["windowEnd"].as_i64())
        );
        assert_eq!(u64::from(ours.count), theirs["count"].as_u64().unwrap());
        for (ours, name) in
            [(ours.amount, "max"), (ours.mean, "avg"), (ours.stddev, "stddev"), (ours.threshold, "threshold")]
        {
            let theirs = theirs[name].as_f64().unwrap();
            assert!((ours / theirs - 1.0).abs() <= 1e-9, "{name}: {ours}, Flink has {theirs}");
        }
    }
}

/// The results of the detector's handler for the lines of a file, in batches of 100 that all arrive at the end.
async fn handled(
    input: &str,
    rule: RuleName,
) -> (VerdictCounts, BTreeMap<RejectReason, u64>, Vec<(usize, AnomalyMessage)>) {
    let bench = DetectorBench::configured(SharedStore::default(), &Env::from_pairs([("RULE", rule.as_str())]));
    let content = std::fs::read(fixture(input)).unwrap();
    let payloads = content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let record = |(index, payload): (usize, &[u8])| StreamRecord {
        sequence_number: sequence(index),
        partition_key: "k".to_owned(),
        data: payload.to_vec(),
        arrival_time_ms: 1_760_002_200_000,
    };
    let records: Vec<StreamRecord> = payloads.enumerate().map(record).collect();
    let (mut verdicts, mut rejected, mut messages) = (VerdictCounts::default(), BTreeMap::new(), Vec::new());
    for batch in records.chunks(100) {
        let (failed, summary) = bench.handle(&kinesis_event(batch)).await;
        assert_eq!(failed, None);
        verdicts += summary.verdicts;
        summary.rejected.into_iter().for_each(|(reason, count)| *rejected.entry(reason).or_default() += count);
        for body in bench.anomalies.take() {
            let message: AnomalyMessage = serde_json::from_str(&body).unwrap();
            let index = records.iter().position(|record| record.sequence_number == message.sequence_number);
            messages.push((index.unwrap(), message));
        }
    }
    messages.sort_by_key(|(index, _)| *index);
    (verdicts, rejected, messages)
}

#[tokio::test]
async fn every_message_names_its_configuration_and_is_recomputed_from_the_records_to_the_bit() {
    for rule in [RuleName::Adaptive, RuleName::Profile, RuleName::Plain] {
        let (_, _, messages) = handled("parity/input.jsonl", rule).await;
        let env = Env::from_pairs([("RULE", rule.as_str())]);
        let settings = DetectorSettings::from_env(&env).unwrap();
        assert!(!messages.is_empty());
        for (index, message) in messages.iter().step_by(7) {
            assert_eq!(message.configuration_id, Some(settings.configuration_id()));
            let retention = settings.state_retention_seconds;
            let mut recomputation = Recomputation::new(message, settings.rule.clone(), retention).unwrap();
            let mut reader = Reader::open(&fixture("parity/input.jsonl"), ReaderSettings::default()).unwrap();
            while let Some(record) = reader.next_record().unwrap() {
                recomputation.add(&record).unwrap();
            }
            let found = recomputation.finish().unwrap();
            assert_eq!((found.line, found.differences), (u64::try_from(index + 1).unwrap(), vec![]), "{message:?}");
        }
    }
}

#[tokio::test]
async fn a_backtest_has_the_lambdas_verdicts_to_the_bit() {
    let inputs = ["parity/input.jsonl", "replay/mixed.jsonl"];
    let rules = [RuleName::Adaptive, RuleName::Profile, RuleName::Plain];
    for (rule, input) in rules.into_iter().flat_map(|rule| inputs.map(|input| (rule, input))) {
        let (verdicts, rejected, messages) = handled(input, rule).await;
        let (summary, flags) = flagged(input, ReaderSettings::default(), &only(rule));
        assert_eq!((summary.rules[0].verdicts, &summary.input.rejected_by_reason), (verdicts, &rejected), "{input}");
        assert_eq!(flags.len(), messages.len());
        for (flag, (index, message)) in flags.iter().zip(messages) {
            assert_eq!(
                (flag.index, &flag.user_id, flag.timestamp),
                (u64::try_from(index).unwrap(), &message.user_id, message.event_time_ms)
            );
            assert_eq!((flag.amount, flag.count, flag.mean), (message.amount, message.count, message.mean));
            assert_eq!((flag.stddev, flag.threshold), (message.stddev, message.threshold));
            assert_eq!((flag.score, flag.severity), (message.score, message.severity));
        }
    }
}

#[test]
fn bad_records_are_counted() {
    let (summary, _) = flagged("replay/mixed.jsonl", ReaderSettings::default(), &RuleChoices::default());
    let input = &summary.input;
    assert_eq!((input.lines, input.transactions, input.rejected), (25, 16, 9));
    let expected =
        VerdictCounts { warming_up: 9, normal: 4, critical: 1, duplicates: 1, late: 1, ..VerdictCounts::default() };
    assert_eq!(summary.rules[0].verdicts, expected);
}

/// The archive is the first 600 lines of the reference input: 300 without line ends, and 300 in a gzip.
#[test]
fn an_archive_is_read_in_order_of_file_names() {
    let (summary, flags) = flagged("replay/archive", ReaderSettings::default(), &RuleChoices::default());
    let (_, whole) = flagged("parity/input.jsonl", ReaderSettings::default(), &RuleChoices::default());
    assert_eq!((summary.input.files, summary.input.transactions, summary.input.rejected), (2, 600, 0));
    let whole: Vec<Flag> = whole.into_iter().filter(|flag| flag.index < 600).collect();
    assert_eq!(flags, whole);
    assert!(!flags.is_empty());
}

/// Counted by hand: seventeen of the nineteen rows are transactions. Nine of the first card's warm up, and the only one of the
/// second. The first labelled amount is ordinary; the second, two transactions and 40 minutes later, is flagged, and so is one that
/// is not labelled.
#[test]
fn labels_give_precision_recall_and_delay() {
    let (summary, flags) =
        flagged("replay/cards.csv", cards(), &RuleChoices { sigmas: vec![2.5, 6.0], ..only(RuleName::Adaptive) });
    assert_eq!((summary.input.transactions, summary.input.rejected, summary.input.labelled), (17, 2, Some(2)));
    let rule = &summary.rules[0];
    assert_eq!(
        (rule.label.as_str(), rule.verdicts.warming_up, rule.alerts, rule.users_alerted),
        ("adaptive 2.5σ", 10, 2, 1)
    );
    let detection = rule.detection.as_ref().unwrap();
    let quality = detection.quality;
    assert_eq!((quality.true_alerts, quality.false_alerts, quality.missed), (1, 1, 1));
    assert_eq!((quality.precision, quality.recall, quality.f1), (Some(0.5), Some(0.5), Some(0.5)));
    let delay = detection.delay;
    assert_eq!((delay.episodes, delay.episodes_detected, delay.transactions_median), (1, 1, Some(2)));
    let minutes = 40 * 60 * 1_000;
    assert!(delay.ms_median.unwrap().abs_diff(minutes) <= minutes / 1_000, "{delay:?}");
    let first: Vec<_> = flags.iter().filter(|flag| flag.rule.as_deref() == Some("adaptive 2.5σ")).collect();
    assert_eq!(
        first.iter().map(|flag| (flag.amount, flag.label)).collect::<Vec<_>>(),
        [(900.0, Some(true)), (850.0, Some(false))]
    );
    assert_eq!(flags.len(), 4, "both rules flag both");
}

#[test]
fn a_summary_survives_a_round_trip_and_its_parts_agree() {
    let choices = RuleChoices { rules: RuleName::ALL.to_vec(), ..RuleChoices::default() };
    let (summary, _) = open("parity/input.jsonl", ReaderSettings::default(), &choices, true).unwrap().run().unwrap();
    let text = serde_json::to_string(&summary).unwrap();
    assert_eq!(serde_json::from_str::<BacktestSummary>(&text).unwrap(), summary);
    assert_eq!(summary.timeline.transactions.iter().sum::<u64>(), 20_000);
    for rule in &summary.rules {
        assert_eq!(rule.alerts_over_time.iter().sum::<u64>(), rule.alerts, "{}", rule.label);
        assert_eq!(rule.scores.flagged.iter().sum::<u64>(), rule.alerts, "{}", rule.label);
        assert_eq!(rule.noisiest_users.iter().map(|user| user.alerts).sum::<u64>(), rule.alerts, "{}", rule.label);
        let own = rule.sweep.iter().find(|point| point.sigmas == 2.5).unwrap();
        assert_eq!(own.alerts, rule.alerts, "{}", rule.label);
        assert!(rule.sweep.windows(2).all(|pair| pair[0].sigmas < pair[1].sigmas && pair[0].alerts >= pair[1].alerts));
        assert_eq!(rule.series.len(), 5, "{}", rule.label);
        for series in &rule.series {
            let flagged = series.points.iter().filter(|point| point.severity.is_some()).count();
            assert_eq!(u64::try_from(flagged).unwrap() + series.flagged_left_out, series.alerts, "{}", rule.label);
        }
    }
}

#[test]
fn an_error_about_an_unusable_input_says_what_to_do() {
    let refused = |input: &str, settings: ReaderSettings| {
        let run = open(input, settings, &RuleChoices::default(), false).and_then(Backtest::run);
        format!("{:#}", run.unwrap_err())
    };
    let error = refused("replay/cards.csv", ReaderSettings::default());
    assert!(error.contains("--time-column") && error.contains("Date of purchase, Card number, Amt"), "{error}");
    let columns = ColumnNames { time: Some("Date of purchase".to_owned()), ..ColumnNames::default() };
    let error = refused("replay/cards.csv", ReaderSettings { columns, ..ReaderSettings::default() });
    assert!(error.contains("--time-format") && error.contains("wrong-type"), "{error}");
    let format = ReaderSettings { format: InputFormat::Jsonl, ..ReaderSettings::default() };
    let error = refused("replay/cards.csv", format);
    assert!(error.contains("--format csv"), "{error}");
    let error = refused("no/such/file", ReaderSettings::default());
    assert!(error.contains("no/such/file"), "{error}");
}
