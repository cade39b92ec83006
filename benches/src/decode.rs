//! (a) From Lambda's event to transactions, beside `KinesisEvent` and serde.

use std::hint::black_box;

use anomaly_core::{RawTransaction, Transaction};
use anyhow::Context;
use aws_lambda_events::event::kinesis::KinesisEvent;
use detector::decode::Batch;
use serde_json::value::RawValue;

use crate::clock::timed;
use crate::input::Feed;
use crate::report::{Figure, Report};
use crate::spread::{Spread, alternating, number};

const BATCHES: [usize; 3] = [100, 1_000, 10_000];
const ROUNDS: usize = 11;
/// Records decoded in one round.
const RECORDS_PER_ROUND: usize = 200_000;
const CLOCK_SKEW_MS_MAX: i64 = 300_000;

/// As the detector does it: the runtime hands over the event's text, and everything is borrowed from it.
pub(crate) fn ours(event: &[u8]) -> anyhow::Result<usize> {
    let text: Box<RawValue> = serde_json::from_slice(event)?;
    let batch = Batch::open(text.get())?;
    let decoded = batch.decode(CLOCK_SKEW_MS_MAX);
    anyhow::ensure!(decoded.rejects.is_empty(), "a generated record was rejected");
    Ok(black_box(&decoded.records).len())
}

/// As one would do it at first: the runtime hands over a `KinesisEvent`, and each payload is parsed by serde.
fn with_kinesis_event(event: &[u8]) -> anyhow::Result<usize> {
    let event: KinesisEvent = serde_json::from_slice(event)?;
    let mut accepted = 0;
    for record in &event.records {
        let raw: RawTransaction<'_> = serde_json::from_slice(&record.kinesis.data.0)?;
        let arrival_ms = record.kinesis.approximate_arrival_timestamp.timestamp_millis();
        let transaction = Transaction::validate(raw, arrival_ms, CLOCK_SKEW_MS_MAX);
        black_box(&transaction).as_ref().map_err(|reason| anyhow::anyhow!("{reason:?}")).context("rejected")?;
        accepted += 1;
    }
    Ok(accepted)
}

fn ns_per_record(events: &[String], decode: impl Fn(&[u8]) -> anyhow::Result<usize>) -> anyhow::Result<f64> {
    let (seconds, records) =
        timed(|| events.iter().map(|event| decode(event.as_bytes())).sum::<anyhow::Result<usize>>())?;
    Ok(seconds * 1e9 / number(records))
}

pub(crate) fn run(report: &mut Report) -> anyhow::Result<()> {
    for batch in BATCHES {
        let events = Feed::new(1_000)?.events(RECORDS_PER_ROUND / batch, batch)?;
        ns_per_record(&events, ours)?;
        let (of_ours, of_peer) =
            alternating(ROUNDS, |_| ns_per_record(&events, ours), |_| ns_per_record(&events, with_kinesis_event))?;
        let bytes = events.iter().map(String::len).sum::<usize>() / (events.len() * batch);
        let figure = Figure::new('a', format!("decode, {batch} records a batch ({bytes} B each)"), "ns/record");
        report.add(figure.ours(Spread::of(of_ours.iter().copied())).beside(
            "KinesisEvent + serde",
            Spread::of(of_peer.iter().copied()),
            Spread::ratio(&of_peer, &of_ours),
        ));
    }
    Ok(())
}
