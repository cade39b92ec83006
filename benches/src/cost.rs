//! (g) The cost of a month: the requests that the detector makes, the stack that `template.yaml` deploys, and list prices.
//!
//! Measured are the write units, reads, messages, CPU time, metrics and record sizes. Read from the template are the defaults, the alarms,
//! the dashboard, the key and the archive. Everything else is a price with its source ([`prices`]) or an assumption that says so
//! ([`bill`]).

mod bill;
mod levers;
mod prices;
mod stack;
mod store;
mod template;

use std::io::Write;
use std::path::Path;

use bill::{Bill, Traffic};
use flate2::Compression;
use flate2::write::GzEncoder;
use lambda_kit::Env;
use prices::SECONDS_PER_MONTH;
use stack::Stack;
use store::{Charged, StoringAws};
use template::Template;

use crate::clock::timed;
use crate::input::{Feed, RECORDS_PER_SECOND};
use crate::invocation::{Handled, detector, handle};
use crate::report::{Figure, Report, Target};
use crate::spread::{Spread, number};
use crate::venv;

const USERS: [u32; 4] = [5, 1_000, 10_000, 100_000];
const WINDOWS_SECONDS: [f64; 3] = [1.0, 5.0, 30.0];
/// Records of one measurement.
const RECORDS: f64 = 20_000.0;
/// Transactions of each user's history.
const HISTORY_TRANSACTIONS: usize = 12;
/// The share of anomalies that is billed, which is what the scenario injects. What the rule finds in one measurement differs by chance.
const ANOMALY_SHARE: f64 = 0.02;

/// The measurement of a part of a month's traffic.
struct Measured {
    users: u32,
    calls: f64,
    records: f64,
    record_bytes: f64,
    archived_bytes: f64,
    cpu_seconds: f64,
    handled: Handled,
    charged: Charged,
}

/// A month's traffic of this many users, with batches that wait this long.
struct Point {
    users: u32,
    window_seconds: f64,
    traffic: Traffic,
}

pub(crate) fn run(report: &mut Report) -> anyhow::Result<()> {
    let template = Template::read(&venv::root().join("template.yaml"))?;
    let stack = Stack::of(&template)?;
    let points = measure(&stack)?;
    for point in &points {
        add(report, &stack, point);
    }
    let idle = Bill::of(&stack, &Traffic::default());
    let most_expensive = points.iter().map(|point| Bill::of(&stack, &point.traffic));
    if let Some(busy) = most_expensive.max_by(|a, b| a.total().total_cmp(&b.total())) {
        report.add(Figure::new('g', BREAK_EVEN, "records/s").ours(Spread::exact(break_even(&idle, &busy))));
    }
    levers::run(report, &template, &points)?;
    report.note_not_measured(format!(
        "Wall time on Lambda: (g) uses CPU time at {} MB's share of a CPU and {} ms for each round trip to DynamoDB, which is assumed.",
        stack.detector_megabytes,
        bill::ROUND_TRIP_MS
    ));
    Ok(())
}

/// Writes the tables of README and of the guide to deployment, which are rows of the document's.
pub(crate) fn write_tables(report: &Report, root: &Path) -> anyhow::Result<()> {
    let rows = [levers::DEFAULTS, levers::ALL, levers::FLINK];
    report.write_table(&root.join("README.md"), "the costs in short", levers::TITLE, &rows)?;
    report.write_table(&root.join("docs/deploy.md"), "the costs", levers::TITLE, &[])
}

const BREAK_EVEN: &str = "break-even rate at the most expensive point above: below it, cheaper than the Flink baseline";

/// Both sides cost something idle, and more with each record.
fn break_even(idle: &Bill, busy: &Bill) -> f64 {
    let saved = idle.flink() - idle.total();
    let more_per_record_a_second = ((busy.total() - idle.total()) - (busy.flink() - idle.flink())) / RECORDS_PER_SECOND;
    saved / more_per_record_a_second
}

fn measure(stack: &Stack) -> anyhow::Result<Vec<Point>> {
    let mut points = Vec::new();
    for users in USERS {
        let aws = StoringAws::default();
        // The default cache, as deployed: with 100,000 users most states are read from the table.
        let detector = detector(&Env::default(), aws.clone())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut feed = Feed::new(users)?;
        for event in feed.warm_up(HISTORY_TRANSACTIONS)? {
            runtime.block_on(handle(&detector, &[event?]))?;
        }
        let (record_bytes, archived_bytes) = record_sizes(users)?;
        for window_seconds in WINDOWS_SECONDS {
            let batch = (RECORDS_PER_SECOND * window_seconds).min(stack.detector_batch).round();
            let calls = (RECORDS / batch).ceil();
            let events = feed.events(count(calls), count(batch))?;
            aws.take();
            let (cpu_seconds, handled) = timed(|| runtime.block_on(handle(&detector, &events)))?;
            let (records, charged) = (calls * batch, aws.take());
            let measured =
                Measured { users, calls, records, record_bytes, archived_bytes, cpu_seconds, handled, charged };
            points.push(Point { users, window_seconds, traffic: month(&measured) });
        }
    }
    Ok(points)
}

/// The bytes of a record as its producer puts it, and of its line in a gzip object of the archive.
fn record_sizes(users: u32) -> anyhow::Result<(f64, f64)> {
    let records = Feed::new(users)?.records(count(RECORDS))?;
    let mut archive = GzEncoder::new(Vec::new(), Compression::default());
    let mut bytes = 0;
    for record in &records {
        bytes += record.data.len();
        archive.write_all(&record.data)?;
        archive.write_all(b"\n")?;
    }
    Ok((number(bytes) / RECORDS, number(archive.finish()?.len()) / RECORDS))
}

/// Scales a measurement to a month of 730 hours at 5,000 records a minute.
fn month(measured: &Measured) -> Traffic {
    let scale = RECORDS_PER_SECOND * SECONDS_PER_MONTH / measured.records;
    let anomalies = measured.records * ANOMALY_SHARE;
    let sends_per_anomaly = number(measured.charged.sqs_requests) / number(measured.handled.anomalies);
    Traffic {
        users: f64::from(measured.users),
        records: measured.records * scale,
        record_bytes: measured.record_bytes,
        archived_bytes: measured.archived_bytes,
        calls: measured.calls * scale,
        call_cpu_ms: measured.cpu_seconds * 1e3 / measured.calls,
        call_writes: number(measured.charged.write_requests) / measured.calls,
        write_units: number(measured.charged.write_units) * scale,
        items_read: number(measured.charged.items_read) * scale,
        sends: sends_per_anomaly * anomalies * scale,
        anomalies: anomalies * scale,
        detector_metrics: number(measured.handled.metrics.len()),
    }
}

/// The whole stack with the template's defaults, except for the window.
fn add(report: &mut Report, stack: &Stack, point: &Point) {
    let label = format!("{} users, window {} s", point.users, point.window_seconds);
    let bill = Bill::of(stack, &point.traffic);
    let (total, flink) = (bill.total(), bill.flink());
    let figure = Figure::new('g', format!("{label}, 2 % anomalies"), "$/month").ours(Spread::exact(total));
    let figure = figure.beside("the Flink baseline", Spread::exact(flink), Spread::exact(flink / total));
    report.add(figure.target(Target::at_most(flink, total)));
    let writes = point.traffic.write_units * prices::WRITE_UNITS_MILLION / prices::MILLION;
    report.add(Figure::new('g', format!("{label}: of which state writes"), "$/month").ours(Spread::exact(writes)));
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small whole numbers"
)]
fn count(value: f64) -> usize {
    value as usize
}
