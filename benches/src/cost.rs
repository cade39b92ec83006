//! (g) The cost of a month, from the requests that the detector makes and list prices.
//!
//! Included is everything that grows with the traffic and differs between the two sides: calls of both functions and their time,
//! reads and writes of state, the ledger, SQS, SNS publishes, PutMetricData, logs. Not included, as in the Flink baseline: the stream
//! (the same on both sides), the archive, alarms and metrics billed by the month, the key, deliveries to subscribers.

mod prices;
mod store;

use lambda_kit::Env;
use prices::{FLINK_DOLLARS, HOURS_PER_MONTH, MILLION, Month};
use store::{Charged, StoringAws};

use crate::clock::timed;
use crate::input::{Feed, RECORDS_PER_SECOND};
use crate::invocation::{Handled, detector, handle};
use crate::report::{Figure, Report, Target};
use crate::spread::{Spread, number};

const USERS: [u32; 4] = [5, 1_000, 10_000, 100_000];
const WINDOWS_SECONDS: [f64; 3] = [1.0, 5.0, 30.0];
/// The template's default of `DetectorBatchSize`.
const BATCH_RECORDS_MAX: f64 = 1_000.0;
/// Records of one measurement.
const RECORDS: f64 = 20_000.0;
/// Transactions of each user's history.
const HISTORY_TRANSACTIONS: usize = 12;
const SECONDS_PER_MONTH: f64 = HOURS_PER_MONTH * 3_600.0;

/// The measurement of a part of a month's traffic.
struct Measured {
    calls: f64,
    records: f64,
    cpu_seconds: f64,
    handled: Handled,
    charged: Charged,
}

pub(crate) fn run(report: &mut Report) -> anyhow::Result<()> {
    let mut highest_dollars: f64 = 0.0;
    for users in USERS {
        let aws = StoringAws::default();
        // The default cache, as deployed: with 100,000 users most states are read from the table.
        let detector = detector(&Env::default(), aws.clone())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut feed = Feed::new(users)?;
        for event in feed.warm_up(HISTORY_TRANSACTIONS)? {
            runtime.block_on(handle(&detector, &[event?]))?;
        }
        for window in WINDOWS_SECONDS {
            let batch = (RECORDS_PER_SECOND * window).min(BATCH_RECORDS_MAX).round();
            let calls = (RECORDS / batch).ceil();
            let events = feed.events(count(calls), count(batch))?;
            aws.take();
            let (cpu_seconds, handled) = timed(|| runtime.block_on(handle(&detector, &events)))?;
            let measured = Measured { calls, records: calls * batch, cpu_seconds, handled, charged: aws.take() };
            let month = month(&measured);
            highest_dollars = highest_dollars.max(month.total());
            add(report, &format!("{users} users, window {window} s"), &month);
        }
    }
    let per_record = highest_dollars / (RECORDS_PER_SECOND * SECONDS_PER_MONTH);
    let break_even = FLINK_DOLLARS / per_record / SECONDS_PER_MONTH;
    let what = "break-even rate at the most expensive point above: below it, cheaper than the Flink baseline";
    report.add(Figure::new('g', what, "records/s").ours(Spread::exact(break_even)));
    report.note_not_measured(format!(
        "Wall time on Lambda: (g) takes CPU time at {} MB's share of a CPU, and assumes {} ms for a round trip to DynamoDB.",
        prices::MEMORY_MEGABYTES,
        prices::ROUND_TRIP_MS
    ));
    Ok(())
}

/// Scales a measurement to a month of 730 hours at 5,000 records a minute.
fn month(measured: &Measured) -> Month {
    let scale = RECORDS_PER_SECOND * SECONDS_PER_MONTH / measured.records;
    let users_per_call = number(measured.handled.user_batches) / measured.calls;
    let cpu_ms = measured.cpu_seconds * 1e3 / measured.calls;
    Month {
        calls: measured.calls * scale,
        call_ms: prices::call_ms(cpu_ms, users_per_call),
        write_units: number(measured.charged.write_units) * scale,
        items_read: number(measured.charged.items_read) * scale,
        sqs_sends: number(measured.charged.sqs_requests) * scale,
        anomalies: number(measured.handled.anomalies) * scale,
    }
}

fn add(report: &mut Report, point: &str, month: &Month) {
    let total = month.total();
    let ratio = FLINK_DOLLARS / total;
    let figure = Figure::new('g', format!("{point}, 2 % anomalies"), "$/month").ours(Spread::exact(total));
    let figure = figure.beside("the Flink baseline", Spread::exact(FLINK_DOLLARS), Spread::exact(ratio));
    report.add(figure.target(Target::at_most(FLINK_DOLLARS, total)));
    for (part, dollars) in [
        ("of which anomalies", month.anomalies_dollars()),
        ("of which state writes", month.write_units * prices::WRITE_UNITS_MILLION / MILLION),
    ] {
        report.add(Figure::new('g', format!("{point}: {part}"), "$/month").ours(Spread::exact(dollars)));
    }
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
