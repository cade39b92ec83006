//! (a) Decoding Lambda's event to transactions, beside `KinesisEvent` and serde.

use std::hint::black_box;

use anomaly_core::{RawTransaction, Transaction};
use anyhow::Context;
use aws_lambda_events::event::kinesis::KinesisEvent;
use detector::decode::{Batch, Shards};

use crate::clock::timed;
use crate::input::Feed;
use crate::report::{Figure, Report};
use crate::spread::{Spread, alternating, number};

const BATCHES: [usize; 3] = [100, 1_000, 10_000];
const ROUNDS: usize = 11;
/// Records decoded in one round.
const RECORDS_PER_ROUND: usize = 200_000;
const CLOCK_SKEW_MS_MAX: i64 = 300_000;

/// The detector's way: the runtime passes the event's bytes, and everything is borrowed from them.
pub(crate) fn ours(event: &[u8]) -> anyhow::Result<usize> {
    let batch = Batch::parse(std::str::from_utf8(event)?)?;
    let segment = batch.segment(0, &Shards::default());
    let decoded = segment.decode(CLOCK_SKEW_MS_MAX);
    anyhow::ensure!(decoded.rejects.is_empty(), "a generated record was rejected");
    Ok(black_box(&decoded.records).len())
}

/// The straightforward way: the runtime passes a `KinesisEvent`, and serde parses each payload.
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
        let (our_rounds, peer_rounds) =
            alternating(ROUNDS, |_| ns_per_record(&events, ours), |_| ns_per_record(&events, with_kinesis_event))?;
        let bytes = events.iter().map(String::len).sum::<usize>() / (events.len() * batch);
        let figure = Figure::new('a', format!("decode, {batch} records a batch ({bytes} B each)"), "ns/record");
        report.add(figure.ours(Spread::of(our_rounds.iter().copied())).beside(
            "KinesisEvent + serde",
            Spread::of(peer_rounds.iter().copied()),
            Spread::ratio(&peer_rounds, &our_rounds),
        ));
    }
    Ok(())
}
