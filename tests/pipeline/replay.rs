//! `sigma replay` against what is known of its inputs by other means: real Flink, the detector's handler, and counting by hand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anomaly_core::{AnomalyMessage, RejectReason};
use clap::Parser;
use event_source::kinesis::StreamRecord;
use serde_json::Value;
use sigma_cli::replay::summary::{Flag, Summary, Verdicts};
use sigma_cli::replay::{Options, replay, run};

use crate::fixtures::{DetectorBench, kinesis_event, sequence};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn options(input: &str, arguments: &[&str]) -> Options {
    let input = fixture(input);
    let given = ["replay", "--quiet", "--input", input.to_str().unwrap()];
    Cli::parse_from(given.iter().chain(arguments)).options
}

fn output(name: &str) -> String {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name).to_str().unwrap().to_owned()
}

fn lines(path: &str) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Replays and reads what was flagged.
async fn flagged(name: &str, input: &str, arguments: &[&str]) -> (Summary, Vec<Flag>) {
    let path = output(&format!("{name}.flags.jsonl"));
    let arguments: Vec<&str> = ["--flags-out", &path].into_iter().chain(arguments.iter().copied()).collect();
    let summary = replay(&options(input, &arguments)).await.unwrap();
    (summary, lines(&path).into_iter().map(|line| serde_json::from_value(line).unwrap()).collect())
}

#[tokio::test]
async fn the_recipe_is_that_of_real_flink() {
    let (summary, mut flags) = flagged("recipe", "parity/input.jsonl", &["--rule", "recipe"]).await;
    flags.sort_by(|a, b| (a.window_start, &a.user_id).cmp(&(b.window_start, &b.user_id)));
    let flink = lines(fixture("parity/flink_anomalies.jsonl").to_str().unwrap());
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

/// What the detector's handler makes of the lines of a file, in batches of 100 that all arrive at the end.
async fn handled(input: &str) -> (Verdicts, BTreeMap<RejectReason, u64>, Vec<(usize, AnomalyMessage)>) {
    let bench = DetectorBench::new();
    let content = std::fs::read(fixture(input)).unwrap();
    let payloads = content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let record = |(index, payload): (usize, &[u8])| StreamRecord {
        sequence_number: sequence(index),
        partition_key: "k".to_owned(),
        data: payload.to_vec(),
        arrival_time_ms: 1_760_002_200_000,
    };
    let records: Vec<StreamRecord> = payloads.enumerate().map(record).collect();
    let (mut verdicts, mut rejected, mut messages) = (Verdicts::default(), BTreeMap::new(), Vec::new());
    for batch in records.chunks(100) {
        let (failed, summary) = bench.handle(&kinesis_event(batch)).await;
        assert_eq!(failed, None);
        verdicts = sum(verdicts, Verdicts::from(summary.tally));
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

fn sum(a: Verdicts, b: Verdicts) -> Verdicts {
    Verdicts {
        warming_up: a.warming_up + b.warming_up,
        normal: a.normal + b.normal,
        warning: a.warning + b.warning,
        high: a.high + b.high,
        critical: a.critical + b.critical,
        duplicates: a.duplicates + b.duplicates,
        late: a.late + b.late,
    }
}

#[tokio::test]
async fn a_replay_has_the_lambdas_verdicts_to_the_bit() {
    for input in ["parity/input.jsonl", "replay/mixed.jsonl"] {
        let (verdicts, rejected, messages) = handled(input).await;
        let (summary, flags) = flagged(&input.replace('/', "-"), input, &[]).await;
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

#[tokio::test]
async fn the_handlers_on_the_embedded_store_say_the_same() {
    for arguments in [["--rule", "adaptive", "--through-handlers"], ["--rule", "plain", "--through-handlers"]] {
        replay(&options("replay/mixed.jsonl", &arguments)).await.unwrap();
        replay(&options("replay/archive", &arguments)).await.unwrap();
    }
    let (csv, pattern) = ("replay/cards.csv", "%d/%m/%Y %H:%M:%S");
    let columns = [
        "--time-format",
        pattern,
        "--user-column",
        "Card number",
        "--time-column",
        "Date of purchase",
        "--through-handlers",
    ];
    replay(&options(csv, &columns)).await.unwrap();
}

#[tokio::test]
async fn bad_records_are_counted_and_written_with_their_lines() {
    let path = output("mixed.rejects.jsonl");
    let summary = replay(&options("replay/mixed.jsonl", &["--rejects", &path])).await.unwrap();
    let input = &summary.input;
    assert_eq!((input.lines, input.transactions, input.rejected), (25, 16, 9));
    let expected = Verdicts { warming_up: 9, normal: 4, critical: 1, duplicates: 1, late: 1, ..Verdicts::default() };
    assert_eq!(summary.rules[0].verdicts, expected);
    let rejects: Vec<(u64, String)> = lines(&path)
        .iter()
        .map(|reject| (reject["line"].as_u64().unwrap(), reject["reason"].as_str().unwrap().to_owned()))
        .collect();
    let expected = [
        (14, "not-json"),
        (15, "missing-field"),
        (19, "not-json"),
        (20, "wrong-type"),
        (21, "user-id-invalid"),
        (22, "amount-not-finite"),
        (23, "amount-out-of-range"),
        (24, "timestamp-out-of-range"),
        (25, "not-utf8"),
    ];
    assert_eq!(rejects, expected.map(|(line, reason)| (line, reason.to_owned())));
    assert_eq!(lines(&path)[2]["raw"], "not json");
}

/// The archive is the first 600 lines of the reference input: 300 without ends of lines, and 300 in a gzip.
#[tokio::test]
async fn an_archive_is_read_in_the_order_of_its_names() {
    let (summary, flags) = flagged("archive", "replay/archive", &[]).await;
    let (_, whole) = flagged("whole", "parity/input.jsonl", &[]).await;
    assert_eq!((summary.input.files, summary.input.transactions, summary.input.rejected), (2, 600, 0));
    let whole: Vec<Flag> = whole.into_iter().filter(|flag| flag.index < 600).collect();
    assert_eq!(flags, whole);
    assert!(!flags.is_empty());
}

/// Counted by hand: of nineteen rows seventeen are transactions. Nine of the first card warm up, and the one of the second; the
/// first labelled amount is usual, the second stands out two transactions and 40 minutes later, and so does one that is not
/// labelled.
#[tokio::test]
async fn labels_give_precision_recall_and_delay() {
    let arguments = [
        "--time-format",
        "%d/%m/%Y %H:%M:%S",
        "--user-column",
        "card number",
        "--time-column",
        "Date of purchase",
        "--label-column",
        "Fraud?",
        "--sigmas",
        "2.5",
        "--sigmas",
        "6",
    ];
    let (summary, flags) = flagged("cards", "replay/cards.csv", &arguments).await;
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

#[tokio::test]
async fn a_summary_can_be_read_again_and_its_parts_agree() {
    let path = output("replay.summary.json");
    let arguments = ["--summary", &path, "--rule", "adaptive", "--rule", "plain", "--rule", "recipe"];
    run(&options("parity/input.jsonl", &arguments)).await.unwrap();
    let summary: Summary = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
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

#[tokio::test]
async fn what_cannot_be_replayed_says_what_to_do() {
    let error = replay(&options("replay/cards.csv", &[])).await.unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains("--time-column") && error.contains("Date of purchase, Card number, Amt"), "{error}");
    let columns = ["--time-column", "Date of purchase"];
    let error = replay(&options("replay/cards.csv", &columns)).await.unwrap_err().to_string();
    assert!(error.contains("--time-format") && error.contains("wrong-type"), "{error}");
    let error = replay(&options("replay/cards.csv", &["--format", "jsonl"])).await.unwrap_err().to_string();
    assert!(error.contains("--format csv"), "{error}");
    let error = format!("{:#}", replay(&options("no/such/file", &[])).await.unwrap_err());
    assert!(error.contains("no/such/file"), "{error}");
}

#[tokio::test]
async fn a_knob_out_of_range_is_a_wrong_call() {
    for arguments in [["--sigmas", "7"], ["--window-seconds", "1"]] {
        let error = replay(&options("replay/mixed.jsonl", &arguments)).await.unwrap_err();
        assert_eq!(error.downcast::<clap::Error>().unwrap().exit_code(), 2);
    }
    let arguments = ["--rule", "recipe", "--through-handlers"];
    let error = replay(&options("replay/mixed.jsonl", &arguments)).await.unwrap_err();
    assert_eq!(error.downcast::<clap::Error>().unwrap().exit_code(), 2);
}
